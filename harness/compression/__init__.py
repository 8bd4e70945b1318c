"""Compression: torch model -> torch model, by the variant's name; and candidates of a quantizer.

The entry point is :func:`compress`; :func:`quantize` is the part of it without training. :func:`parse` and
:func:`parse_quantizer` read a name without torch. The candidates have their own package, ``candidates``.
"""

from harness.compression._registry import Compressed, architecture, compress, fuse, quantize
from harness.compression._variant import FORMS, NUMERICS, QUANTIZERS, Variant, parse, parse_quantizer

__all__ = [
    "FORMS",
    "NUMERICS",
    "QUANTIZERS",
    "Compressed",
    "Variant",
    "architecture",
    "compress",
    "fuse",
    "parse",
    "parse_quantizer",
    "quantize",
]
