"""Reads and writes weights as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness import files
from harness.errors import ArtifactError
from harness.packages import require

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StateDict", "load_weights", "save_weights"]

StateDict = dict[str, "Tensor"]


def save_weights(path: Path, state_dict: Mapping[str, Tensor]) -> None:
    """Write weights as safetensors: no pickle, so a file from elsewhere cannot run code.

    Raises:
        StorageError: the file cannot be written.
    """
    require("torch", "safetensors")
    from safetensors.torch import save

    files.write(path, save({name: tensor.contiguous() for name, tensor in state_dict.items()}))


def load_weights(path: Path) -> StateDict:
    """Read weights written by :func:`save_weights`.

    Raises:
        ArtifactError: the file is missing, truncated or not safetensors.
    """
    require("torch", "safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return dict(load(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path}: the weights cannot be read: {error}", hint="train again") from error
