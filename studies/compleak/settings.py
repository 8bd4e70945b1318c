"""The table `[study]` of an audit's file: which audits the study makes of it. Audits themselves do not read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness import config
from harness.config import AuditConfig
from harness.errors import ConfigError
from harness.subject import ORIGINAL

__all__ = ["StudySettings", "check", "load"]

Seed = Annotated[int, Field(ge=0)]


class StudySettings(BaseModel):
    """Seeds, and the seeds whose null twins and whose mistake are shown.

    `confounded` repeats an audit's queries with the members alone shown through the training transform, the real one
    and, where the seed is in `null` too, its null twin. None is the first seed, for `confounded` only where training
    transforms its images. `variants` are those that null twins and confounded queries look at; None takes all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (1, 2, 3)
    null: tuple[Seed, ...] | None = None
    confounded: tuple[Seed, ...] | None = None
    variants: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: names a seed twice")
        for name in ("null", "confounded"):
            missing = sorted(set(getattr(self, name) or ()) - set(self.seeds))
            if missing:
                raise ValueError(f"{name}: seed {missing[0]} is not among the seeds")
        return self


class _File(BaseModel):
    """The table within its file, so that a message names it."""

    study: StudySettings = StudySettings()


def load(path: Path) -> tuple[AuditConfig, StudySettings]:
    """The audit that a file describes, and the study of it.

    Raises:
        ConfigError: the file is missing or is not TOML, or a field is unknown or wrong; the field is named.
    """
    audit = config.load(path)
    table = config.read(path)
    study = config.validate(_File, {"study": table["study"]} if "study" in table else {}, source=str(path)).study
    check(study, audit, source=str(path))
    return audit, study


def check(study: StudySettings, audit: AuditConfig, *, source: str = "configuration") -> None:
    """Raise unless an audit can be studied so.

    Raises:
        ConfigError: its models are not trained here, a variant is not the audit's, or members are to be seen through a
            training transform where there is none.
    """
    if audit.kind != "trained":
        raise ConfigError(f"{source}: study: repeats the training, and this audit trains nothing")
    unknown = [name for name in study.variants or () if name not in audit.compression.variants]
    if unknown:
        raise ConfigError(f"{source}: study.variants: {unknown[0]!r} is not among compression.variants")
    if study.variants and ORIGINAL not in study.variants:
        raise ConfigError(f"{source}: study.variants: must contain {ORIGINAL!r}")
    if study.confounded and not audit.training.augment:
        raise ConfigError(
            f"{source}: study.confounded: members are to be seen through the training transform, and "
            "training.augment is false",
            hint="leave study.confounded out, or = []",
        )
