"""Names of variants: what a name asks for. No torch here, so a configuration can be checked anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import ConfigError

__all__ = ["FORMS", "MAX_CLUSTERS", "NUMERICS", "Variant", "parse"]

# Number formats that export knows; a variant is a torch model plus one of these.
NUMERICS = ("fp32", "fp16", "int8", "int8-dynamic", "int4")
# What a user may write.
FORMS = (
    "original",
    "finetuned",
    "prune-<share of zeros, e.g. 0.8>",
    "cluster-<number of shared values, e.g. 16>",
    "int8",
    "int8-dynamic",
    "int4",
    "fp16",
)
# One byte of index a weight; more shared values than that is no compression worth the name.
MAX_CLUSTERS = 256


@dataclass(frozen=True)
class Variant:
    """A variant's name, taken apart.

    Args:
        name: as the user wrote it, the artifact's variant.
        family: ``original``, ``finetuned``, ``prune``, ``cluster`` or ``quantize``.
        numerics: one of :data:`NUMERICS`, for export.
        level: share of zeros of ``prune``, number of values of ``cluster``, else None.
    """

    name: str
    family: str
    numerics: str
    level: float | None = None

    @property
    def finetunes(self) -> bool:
        """Whether making it trains on the members a second time."""
        return self.family in ("finetuned", "prune", "cluster")


def parse(name: str) -> Variant:
    """Take a variant's name apart.

    Raises:
        ConfigError: no family has this form, or its number is out of range.
    """
    if name in ("original", "finetuned"):
        return Variant(name, name, "fp32")
    if name in NUMERICS[1:]:
        return Variant(name, "quantize", name)
    match = re.fullmatch(r"(prune|cluster)-(\d+(?:\.\d+)?)", name)
    if match is None:
        raise ConfigError(f"variant {name!r} is not known", hint=f"one of: {', '.join(FORMS)}")
    family, level = match[1], float(match[2])
    if family == "prune" and not 0 < level < 1:
        raise ConfigError(f"variant {name!r}: the share of zeros must lie between 0 and 1")
    if family == "cluster" and not (level.is_integer() and 2 <= level <= MAX_CLUSTERS):
        raise ConfigError(f"variant {name!r}: the number of values must be a whole number from 2 to {MAX_CLUSTERS}")
    return Variant(name, family, "fp32", level)
