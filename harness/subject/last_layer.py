"""The last linear layer of each candidate: as it was fitted, in floats, and as the exported file holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness import export, training
from harness.errors import ArtifactError
from harness.store import Run
from harness.subject.names import TARGET
from harness.types import Array, Artifact, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from harness.compression.candidates import LastLayer

__all__ = ["Refitted", "deployed_layers", "keep", "kept", "matched", "read"]

# Signs alone correlate with normal weights by .8, the tenth of them that is largest by .66; other matrices by next to
# nothing.
LEAST_CORRELATION = 0.3


@dataclass(frozen=True, eq=False)
class Refitted:
    """Float layers of the candidates, the bias as last column.

    Args:
        features: inputs of the layer on the training records, float32 ``[n, features]``.
        trained: the trained layer, float32 ``[classes, features + 1]``; candidate 0 is made of it.
        refits: those of candidates 1, 2, ..., float32 ``[K, classes, features + 1]``.
    """

    features: Array
    trained: Array
    refits: Array


def kept(run: Run) -> Path:
    """Where they lie."""
    return run.path("models", TARGET, "candidates", "last-layer.safetensors")


def keep(run: Run, layer: LastLayer, refits: Iterable[Mapping[str, Tensor]]) -> None:
    """Keep the layer's inputs, its trained weights, and those of each candidate."""
    import torch

    def whole(weights: Mapping[str, Tensor]) -> Tensor:
        matrix, bias = weights[f"{layer.name}.weight"], weights.get(f"{layer.name}.bias")
        return torch.cat([matrix, torch.zeros(len(matrix), 1) if bias is None else bias[:, None]], dim=1)

    layers = {
        "features": layer.features.float(),
        "trained": whole(layer.model.state_dict()),
        "refits": torch.stack([whole(weights) for weights in refits]),
    }
    training.save_weights(kept(run), layers)


def read(run: Run) -> Refitted:
    """What :func:`keep` wrote; without torch.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = kept(run)
    try:
        layers = load(path.read_bytes())
        return Refitted(layers["features"], layers["trained"], layers["refits"])
    except (OSError, SafetensorError, KeyError) as error:
        raise ArtifactError(f"{path}: the last layers cannot be read: {error}", hint="train again") from error


def deployed_layers(artifacts: Sequence[Artifact], refits: Array) -> FloatArray:
    """The layers that exported files hold, dequantized, ``[K, classes, features + 1]``.

    A bias is that of the float layer: number formats keep biases in 16 bits or more.

    Args:
        artifacts: the files of candidates 1, 2, ... in one quantizer.
        refits: their float layers ``[K, classes, features + 1]``.

    Raises:
        ArtifactError: a file cannot be read, or holds no such layer.
    """
    layers = np.array(refits, dtype=np.float64)
    read_before: dict[str, Mapping[str, Array]] = {}
    for layer, artifact in zip(layers, artifacts, strict=True):
        if artifact.sha256 not in read_before:
            read_before[artifact.sha256] = export.read_weights(artifact.path, artifact.runtime, dequantize=True)
        layer[:, :-1] = matched(read_before[artifact.sha256], layer[:, :-1], artifact.path)
    return layers


def matched(weights: Mapping[str, Array], layer: Array, path: Path) -> FloatArray:
    """The matrix among a file's weights that is this float layer, ``[classes, features]``.

    Runtimes name, transpose and extend tensors differently, so it is known by its shape and by its correlation with the
    floats.

    Args:
        weights: as :func:`harness.export.read_weights` gives them.
        layer: the float layer ``[classes, features]``.
        path: the file, for the error.

    Raises:
        ArtifactError: there is none.
    """
    shape, best = np.shape(layer), LEAST_CORRELATION
    found: FloatArray | None = None
    for values in weights.values():
        flat = np.asarray(values, dtype=np.float64).squeeze()
        flat = flat.reshape(shape) if 1 in shape and flat.size == np.size(layer) else flat
        for matrix in (flat, flat.T):
            if matrix.shape == shape and (alike := _correlation(matrix, layer)) > best:
                best, found = alike, matrix
    if found is None:
        raise ArtifactError(
            f"{path}: no weights of {shape[0]} x {shape[1]} are those of the last linear layer",
            hint='export again, or take another mis.generator, e.g. "trajectory"',
        )
    return found


def _correlation(a: Array, b: Array) -> float:
    x, y = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    lengths = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / lengths if lengths > 0.0 else 0.0
