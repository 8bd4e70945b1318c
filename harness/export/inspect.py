"""What an exported file holds: its weights, read back from the bytes that ship."""

from __future__ import annotations

import struct
import subprocess
import zipfile
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ArtifactError
from harness.export._stored import Stored
from harness.export._support import require_runtime
from harness.types import Array

__all__ = ["Sizes", "WeightSummary", "read_weights", "sizes", "weight_summary"]

# What flatbuffer readers, and the compiler that ExecuTorch ships, raise on bytes that are not theirs.
DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    struct.error,
    subprocess.SubprocessError,
)


@dataclass(frozen=True)
class WeightSummary:
    """One weight tensor as a file stores it.

    Args:
        name: the tensor's name in the file.
        shape: in the file's layout (LiteRT and XNNPACK store convolutions channels-last).
        dtype: of the stored numbers; ``int4`` for packed ones.
        bits: width of one stored number.
        share_zeros: share of stored numbers that mean zero.
        distinct_values: how many different numbers are stored.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bits: int
    share_zeros: float
    distinct_values: int

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "bits": self.bits,
            "share_zeros": self.share_zeros,
            "distinct_values": self.distinct_values,
        }


@dataclass(frozen=True)
class Sizes:
    """Bytes of a file as it is, and deflated as in an app's package; sparsity and clustering show only there."""

    raw: int
    zipped: int


def read_weights(path: Path, runtime: str, *, dequantize: bool = False) -> dict[str, Array]:
    """The weights in an exported file: constants of two or more dimensions, by their name in it, in execution order.

    Args:
        path: the file.
        runtime: a key of `protos.runtimes.RUNTIMES`.
        dequantize: apply scales and zero points, giving float32; otherwise the numbers as stored (4-bit as int8).

    Raises:
        ArtifactError: the file is missing or malformed.
        ConfigError: the runtime is not known.
    """
    return {s.name: s.dequantized() if dequantize else s.values for s in _stored(path, runtime)}


def weight_summary(path: Path, runtime: str) -> tuple[WeightSummary, ...]:
    """Zeros and distinct values of every weight tensor in a file, read from its bytes.

    Raises:
        ArtifactError, ConfigError: as :func:`read_weights`.
    """
    return tuple(
        WeightSummary(
            name=s.name,
            shape=tuple(int(d) for d in s.values.shape),
            dtype=s.dtype,
            bits=s.bits,
            share_zeros=float(s.zeros().mean()),
            distinct_values=len(np.unique(s.values)),
        )
        for s in _stored(path, runtime)
    )


def sizes(path: Path) -> Sizes:
    """Size of a file and of a zip archive that holds nothing else."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(path, path.name)
    return Sizes(path.stat().st_size, len(archive.getvalue()))


def _stored(path: Path, runtime: str) -> list[Stored]:
    reader: Any = import_module(require_runtime(runtime).weight_reader)
    try:
        stored: list[Stored] = reader.read(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}", hint="export it again") from error
    except DAMAGE as error:
        raise ArtifactError(f"{path}: is not a whole {runtime} file: {error}", hint="export it again") from error
    return stored
