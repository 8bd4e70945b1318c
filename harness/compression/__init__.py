"""Compression: torch model -> torch model, by the variant's name; and candidates of a quantizer.

The face is :func:`compress`. :func:`parse` reads a name without torch.
"""

from harness.compression._registry import Compressed, architecture, compress, fuse
from harness.compression._variant import FORMS, NUMERICS, Variant, parse
from harness.compression.candidates import trajectory

__all__ = ["FORMS", "NUMERICS", "Compressed", "Variant", "architecture", "compress", "fuse", "parse", "trajectory"]
