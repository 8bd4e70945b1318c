"""The subject that is trained here: data and an architecture, who is a member of what, and where the weights lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness import compression, fields, models, training
from harness.attacks import attack_class
from harness.config import AuditConfig
from harness.data import datasets
from harness.errors import ConfigError, RunError
from harness.results import ArtifactResult
from harness.store import Run
from harness.subject._files import file_result
from harness.subject.exported import artifacts_of, jobs_of
from harness.subject.names import AUDIT, CONTROL, POPULATION, TARGET
from harness.subject.observations import Asked, Evidence
from harness.subject.tokens import keep_tokenizer, pretrained_tokenizer, tokenizer_of
from harness.types import Artifact, IntArray, Records

if TYPE_CHECKING:
    from torch import nn

    from harness.devices import Device

__all__ = ["TrainedSubject", "inputs_of", "reference_path", "weights_of"]

# The shadows' pool: every shadow is trained on a part of it.
SHADOW = "shadow"
# Number formats whose kernels see the input in 8 bits, and how many steps 8 bits make.
EIGHT_BIT = ("int8", "int8-dynamic")
STEPS = 255


@dataclass(frozen=True, eq=False)
class _Text:
    """A tokenizer and the texts that it belongs to: the target's training records."""

    tokenizer: datasets.Tokenizer
    training: list[str]


@dataclass(frozen=True, eq=False)
class TrainedSubject:
    """A data set with its split, and the models that are trained on it.

    Args:
        config: the audit.
        dataset: all records, preprocessed once.
        split: who is a member of what.
        text: how token ids were made of texts; None for other data.
        warnings: what a reader should know about the data, one sentence each.
    """

    config: AuditConfig
    dataset: datasets.Dataset
    split: datasets.Split
    text: _Text | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, config: AuditConfig, run: Run | None = None) -> TrainedSubject:
        """Read the data set, draw the split, and only then make token ids of texts and pixels of image files.

        Args:
            config: the audit.
            run: its folder, where there is one yet: texts are then read with the tokenizer that is kept there.

        Raises:
            ConfigError: the data set is not known or has too few records, or an option is not for such records.
            InputError: a file of it is missing or malformed.
            RunError: the run's tokenizer is damaged, or belongs to other texts.
        """
        data = config.data
        source = datasets.load(data.name, data_dir=Path(data.data_dir) if data.data_dir else None, label=data.label)
        split = datasets.split(
            source,
            members=data.members,
            nonmembers=data.nonmembers,
            shadows=config.training.shadows,
            population=data.population,
            calibration=data.calibration,
            shadow_pool=data.shadow_pool,
            seed=config.seed,
            null=config.null,
        )
        warnings = datasets.source_warnings(source, split)
        if isinstance(source, datasets.TextDataset):
            texts = source.texts(split.training)
            tokenizer = tokenizer_of(config, texts, run)
            warnings += _foreign_tokens(config)
            records = source.tokenized(tokenizer, split.everyone())
            subject = cls(config, records, split, _Text(tokenizer, texts), warnings)
        elif isinstance(source, datasets.ImageFiles):
            subject = cls(config, source.decoded(split.everyone()), split, None, warnings)
        else:
            subject = cls(config, source, split, None, warnings)
        subject._check_options()
        return subject

    def keep(self, run: Run) -> None:
        """Write down what the run is made of: who is a member of what, and the tokenizer of texts."""
        run.write_json("split.json", self.split.to_json())
        if self.text is not None:
            keep_tokenizer(run, self.text.tokenizer, self.text.training)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: the target first, then the shadows."""
        return (TARGET, *(f"shadow-{k}" for k in range(len(self.split.shadows))))

    def training_records(self, model: str) -> Records:
        """What a model is trained and fine-tuned on."""
        ids = self.split.training if model == TARGET else self._shadow(model).training
        return self.dataset.take(ids)

    def training_arrays(self, model: str) -> tuple[training.Inputs, IntArray]:
        """The same records as torch takes them: inputs `[n, ...]` and labels `[n]`."""
        records = self.training_records(model)
        return inputs_of(records), records.labels

    def evidence(self) -> Evidence:
        """Who is asked about which population; see `Subject`."""
        variants = self.config.compression.variants
        shadows = self.models[1:]
        return Evidence(
            variants=variants,
            controls=(CONTROL,),
            runtimes=self.config.export.runtimes,
            target=Asked(TARGET, AUDIT, shadows, POPULATION),
            shadows=tuple(
                Asked(one, SHADOW, tuple(other for other in shadows if other != one), POPULATION) for one in shadows
            ),
        )

    def population(self, name: str) -> Records:
        """The records of a population, by id: members and non-members mixed, so no batch holds one kind only.

        `audit`: the target's members and non-members. `shadow`: the shadows' pool. `population`: in nobody's training
        set. `mis`: what the MIS indicator is evaluated on, neither trained on nor calibrated with.
        """
        split = self.split
        roles: dict[str, Iterable[IntArray]] = {
            AUDIT: (split.members, split.nonmembers),
            SHADOW: (pool for shadow in split.shadows for pool in (shadow.members, shadow.nonmembers)),
            POPULATION: (split.population,),
            "mis": (split.nonmembers, split.population),
        }
        return self.dataset.take(np.unique(np.concatenate(list(roles[name]))))

    def membership(self, model: str, ids: IntArray) -> IntArray:
        """1 where the pool calls a record the model's member, 0 elsewhere, `[n]`."""
        members = self.split.members if model == TARGET else self._shadow(model).members
        return np.isin(ids, members).astype(np.int64)

    def training(self, model: str, ids: IntArray) -> IntArray:
        """1 where the model was really trained on the record, `[n]`."""
        return np.isin(ids, self.training_records(model).ids).astype(np.int64)

    def artifacts(self, run: Run) -> list[Artifact]:
        """The exported files of every model, the target's first; see `Subject`."""
        return artifacts_of(run, jobs_of(self.config, self))

    def prepare(self, device: Device, artifacts: Sequence[Artifact]) -> list[Artifact]:  # noqa: ARG002
        """The same files: their exporter made them for these records."""
        return list(artifacts)

    def file_results(self, artifacts: Sequence[Artifact]) -> list[ArtifactResult]:
        """What the target's files hold, as their accounts say; see `Subject`."""
        return [
            file_result(
                artifact,
                is_control=artifact.variant == CONTROL,
                zip_bytes=int(artifact.provenance["size_zip_bytes"]),  # type: ignore[call-overload]
                weights=fields.rows(artifact.provenance, "weights"),
            )
            for artifact in artifacts
            if artifact.model == TARGET
        ]

    def reference(self, run: Run, variant: str) -> tuple[str, NDArray[np.float32]] | None:
        """Torch's own answers to the audited records; see `Subject`."""
        answers = np.load(reference_path(run, variant), allow_pickle=False)
        return "torch eager, the float weights that the file was made from", answers

    def output_form(self, artifact: Artifact, answers: NDArray[np.float32]) -> tuple[str, str]:  # noqa: ARG002
        """The form that the exporter gave the file; see `Subject`."""
        return artifact.output_kind, ""

    def input_step(self) -> float:
        """One step of the input's quantization where a variant computes in 8 bits; see `Subject`.

        That is the range of the calibration records, zero included, in 255 steps, as the exporters' quantizers have
        it. The step is computed and not read from the file, because the files keep float32 borders, and dynamic
        quantization fixes no step in advance.
        """
        if not any(compression.parse(variant).numerics in EIGHT_BIT for variant in self.config.compression.variants):
            return 0.0
        # Dynamic quantization needs no calibration records; the population is as good a sample of the input's range.
        ids = self.split.calibration if len(self.split.calibration) else self.split.population
        (values,) = self.dataset.take(ids).inputs.values()
        return float(max(values.max(), 0.0) - min(values.min(), 0.0)) / STEPS

    def summary(self) -> dict[str, object]:
        """The split's roles with their sizes; see `Subject`."""
        split = self.split
        return {
            "name": self.config.data.name,
            "members": len(split.members),
            "nonmembers": len(split.nonmembers),
            "training": len(split.training),
            "population": len(split.population),
            "calibration": len(split.calibration),
            "shadows": len(split.shadows),
            "shadow_members": len(split.shadows[0].members) if split.shadows else 0,
            "duplicates_removed": split.duplicates_removed,
            "warnings": list(self.warnings),
        }

    def build(self, *, seed: int) -> nn.Module:
        """The architecture, freshly initialised."""
        model, dataset = self.config.model, self.dataset
        return models.build(
            model.name,
            n_classes=dataset.n_classes,
            in_shape=dataset.in_shape,
            width=model.width,
            seed=seed,
            vocabulary=dataset.vocabulary,
            layers=model.layers,
            heads=model.heads,
            pretrained=model.pretrained,
            shift=self.text.tokenizer.shift if self.text is not None else 0,
            folder=model.folder,
        )

    def check_model(self) -> None:
        """Raise unless the architecture is known and takes such records.

        Raises:
            ConfigError: it does not, or what the user brought, a factory or a folder of weights, is not usable.
        """
        model, dataset = self.config.model, self.dataset
        models.check(
            model.name,
            n_classes=dataset.n_classes,
            in_shape=dataset.in_shape,
            width=model.width,
            vocabulary=dataset.vocabulary,
            heads=model.heads,
        )
        if model.pretrained is not None or model.name not in models.names():
            self.build(seed=0)  # only trying tells

    def load_model(self, run: Run, model: str, variant: str) -> nn.Module:
        """A model's variant with its trained weights, in evaluation mode.

        Raises:
            ArtifactError: the weights are missing or damaged.
            RunError: they are another network's.
        """
        network = compression.architecture(self.build(seed=0), variant, sample_shape=self.dataset.in_shape)
        path = run.path("models", model, f"{weights_of(variant)}.safetensors")
        try:
            network.load_state_dict(training.load_weights(path))
        except RuntimeError as error:
            # Only the user's own factory can change under a run.
            first = str(error).splitlines()[0]
            raise RunError(
                f"{path}: the weights are not of the network that model.name builds now: {first}",
                hint="put the factory back, or start over with --fresh",
            ) from None
        return network.eval()

    def seed_of(self, model: str) -> int:
        """A seed of its own for each model."""
        return self.config.seed * len(self.models) + self.models.index(model)

    def _check_options(self) -> None:
        kind = self.dataset.kind
        if self.config.training.augment and kind != "image":
            raise ConfigError(
                f"training.augment: flips and shifts are for images; data set {self.dataset.name} holds {kind} records",
                hint="leave it out",
            )
        noisy = [name for name in self.config.attack.names or () if "noisy_copies" in attack_class(name).needs]
        if noisy and kind == "text":
            raise ConfigError(
                f"attack.names: {noisy[0]} adds noise to the input, and the token ids of data set {self.dataset.name} "
                "take none",
                hint=f"leave {noisy[0]} out",
            )

    def _shadow(self, model: str) -> datasets.ShadowSplit:
        return self.split.shadows[int(model.removeprefix("shadow-"))]


def _foreign_tokens(config: AuditConfig) -> tuple[str, ...]:
    if config.model.pretrained is None or pretrained_tokenizer(config) is not None:
        return ()
    return (
        f"model.pretrained: {config.model.pretrained} has no tokenizer.json, so the network meets other tokens than "
        "those it was pretrained on; save its tokenizer there",
    )


def inputs_of(records: Records) -> training.Inputs:
    """The one input of records as models take it: float32 `[n, ...]`, or token ids in int64."""
    (inputs,) = records.inputs.values()
    if np.issubdtype(inputs.dtype, np.floating):
        return np.asarray(inputs, dtype=np.float32)
    return np.asarray(inputs, dtype=np.int64)


def reference_path(run: Run, variant: str) -> Path:
    """Torch's own answers to the audited records, for parity, float32 `[n, C]`."""
    return run.path("models", TARGET, f"{weights_of(variant)}.answers.npy")


def weights_of(variant: str) -> str:
    """The variant whose float weights this one is made from: quantization starts from the original's."""
    return compression.parse(variant).weights
