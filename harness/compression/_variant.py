"""Names of variants and quantizers, parsed without torch, so that a configuration can be checked anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.compression import grids
from harness.errors import ConfigError

__all__ = ["FORMS", "MAX_CLUSTERS", "NUMERICS", "QUANTIZERS", "Variant", "parse", "parse_quantizer"]

# Number formats of export; a variant is a torch model plus one of these.
NUMERICS = ("fp32", "fp16", "int8", "int8-dynamic", "int4", "int8-weights", "int16x8")
FLOATS = ("fp32", "fp16")
_LEVELLED = (
    "prune-<share of zeros, e.g. 0.8>",
    "prune-global-<share of zeros>",
    "cluster-<number of shared values, e.g. 16>",
)
# Forms of a variant's name. Grids are weights of one to eight bits in a file that stores them as float32: no runtime
# here has kernels for one to three bits, so a grid shows what such weights leak and not how small they would be.
FORMS = (
    *("original", "finetuned", *_LEVELLED, *NUMERICS[1:], "int8-qat", *grids.FORMS),
    "<one of prune, cluster and finetuned>+<number format, e.g. int8>",
)
# Forms of a quantizer's name: everything that is made of trained weights alone, without training again.
QUANTIZERS = (*NUMERICS, *grids.FORMS, *_LEVELLED)
# One byte of index per weight; more shared values would hardly compress.
MAX_CLUSTERS = 256


@dataclass(frozen=True)
class Variant:
    """A parsed variant name.

    Args:
        name: as the user wrote it; the artifact's variant.
        family: ``original``, ``finetuned``, ``prune``, ``prune-global``, ``cluster``, ``grid``, ``qat`` or
            ``quantize``.
        numerics: one of :data:`NUMERICS`, for export.
        level: share of zeros of ``prune``, number of values of ``cluster``, else None.
    """

    name: str
    family: str
    numerics: str
    level: float | None = None

    @property
    def weights(self) -> str:
        """The variant whose float weights it uses; export gives them its number format."""
        return "original" if self.family == "quantize" else self.name.partition("+")[0]

    @property
    def is_float(self) -> bool:
        """Whether its weights stay floats, of which there is no finite set of codes."""
        return self.numerics in FLOATS and self.family not in ("grid", "cluster")

    @property
    def finetunes(self) -> bool:
        """Whether it is fine-tuned on the members."""
        return self.family not in ("original", "grid", "quantize")


def parse(name: str) -> Variant:
    """Parse a variant's name.

    Raises:
        ConfigError: no family has this form, or its number is out of range.
    """
    if name in ("original", "finetuned"):
        return Variant(name, name, "fp32")
    if name == "int8-qat":
        return Variant(name, "qat", "int8")
    base, plus, numerics = name.partition("+")
    if plus:
        return _combined(name, parse(base), numerics)
    if name in NUMERICS[1:]:
        return Variant(name, "quantize", name)
    if grids.is_grid(name):
        return Variant(name, "grid", "fp32")
    match = re.fullmatch(r"(prune|prune-global|cluster)-(\d+(?:\.\d+)?)", name)
    if match is None:
        raise ConfigError(f"variant {name!r} is not known", hint=f"one of: {', '.join(FORMS)}")
    family, level = match[1], float(match[2])
    if family != "cluster" and not 0 < level < 1:
        raise ConfigError(f"variant {name!r}: the share of zeros must lie between 0 and 1", hint="e.g. 0.8")
    if family == "cluster" and not (level.is_integer() and 2 <= level <= MAX_CLUSTERS):
        raise ConfigError(f"variant {name!r}: the number of values must be a whole number from 2 to {MAX_CLUSTERS}")
    return Variant(name, family, "fp32", level)


def _combined(name: str, base: Variant, numerics: str) -> Variant:
    """The variant of compressed float weights in another number format."""
    if base.family not in ("finetuned", "prune", "prune-global", "cluster") or base.numerics != "fp32":
        raise ConfigError(
            f"variant {name!r}: {base.name!r} cannot be combined with a number format",
            hint="e.g. prune-0.8+int8, cluster-16+int8",
        )
    if numerics not in NUMERICS[1:]:
        raise ConfigError(
            f"variant {name!r}: {numerics!r} is no number format", hint=f"one of: {', '.join(NUMERICS[1:])}"
        )
    return Variant(name, base.family, numerics, base.level)


def parse_quantizer(name: str) -> Variant:
    """Parse a quantizer's name: a variant that needs no training, or ``fp32``, which changes nothing.

    Raises:
        ConfigError: no quantizer has this form, or its number is out of range.
    """
    if name == NUMERICS[0]:
        return Variant(name, "quantize", name)
    try:
        variant = parse(name)
    except ConfigError as error:
        raise ConfigError(error.message, hint=f"one of: {', '.join(QUANTIZERS)}") from None
    if variant.family in ("original", "finetuned", "qat"):
        raise ConfigError(f"{name!r} is no quantizer", hint=f"one of: {', '.join(QUANTIZERS)}")
    return variant
