"""Grids and flips in the exported files, read back from their bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from harness import compression, export, models, training
from harness.compression import candidates
from harness.types import Array
from protos.runtimes import RUNTIMES
from tests.architectures import LABELS, PIXELS

pytestmark = pytest.mark.slow

X, Y = PIXELS[:160], LABELS[:160]
SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    network = models.build("cnn", n_classes=10, in_shape=SHAPE, width=4)
    training.train(network, X, Y, epochs=10, batch_size=16, learning_rate=5e-3, seed=0)
    return network


def _export(model: nn.Module, numerics: list[str], runtime: str, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    targets = [export.Target(n, n, folder / f"{n}{RUNTIMES[runtime].suffix}") for n in numerics]
    artifacts = export.export_many(
        model, runtime=runtime, targets=targets, sample_shape=SHAPE, calibration=PIXELS[200:264]
    )
    return {artifact.variant: artifact.path for artifact in artifacts}


def _channels(weights: Array) -> Array:
    """Weights as the file has them, one row an output channel; a depthwise convolution has those last."""
    if weights.ndim == 4 and weights.shape[0] == 1:
        weights = np.moveaxis(weights, 3, 0)
    return weights.reshape(len(weights), -1)


@pytest.mark.parametrize("runtime", ["litert", "executorch"])
@pytest.mark.parametrize(("grid", "levels"), [("sign", 2), ("ternary-0.9", 3), ("uniform-2-channel", 4)])
def test_a_file_holds_no_more_values_than_its_grid_has_levels(
    model: nn.Module, runtime: str, grid: str, levels: int, tmp_path: Path
) -> None:
    quantized = compression.quantize(model, grid, sample_shape=SHAPE)
    path = _export(quantized.model, [quantized.numerics], runtime, tmp_path / "files")["fp32"]
    tensors = export.read_weights(path, runtime)
    assert len(tensors) == 4
    for weights in tensors.values():
        assert weights.dtype == np.float32
        groups = _channels(weights) if grid.endswith("-channel") else [weights]
        assert max(len(np.unique(group)) for group in groups) == levels
        if grid == "ternary-0.9":
            assert (weights == 0).sum() == int(0.9 * weights.size)


@pytest.mark.parametrize(
    ("runtime", "quantizer", "alike"),
    [
        ("litert", "int8", ["int8-dynamic", "int8-weights", "int16x8"]),
        ("litert", "int4", []),
        ("executorch", "int8", []),
    ],
)
def test_a_flip_changes_one_code_of_the_file(
    model: nn.Module, runtime: str, quantizer: str, alike: list[str], tmp_path: Path
) -> None:
    (weights,) = candidates.flips(model, quantizer, X, Y, runtime=runtime, sample_shape=SHAPE, count=1, seed=0)
    flipped, _ = compression.fuse(model, sample_shape=SHAPE)
    flipped.load_state_dict(weights)
    formats = [quantizer, *alike]  # the same weights have the same codes in both
    before, after = (
        _export(network, formats, runtime, tmp_path / name) for network, name in ((model, "a"), (flipped, "b"))
    )
    for numerics in formats:
        codes, moved = (export.read_weights(paths[numerics], runtime) for paths in (before, after))
        values, others = (export.read_weights(paths[numerics], runtime, dequantize=True) for paths in (before, after))
        steps = np.concatenate(
            [
                (b.astype(np.float64) - a.astype(np.float64)).reshape(-1)
                for a, b in zip(codes.values(), moved.values(), strict=True)
            ]
        )
        assert np.abs(steps[steps != 0]).tolist() == [1.0]
        assert sum(int((a != b).sum()) for a, b in zip(values.values(), others.values(), strict=True)) == 1
