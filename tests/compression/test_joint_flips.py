"""Flips of several codes of a network: what they cost, which come first, and what the exported files hold."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from harness import compression, export, models, training
from harness.compression import candidates, parse_quantizer
from harness.compression.candidates import _record_gradients as record_gradients
from harness.compression.candidates._codes import codes_of
from harness.compression.candidates._flips import MAX_MOVED, _Block, _block
from harness.compression.candidates._record_gradients import block_moments
from harness.errors import ConfigError
from harness.types import FloatArray, IntArray
from protos.runtimes import RUNTIMES
from tests import architectures

N = 300


def _losses(model: nn.Module, x: training.Inputs, y: IntArray) -> FloatArray:
    logits = torch.from_numpy(training.predict(model, x)).double()
    return nn.functional.cross_entropy(logits, torch.from_numpy(y), reduction="none").numpy()


def _trained(name: str, *, width: int = 0) -> nn.Module:
    inputs, labels = architectures.digits(name, N)
    network = architectures.build(name, shape=inputs.shape[1:], width=width)
    training.train(network, inputs, labels, epochs=12, batch_size=16, learning_rate=5e-3, seed=0)
    return network


@pytest.mark.parametrize("name", ["cnn", "mobilenetv2", "mlp", "bert"])
def test_moments_of_a_block_are_those_of_single_records(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of every kind: strided, grouped and padded convolutions, linear layers over sequences."""
    inputs, labels = architectures.digits(name, 40)
    model, _ = compression.fuse(architectures.build(name, shape=inputs.shape[1:]), sample_shape=inputs.shape[1:])
    codes = codes_of(model, parse_quantizer("sign"), runtime="litert")
    rng = np.random.default_rng(0)
    places = {
        key: np.sort(rng.choice(one.codes.size, min(4, one.codes.size), replace=False)) for key, one in codes.items()
    }
    covariance, curvature = block_moments(model, places, inputs, labels, seed=0)
    each = _each(model, places, inputs, labels)
    np.testing.assert_allclose(covariance, np.cov(each.T, bias=True), atol=1e-5 * np.abs(covariance).max())
    # One by one, which serves weights that are used outside their layer, finds the same.
    monkeypatch.setattr(record_gradients, "_is_read_by_layers", lambda *_: False)
    alone = block_moments(model, places, inputs[:8], labels[:8], seed=0)
    monkeypatch.undo()
    together = block_moments(model, places, inputs[:8], labels[:8], seed=0)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5 * np.abs(alone[0]).max())
    assert np.linalg.eigvalsh(curvature).min() > -1e-9


def _each(model: nn.Module, places: Mapping[str, IntArray], inputs: training.Inputs, labels: IntArray) -> FloatArray:
    rows = []
    for x, y in zip(torch.from_numpy(inputs), torch.from_numpy(labels), strict=True):
        loss = nn.functional.cross_entropy(model(x[None]), y[None])
        whole = torch.autograd.grad(loss, [model.get_parameter(name) for name in places])
        rows.append(torch.cat([g.reshape(-1)[at] for g, at in zip(whole, places.values(), strict=True)]))
    return torch.stack(rows).double().numpy()


class Tied(nn.Module):
    """A layer whose weight is used once as the layer and once as a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(torch.relu(self.layer(x)), self.layer.weight)


def test_a_weight_that_is_used_outside_its_layer_is_noticed() -> None:
    torch.manual_seed(0)
    model, rng = Tied().eval(), np.random.default_rng(0)
    x, y = rng.standard_normal((60, 6)).astype(np.float32), rng.integers(0, 6, 60)
    places = {"layer.weight": np.arange(36)}
    covariance, _ = block_moments(model, places, x, y, seed=0)
    np.testing.assert_allclose(covariance, np.cov(_each(model, places, x, y).T, bias=True), atol=1e-6)


def test_the_curvature_is_that_of_gauss_and_newton() -> None:
    model = _trained("mlp").eval()
    inputs, labels = architectures.digits("mlp", N)
    places = {"head.weight": np.arange(20)}
    _, curvature = block_moments(model, places, inputs, labels, seed=0)
    expected = np.zeros((20, 20))
    for x in torch.from_numpy(inputs):
        logits = model(x[None])[0]
        slopes = [torch.autograd.grad(z, model.get_parameter("head.weight"), retain_graph=True)[0] for z in logits]
        slope = torch.stack([s.reshape(-1)[:20] for s in slopes]).double().numpy()
        p = logits.detach().double().softmax(0).numpy()
        expected += slope.T @ (np.diag(p) - np.outer(p, p)) @ slope / len(inputs)
    # From some thousand drawn labels.
    assert np.linalg.norm(curvature - expected) < 0.3 * np.linalg.norm(expected)
    assert np.trace(curvature) == pytest.approx(np.trace(expected), rel=0.15)


def _quantized(model: nn.Module, quantizer: str, shape: tuple[int, ...]) -> nn.Module:
    folded, _ = compression.fuse(model, sample_shape=shape)
    for name, codes in codes_of(folded, parse_quantizer(quantizer), runtime="litert").items():
        folded.get_parameter(name).data.copy_(torch.from_numpy(codes.values.astype(np.float32)))
    return folded


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["sign", "ternary-0.9", "int4"])
@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_the_quadratic_loss_ranks_joint_flips_as_the_network_does(name: str, quantizer: str) -> None:
    """Predicted change of the mean loss against the real one, of 50 random joint flips of the block; see ``-s``."""
    model = _trained(name, width=8 if name == "cnn" else 16)
    (inputs, labels), (others, theirs) = architectures.digits(name, N), architectures.digits(name, 1200)
    shape = inputs.shape[1:]
    folded, _ = compression.fuse(model, sample_shape=shape)
    codes = codes_of(folded, parse_quantizer(quantizer), runtime="litert")
    deployed = _quantized(model, quantizer, shape)
    block = _block(deployed, codes, inputs, labels, seed=0)
    assert block is not None
    drawn = _random_flips(block, 50)
    before = {
        "train": _losses(deployed, inputs, labels).mean(),
        "held out": _losses(deployed, others[N:], theirs[N:]).mean(),
    }
    real: dict[str, list[float]] = {"train": [], "held out": []}
    for code in drawn:
        moved = _quantized(model, quantizer, shape)
        for parameter, positions, values in block.moved(code):
            moved.get_parameter(parameter).data.reshape(-1)[positions] = torch.from_numpy(values.astype(np.float32))
        real["train"].append(_losses(moved, inputs, labels).mean() - before["train"])
        real["held out"].append(_losses(moved, others[N:], theirs[N:]).mean() - before["held out"])
    predicted = block.loss.rise(_steps(block, drawn))
    rank = {which: float(spearmanr(predicted, changes)[0]) for which, changes in real.items()}
    print(f"{name} {quantizer}: rank correlation with the change of the mean loss: {rank}")
    assert rank["train"] > 0.5
    # Where the flips cost a thousandth of the loss, 900 other records see other signs.
    assert rank["held out"] > (0.3 if quantizer != "int4" else -0.2)


def _random_flips(block: _Block, count: int) -> list[IntArray]:
    rng = np.random.default_rng(1)
    can = np.isfinite(block.levels[:, [0, 2]]).any(axis=1)
    codes = []
    for _ in range(count):
        code = np.full(len(block.levels), 1)
        for at in rng.choice(np.flatnonzero(can), rng.integers(1, 9), replace=False):
            code[at] = rng.choice([way for way in (0, 2) if np.isfinite(block.levels[at, way])])
        codes.append(code)
    return codes


def _steps(block: _Block, codes: list[IntArray]) -> FloatArray:
    chosen = np.take_along_axis(block.levels, np.stack(codes).T, axis=1).T
    return np.where(np.stack(codes) != 1, chosen - block.levels[:, 1], 0.0)


def _correlated(n: int, weights: FloatArray) -> tuple[training.Inputs, IntArray]:
    """Four features of correlation 0.9; classes drawn from a linear layer of these weights ``[2, 4]``."""
    rng = np.random.default_rng(2)
    x = (0.95 * rng.standard_normal((n, 1)) + 0.31 * rng.standard_normal((n, 4))).astype(np.float32)
    logits = x @ weights.T
    return x, (rng.random(n) < 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).astype(np.int64)


TERNARY = 0.6 * np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])


def _linear_losses(weights: FloatArray, x: training.Inputs, y: IntArray) -> FloatArray:
    logits = x @ weights.T
    return np.asarray(np.logaddexp(logits[:, 0], logits[:, 1]) - logits[np.arange(len(y)), y])


def test_on_correlated_features_flips_that_compensate_come_before_single_ones() -> None:
    """A layer whose codes are the best ones, against the losses of all codes that differ in up to two."""
    x, y = _correlated(4000, TERNARY)
    model = nn.Linear(4, 2, bias=False)
    model.weight.data.copy_(torch.from_numpy(TERNARY.astype(np.float32)))
    states = candidates.flips(model, "ternary-0.5", x, y, runtime="litert", sample_shape=(4,), count=12, seed=0)
    made = [state["weight"].double().numpy() for state in states]
    moved = [int((np.abs(weights - TERNARY) > 0.1).sum()) for weights in made]
    assert len({weights.tobytes() for weights in made}) == 12
    assert sum(count > 1 for count in moved) >= 6
    assert max(moved) <= MAX_MOVED
    base = _linear_losses(TERNARY, x, y)

    def distance(weights: FloatArray) -> float:
        change = _linear_losses(weights, x, y) - base
        return float(abs(change.mean()) / change.std()) if change.std() > 1e-9 else np.inf

    steps = [0.6 * np.reshape(step, (2, 4)) for step in product((-1, 0, 1), repeat=8) if np.abs(step).sum() in (1, 2)]
    steps = [step for step in steps if np.abs(TERNARY + step).max() < 0.7]
    single = [distance(TERNARY + step) for step in steps if np.count_nonzero(step) == 1]
    distances = [distance(weights) for weights in made]
    assert np.median(distances) < 0.7 * np.median(single)
    assert np.median(distances) <= sorted(distance(TERNARY + step) for step in steps)[12]


def test_a_layer_in_which_no_code_can_move_is_refused() -> None:
    x, y = _correlated(100, TERNARY)
    model = nn.Linear(1, 2)  # the only weight of a row is its largest, on which the levels depend
    with pytest.raises(ConfigError, match=r"'int8' has 0 other codes near the deployed ones, 3 are needed .lower"):
        list(candidates.flips(model, "int8", x[:, :1], y, runtime="litert", sample_shape=(1,), count=3, seed=0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "quantizer"), [("litert", "int4"), ("executorch", "int8"), ("litert", "ternary-0.33")]
)
def test_exported_files_differ_in_the_codes_that_were_moved_and_no_other(
    runtime: str, quantizer: str, tmp_path: Path
) -> None:
    x, y = _correlated(400, TERNARY)
    model = models.build("mlp", n_classes=2, in_shape=(4,), width=4)
    training.train(model, x, y, epochs=10, batch_size=20, learning_rate=0.02, seed=0)
    states = list(candidates.flips(model, quantizer, x, y, runtime=runtime, sample_shape=(4,), count=64, seed=0))
    deployed = compression.quantize(model, quantizer, sample_shape=(4,))
    is_grid = parse_quantizer(quantizer).family == "grid"
    base = deployed.model if is_grid else compression.fuse(model, sample_shape=(4,))[0]
    own = {name: value.clone() for name, value in base.state_dict().items()}
    intended = [sum(int((state[name] != value).sum()) for name, value in own.items()) for state in states]
    most = max(intended)
    assert 1 < most <= MAX_MOVED

    def read(name: str) -> dict[str, FloatArray]:
        target = export.Target(quantizer, deployed.numerics, tmp_path / f"{name}{RUNTIMES[runtime].suffix}")
        (artifact,) = export.export_many(base, runtime=runtime, targets=[target], sample_shape=(4,), calibration=x[:64])
        return {key: values.astype(np.float64) for key, values in export.read_weights(artifact.path, runtime).items()}

    before = read("base")
    base.load_state_dict(states[intended.index(most)])
    after = read("moved")
    assert sum(int((after[key] != codes).sum()) for key, codes in before.items()) == most
    if not is_grid:
        assert max(np.abs(after[key] - codes).max() for key, codes in before.items()) == 1.0
