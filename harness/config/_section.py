"""What every section of audit.toml is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from protos.runtimes import RUNTIMES, names

__all__ = ["NAME", "Count", "Finite", "Names", "Rate", "Runtime", "Section", "Share"]

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
# What may name a variant: it becomes part of paths and of the keys of results.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


def _known_runtime(name: str) -> str:
    if name not in RUNTIMES:
        raise ValueError(f"not a known runtime; known are {names()}")
    return name


Runtime = Annotated[str, AfterValidator(_known_runtime)]


class Section(BaseModel):
    """A table of the file: unknown keys are refused, nothing is converted, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
