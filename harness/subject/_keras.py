"""Keras models among the supplied files: converted once, by TensorFlow's own converter, into what is audited."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from harness.types import Artifact

__all__ = ["SUFFIX", "converted"]

SUFFIX = ".keras"
# The converter's plain mode: what a Keras user ships who changes no number format.
MODE = "float32"


def converted(artifact: Artifact, folder: Path) -> Artifact:
    """The LiteRT file of a Keras model; any other file as it is.

    Args:
        artifact: a supplied file.
        folder: keeps conversions, by the digest of the model.

    Raises:
        ArtifactError: the model cannot be converted.
        DependencyError: TensorFlow's environment is missing; the message says how it is installed.
    """
    if artifact.path.suffix != SUFFIX:
        return artifact
    from harness.export.keras import convert  # its packages are needed by nothing else here

    place = folder / artifact.sha256[:16] / f"{MODE}.tflite"
    if not place.is_file():
        convert(artifact.path, place.parent, modes=(MODE,))
    content = place.read_bytes()
    return replace(artifact, path=place, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
