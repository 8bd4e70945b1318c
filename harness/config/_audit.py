"""One audit, wholly described by its configuration."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.config._gate import GateConfig
from harness.config._measuring import AttackConfig, BenchConfig, CollectConfig, DeviceConfig
from harness.config._report import ReportConfig
from harness.config._section import Section
from harness.config._subjects import AnswersConfig, ArtifactConfig, RecordsConfig, ShadowConfig
from harness.config._trained import (
    CompressionConfig,
    DataConfig,
    ExportConfig,
    Generator,
    MisConfig,
    ModelConfig,
    TrainingConfig,
)

__all__ = ["VOLATILE_SECTIONS", "AuditConfig", "Kind"]

# Sections that say how results are judged or where they are computed: changing them keeps a run valid.
VOLATILE_SECTIONS = frozenset({"gate", "report", "device", "jobs"})
Kind = Literal["trained", "supplied", "answers"]
# Sections that describe how models are made: an audit of files or of answers has none of them.
TRAINED_SECTIONS = ("data", "model", "training", "compression", "export", "mis")
SUPPLIED_SECTIONS = ("artifact", "records", "shadow")
# Their keys that hold paths.
PATHS = frozenset({"file", "members", "nonmembers", "population"})
LISTS_OF_PATHS = ("shadows",)


class AuditConfig(Section):
    """One audit, wholly described."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 0
    null: bool = False
    jobs: Annotated[int, Field(ge=1)] | None = None
    artifact: tuple[ArtifactConfig, ...] = ()
    records: RecordsConfig | None = None
    shadow: tuple[ShadowConfig, ...] = ()
    answers: AnswersConfig | None = None
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    compression: CompressionConfig = CompressionConfig()
    export: ExportConfig = ExportConfig()
    collect: CollectConfig = CollectConfig()
    attack: AttackConfig = AttackConfig()
    mis: MisConfig = MisConfig()
    bench: BenchConfig = BenchConfig()
    device: DeviceConfig = DeviceConfig()
    gate: GateConfig = GateConfig()
    report: ReportConfig = ReportConfig()

    @property
    def kind(self) -> Kind:
        """What is audited: a network trained here, files that were supplied, or answers that exist already."""
        if self.answers is not None:
            return "answers"
        return "supplied" if self.artifact or self.records is not None or self.shadow else "trained"

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants in the order of the configuration; of answers, only their file knows."""
        if self.kind == "trained":
            return self.compression.variants
        return tuple(one.variant for one in self.artifact)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        given = self.model_fields_set
        if self.kind == "trained":
            return self
        foreign = [name for name in TRAINED_SECTIONS if name in given]
        if self.kind == "answers":
            foreign += [name for name in (*SUPPLIED_SECTIONS, "bench", "collect") if name in given]
        if foreign:
            raise ValueError(f"{foreign[0]}: does not go with [{'answers' if self.answers else '[artifact]'}]")
        if self.null:
            raise ValueError("null: only an audit that trains its models has a null twin")
        if self.kind == "supplied":
            self._check_artifacts()
        return self

    def _check_artifacts(self) -> None:
        if self.records is None:
            raise ValueError("records: missing; [[artifact]] needs [records] with members and nonmembers")
        if not self.artifact:
            raise ValueError("artifact: missing; [records] needs at least one [[artifact]]")
        variants = [one.variant for one in self.artifact]
        twice = [name for name in variants if variants.count(name) > 1]
        if twice:
            raise ValueError(f"artifact: two are called {twice[0]!r}; give each variant a name of its own")
        for number, shadow in enumerate(self.shadow):
            if sorted(one.variant for one in shadow.artifact) != sorted(variants):
                raise ValueError(f"shadow.{number}.artifact: needs the target's variants: {', '.join(variants)}")

    @model_validator(mode="after")
    def _has_candidates(self) -> Self:
        if not self.mis.enabled or self.kind != "trained":
            return self
        if self.mis_generator == "trajectory" and self.mis.candidates > self.training.epochs:
            raise ValueError(
                f"mis.candidates: {self.mis.candidates} checkpoints, one an epoch, do not fit in "
                f"training.epochs = {self.training.epochs}"
            )
        if self.mis_generator == "calibration" and self.data.calibration < 2:
            raise ValueError('mis.generator: "calibration" needs data.calibration of 2 or more, to take halves of')
        return self

    @property
    def mis_generator(self) -> Generator:
        """Where the candidates of the MIS indicator come from, never `auto`.

        That is `bootstrap-last` for the networks of this package, whose last linear layer makes the logits, and
        `trajectory` for a factory of the user's own, of whose layers nothing is known.
        """
        if self.mis.generator != "auto":
            return self.mis.generator
        return "trajectory" if ":" in self.model.name else "bootstrap-last"

    def to_json(self) -> dict[str, object]:
        """The resolved configuration as JSON types, without the sections of other kinds of subject."""
        foreign = {
            "trained": (*SUPPLIED_SECTIONS, "answers"),
            "supplied": (*TRAINED_SECTIONS, "answers", "null"),
            "answers": (*TRAINED_SECTIONS, *SUPPLIED_SECTIONS, "bench", "collect", "device", "null"),
        }[self.kind]
        return self.model_dump(mode="json", exclude=set(foreign))

    def digest(self) -> str:
        """SHA-256 over everything that determines the results: all but gate, report, the device's address and jobs."""
        binding = {
            key: _without_folders(value) if key in (*SUPPLIED_SECTIONS, "answers") else value
            for key, value in self.to_json().items()
            if key not in VOLATILE_SECTIONS
        }
        return hashlib.sha256(json.dumps(binding, sort_keys=True).encode()).hexdigest()

    def with_changes(self, **changes: object) -> AuditConfig:
        """The same audit with some top-level fields replaced, e.g. `seed` or `null`."""
        return self.model_copy(update=changes)


def _without_folders(value: object) -> object:
    """Paths as file names: what a run is bound to is the content of its inputs, wherever they lie."""
    if isinstance(value, dict):
        return {
            key: Path(item).name
            if key in PATHS and isinstance(item, str)
            else [Path(name).name for name in item]
            if key in LISTS_OF_PATHS
            else _without_folders(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return value
