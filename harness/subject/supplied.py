"""The subject that is supplied: model files that ship, and records whose membership is known; shadows where given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.config import ArtifactConfig, AuditConfig
from harness.data import output_kind
from harness.devices import Device
from harness.errors import ArtifactError, ConfigError, DependencyError, InputError
from harness.export import inspect
from harness.results import ArtifactResult
from harness.store import Run
from harness.subject._files import file_result
from harness.subject._fitting import check_classes, deploy, fitted
from harness.subject._inputs import keep_inputs, require_unchanged
from harness.subject._keras import SUFFIX, converted
from harness.subject._pools import Pool, read_pools
from harness.subject.names import AUDIT, CANARIES, POPULATION, TARGET
from harness.subject.observations import Asked, Evidence
from harness.types import Artifact, IntArray, Records, TensorSpec
from protos.runtimes import RUNTIMES, by_suffix

__all__ = ["SuppliedSubject", "artifact_of", "inputs_of"]

# One vector a record; how many classes, the first answer tells.
ANSWER = TensorSpec("", "float32", (-1,))
FILE_HINT = "give the file as it ships; its suffix says which runtime reads it"
# How many steps an 8-bit input has.
STEPS = 255


@dataclass(frozen=True, eq=False)
class SuppliedSubject:
    """Files with the records that they are audited on.

    Args:
        config: the audit.
        pools: name of the population -> its records, the audited ones first.
        files: every model file, the target's first, known by its digest.
        inputs: path and SHA-256 of every file that was supplied.
    """

    config: AuditConfig
    pools: Mapping[str, Pool]
    files: tuple[Artifact, ...]
    inputs: tuple[tuple[Path, str], ...]

    @classmethod
    def load(cls, config: AuditConfig, run: Run | None = None) -> SuppliedSubject:
        """Read the records and the files' digests.

        Args:
            config: the audit.
            run: its folder, where there is one yet: its inputs may not have changed.

        Raises:
            ArtifactError: a file is missing or empty.
            ConfigError: the suffix of one is not known, or a shadow's file is of another runtime than the target's.
            InputError: records cannot be used.
            UnresolvedError: there are too few.
            RunError: an input is not what the run was begun with.
        """
        assert config.records is not None, "the configuration is of this kind"  # noqa: S101
        files = _artifacts(config)
        _require_same_runtimes(files)
        inputs = (*((file.path, file.sha256) for file in files), *_digests(config))
        if run is not None:
            require_unchanged(run, inputs)
        pools = read_pools(config.records, config.shadow, audit=AUDIT, outside=POPULATION, seed=config.seed)
        return cls(config, pools, tuple(files), inputs)

    def keep(self, run: Run) -> None:
        """Bind a run to the files; see `Subject`."""
        keep_inputs(run, self.inputs)

    def evidence(self) -> Evidence:
        """Who is asked about which population; see `Subject`."""
        outside = POPULATION if POPULATION in self.pools else ""
        shadows = tuple(f"shadow-{number}" for number in range(len(self.config.shadow)))
        return Evidence(
            variants=tuple(one.variant for one in self.config.artifact),
            controls=tuple(one.variant for one in self.config.artifact if one.control),
            runtimes=tuple(dict.fromkeys(file.runtime for file in self.files if file.model == TARGET)),
            target=Asked(TARGET, AUDIT, shadows, outside),
            shadows=tuple(
                Asked(one, one, tuple(other for other in shadows if other != one), outside) for one in shadows
            ),
            canaries=Asked(TARGET, CANARIES, shadows, outside) if CANARIES in self.pools else None,
        )

    def population(self, name: str) -> Records:
        """The records of a population; see `Subject`."""
        return self.pools[name].records

    def membership(self, model: str, ids: IntArray) -> IntArray:
        """1 where a record is a member of the model, 0 elsewhere, `[n]`."""
        own = [
            self.pools[name].members
            for name in ((AUDIT, CANARIES) if model == TARGET else (model,))
            if name in self.pools
        ]
        return np.isin(ids, np.concatenate(own)).astype(np.int64)

    def training(self, model: str, ids: IntArray) -> IntArray:
        """1 where the model was trained on the record, as its owner says, `[n]`."""
        return self.membership(model, ids)

    def artifacts(self, run: Run) -> list[Artifact]:
        """The supplied files, the target's first; Keras models as the files that they are converted into."""
        return self.converted(run.path("converted", ""))

    def converted(self, folder: Path) -> list[Artifact]:
        """The files as a device takes them; a folder keeps what Keras models are converted into."""
        return [converted(file, folder) for file in self.files]

    def prepare(self, device: Device, artifacts: Sequence[Artifact]) -> list[Artifact]:
        """Show every file its first records: its layout has to fit, its classes to cover the labels; see `Subject`."""
        prepared: list[Artifact] = []
        for artifact in artifacts:
            deploy(device, artifact)
            pool = AUDIT if artifact.model == TARGET else artifact.model
            ready, answers = fitted(device, artifact, self.population(pool), self._source(pool))
            self.output_form(ready, answers)  # what is neither confidences nor logits is refused before the long run
            prepared.append(ready)
        labels: dict[str, IntArray] = {}
        for population, held in self.pools.items():  # canaries lie in the same files as the other audited records
            files = self._source(population)
            labels[files] = np.concatenate([labels.get(files, np.empty(0, dtype=np.int64)), held.records.labels])
        check_classes(prepared, labels)
        return prepared

    def file_results(self, artifacts: Sequence[Artifact]) -> list[ArtifactResult]:
        """What the target's files hold; weights only where the format's reader is installed."""
        return [
            file_result(
                artifact,
                is_control=self._artifact(artifact.variant).control,
                zip_bytes=inspect.sizes(artifact.path).zipped,
                weights=_weights(artifact),
            )
            for artifact in artifacts
            if artifact.model == TARGET
        ]

    def reference(self, run: Run, variant: str) -> None:
        """None: nobody says what the files' answers should be."""

    def output_form(self, artifact: Artifact, answers: NDArray[np.float32]) -> tuple[str, str]:
        """What the user says that the answers are, else what their numbers say; see `Subject`."""
        stated = self._artifact(artifact.variant).outputs
        if stated is not None:
            return stated, "as the configuration says"
        decision = output_kind.decide(answers, name=str(artifact.path))
        return decision.form, decision.reason

    def input_step(self) -> float:
        """One of 255 steps of the audited records' range where a file holds 8-bit weights, or may hold them."""
        dtypes = {str(row["dtype"]) for file in self.files for row in _weights(file)}
        if dtypes and not dtypes & {"int8", "uint8"}:
            return 0.0
        values = [v for v in self.population(AUDIT).inputs.values() if v.dtype.kind == "f"]
        return max((float(max(v.max(), 0.0) - min(v.min(), 0.0)) / STEPS for v in values), default=0.0)

    def summary(self) -> dict[str, object]:
        """How many records play which role; see `Subject`."""
        pool = self.pools[AUDIT]
        duplicates = len(pool.records) - len(np.unique(pool.records.ids))
        warning = f"{duplicates} of the audited records occur more than once; their scores are not independent"
        return {
            "name": self._source(AUDIT),
            "members": len(pool.members),
            "nonmembers": len(pool.records) - len(pool.members),
            "population": len(self.pools[POPULATION].records) if POPULATION in self.pools else 0,
            "shadows": len(self.config.shadow),
            **({"canaries": len(self.pools[CANARIES].records)} if CANARIES in self.pools else {}),
            "inputs": {
                name: {"dtype": values.dtype.name, "shape": list(values.shape[1:])}
                for name, values in pool.records.inputs.items()
            },
            "warnings": [warning] if duplicates else [],
        }

    @cached_property
    def _by_variant(self) -> Mapping[str, ArtifactConfig]:
        return {one.variant: one for one in self.config.artifact}

    def _artifact(self, variant: str) -> ArtifactConfig:
        return self._by_variant[variant]

    def _source(self, pool: str) -> str:
        """How messages call a pool's records: the files that hold them."""
        return ", ".join(Path(path).name for path in _files_of(self.config, pool))


def artifact_of(model: str, config: ArtifactConfig, *, keras: str = "") -> Artifact:
    """One supplied file, known by its digest; its runtime by its suffix.

    Args:
        model: whose file it is.
        config: the file, and how it is called.
        keras: suffix of Keras models where they may be given: they run on LiteRT once they are converted.

    Raises:
        ConfigError: no runtime reads such a suffix.
        ArtifactError: the file is missing or empty.
    """
    path = Path(config.file)
    runtime = RUNTIMES["litert"] if path.suffix == keras else by_suffix(path.suffix)
    if runtime is None:
        known = ", ".join(row.suffix for row in RUNTIMES.values())
        hint = "convert it first: edgeleak keras" if path.suffix in (SUFFIX, ".h5") else FILE_HINT
        raise ConfigError(f"{path}: suffix {path.suffix or 'none'} is none of {known}", hint=hint)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}", hint=FILE_HINT) from None
    if size == 0:
        raise ArtifactError(f"{path}: the file is empty", hint=FILE_HINT)
    return Artifact(model, config.variant, runtime.name, path, digest, size, (), ANSWER)


def _weights(artifact: Artifact) -> list[dict[str, object]]:
    """The file's weight tensors; none where this machine cannot read the format or the file holds none."""
    try:
        return [tensor.to_json() for tensor in inspect.weight_summary(artifact.path, artifact.runtime)]
    except (ArtifactError, DependencyError, ImportError):
        return []


def _files_of(config: AuditConfig, pool: str) -> Iterator[str]:
    """The files that hold a pool's records."""
    assert config.records is not None, "the configuration is of this kind"  # noqa: S101
    records = config.records
    if pool in (AUDIT, CANARIES):
        names = (records.file, records.members, records.nonmembers)
    elif pool == POPULATION:
        names = (records.population, None, None)
    else:
        shadow = config.shadow[int(pool.removeprefix("shadow-"))]
        names = (shadow.members, shadow.nonmembers, None)
    return (name for name in names if name is not None)


def inputs_of(config: AuditConfig) -> tuple[tuple[Path, str], ...]:
    """Path and SHA-256 of every file that is supplied, as a run is bound to them.

    Raises:
        UsageError: one is missing, or a suffix is not known.
    """
    return (*((file.path, file.sha256) for file in _artifacts(config)), *_digests(config))


def _artifacts(config: AuditConfig) -> list[Artifact]:
    files = [artifact_of(TARGET, one, keras=SUFFIX) for one in config.artifact]
    for number, shadow in enumerate(config.shadow):
        files += [artifact_of(f"shadow-{number}", one, keras=SUFFIX) for one in shadow.artifact]
    return files


def _digests(config: AuditConfig) -> Iterator[tuple[Path, str]]:
    """Path and SHA-256 of every file of records.

    Raises:
        InputError: one is missing.
    """
    pools = (AUDIT, POPULATION, *(f"shadow-{number}" for number in range(len(config.shadow))))
    for path in (Path(name) for pool in pools for name in _files_of(config, pool)):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}", hint="give the file of records") from None
        yield path, digest


def _require_same_runtimes(files: Iterable[Artifact]) -> None:
    """Raise unless every shadow runs each variant where the target does: attacks learn from the same kernels."""
    target: dict[str, Artifact] = {}
    for file in files:
        own = target.setdefault(file.variant, file)
        if file.runtime != own.runtime:
            raise ConfigError(
                f"{file.path}: is {RUNTIMES[file.runtime].title}, the target's {file.variant} {own.path.name} is "
                f"{RUNTIMES[own.runtime].title}",
                hint="give the shadow's file for the target's runtime",
            )
