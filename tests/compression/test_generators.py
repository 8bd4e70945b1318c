"""Generators of candidates: which weights change, which do not, and equal candidates for equal seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from harness import compression, models, training
from harness.compression import candidates, grids
from harness.compression.candidates._gradients import gradients
from harness.errors import ConfigError, InputError
from harness.types import FloatArray, IntArray
from tests.architectures import LABELS, PIXELS, build, digits

X, Y = PIXELS[:160], LABELS[:160]
SHAPE = (1, 8, 8)
WEIGHTS = ("features.0.weight", "features.3.weight", "features.6.weight", "head.weight")

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    network = models.build("cnn", n_classes=10, in_shape=SHAPE, width=4)
    training.train(network, X, Y, epochs=10, batch_size=16, learning_rate=5e-3, seed=0)
    return network


def _loss(model: nn.Module, weights: Weights, x: training.Inputs = X, y: IntArray = Y) -> float:
    probe = models.build("cnn", n_classes=10, in_shape=SHAPE, width=4)
    probe.load_state_dict(weights)
    return float(nn.functional.cross_entropy(torch.from_numpy(training.predict(probe, x)), torch.from_numpy(y)))


def _same(a: Weights, b: Weights) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


def _flips(model: nn.Module, quantizer: str, *, count: int, runtime: str = "litert", seed: int = 0) -> list[Weights]:
    return list(candidates.flips(model, quantizer, X, Y, runtime=runtime, sample_shape=SHAPE, count=count, seed=seed))


GENERATORS: dict[str, Callable[[nn.Module, int, int], list[Weights]]] = {
    "bootstrap-last": lambda m, count, seed: list(candidates.last_layer(m, X).refits(Y, count=count, seed=seed)),
    "perturbation": lambda m, count, seed: list(candidates.perturb(m, X, Y, count=count, seed=seed)),
    "flips": lambda m, count, seed: _flips(m, "sign", count=count, seed=seed),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_equal_seeds_give_equal_candidates_and_leave_the_model_as_it_is(model: nn.Module, name: str) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    first, again = (GENERATORS[name](model, 3, 5) for _ in range(2))
    assert len(first) == 3
    assert all(_same(a, b) for a, b in zip(first, again, strict=True))
    assert not _same(first[0], first[1])
    assert _same(before, model.state_dict())
    assert torch.equal(torch.random.get_rng_state(), state)
    fewer = GENERATORS[name](model, 1, 5)  # a smaller budget looks at the first of the same candidates
    assert _same(fewer[0], first[0])


@pytest.mark.parametrize("name", ["bootstrap-last", "perturbation"])
def test_another_seed_gives_other_candidates(model: nn.Module, name: str) -> None:
    assert not _same(GENERATORS[name](model, 1, 0)[0], GENERATORS[name](model, 1, 1)[0])


def test_a_bootstrap_sample_repeats_and_misses_records() -> None:
    rows = candidates.bootstrap_rows(1000, seed=3, number=1)
    assert rows.shape == (1000,)
    assert np.array_equal(rows, candidates.bootstrap_rows(1000, seed=3, number=1))
    assert not np.array_equal(rows, candidates.bootstrap_rows(1000, seed=3, number=2))
    assert 0.58 < len(np.unique(rows)) / 1000 < 0.68  # 1 - 1/e
    assert rows.max() < 1000


def test_random_halves_are_sorted_and_different() -> None:
    halves = [candidates.random_half(65, seed=0, number=k) for k in range(4)]
    assert {len(half) for half in halves} == {32}
    assert all(len(np.unique(half)) == 32 and (np.diff(half) > 0).all() for half in halves)
    assert len({half.tobytes() for half in halves}) == 4


def _head(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model.state_dict().items() if key.startswith("head.")}


def test_refitting_changes_the_last_layer_alone_and_fits_its_own_sample_better(model: nn.Module) -> None:
    trained = model.state_dict()
    for number, weights in enumerate(candidates.last_layer(model, X).refits(Y, count=3, seed=2), start=1):
        changed = {key for key in trained if not torch.equal(trained[key], weights[key])}
        assert changed == _head(model).keys()
        rows = candidates.bootstrap_rows(len(Y), seed=2, number=number)
        gained = _loss(model, trained, X[rows], Y[rows]) - _loss(model, weights, X[rows], Y[rows])
        assert gained > _loss(model, trained) - _loss(model, weights)  # more there than on all records


def test_the_change_of_the_last_layer_is_the_difference_of_two_penalised_fits(model: nn.Module) -> None:
    """Against scipy's minimiser: fit to the sample minus fit to all, from the trained layer on."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax, softmax

    from harness.compression.candidates._last_layer import RIDGE

    seen: list[torch.Tensor] = []
    handle = model.get_submodule("head").register_forward_pre_hook(lambda _layer, read: seen.append(read[0]))
    training.predict(model, X)
    handle.remove()
    features = np.hstack([torch.cat(seen).double().numpy(), np.ones((len(X), 1))])
    start = torch.cat([_head(model)["head.weight"], _head(model)["head.bias"][:, None]], dim=1).double().numpy()

    def fit(rows: IntArray) -> FloatArray:
        x, y = features[rows], Y[rows]

        def objective(flat: FloatArray) -> tuple[float, FloatArray]:
            weights = flat.reshape(start.shape)
            logits = x @ weights.T
            loss = -log_softmax(logits, axis=1)[np.arange(len(y)), y].mean()
            slope = (softmax(logits, axis=1) - np.eye(10)[y]).T @ x / len(y) + RIDGE * (weights - start)
            return loss + 0.5 * RIDGE * ((weights - start) ** 2).sum(), slope.reshape(-1)

        return minimize(objective, start.reshape(-1), jac=True, method="BFGS", options={"gtol": 1e-8}).x

    (weights,) = candidates.last_layer(model, X).refits(Y, count=1, seed=2)
    moved = torch.cat([weights["head.weight"], weights["head.bias"][:, None]], dim=1).double().numpy() - start
    expected = (fit(candidates.bootstrap_rows(len(Y), seed=2, number=1)) - fit(np.arange(len(Y)))).reshape(start.shape)
    np.testing.assert_allclose(moved, expected, atol=2e-3 * np.abs(expected).max())


def test_a_model_without_a_last_linear_layer_is_refused() -> None:
    convolution = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())
    with pytest.raises(ConfigError, match=r'"bootstrap-last": Sequential has no linear layer .use "bootstrap"'):
        candidates.last_layer(convolution, X)
    softened = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.LogSoftmax(1))
    with pytest.raises(ConfigError, match=r"mis\.generator.*the logits of Sequential are not what '1' makes .use"):
        candidates.last_layer(softened, X)


@pytest.mark.parametrize("name", models.names())
def test_the_last_linear_layer_of_every_network_of_this_package_makes_its_logits(name: str) -> None:
    """So `auto` may refit it."""
    inputs, labels = digits(name, 24)
    network = build(name, shape=inputs.shape[1:])
    layer = candidates.last_layer(network, inputs)
    assert layer.features.shape == (24, network.get_submodule(layer.name).in_features)
    (weights,) = layer.refits(labels, count=1, seed=0)
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, weights[key])}
    assert changed == {key for key in weights if key.startswith(f"{layer.name}.")}


def test_gradients_are_those_of_single_records(model: nn.Module) -> None:
    averaged = gradients(model, X, Y, seed=0)
    single = []
    for x, y in zip(torch.from_numpy(X), torch.from_numpy(Y), strict=True):
        loss = nn.functional.cross_entropy(model.eval()(x[None]), y[None])
        single.append(torch.autograd.grad(loss, model.get_parameter("head.weight"))[0])
    each = torch.stack(single).double()
    torch.testing.assert_close(averaged.mean["head.weight"], each.mean(0), atol=1e-5, rtol=1e-3)
    # From 20 batches a variance is known to about 30%, their sum over 80 weights better.
    assert float(averaged.variance["head.weight"].sum() / each.var(0).sum()) == pytest.approx(1.0, abs=0.3)
    with pytest.raises(InputError, match="gradients: 15 records, at least 16"):
        gradients(model, X[:15], Y[:15], seed=0)


def test_perturbation_moves_every_weight_by_its_size_and_raises_the_loss_little(model: nn.Module) -> None:
    trained = model.state_dict()
    noisy = list(candidates.perturb(model, X, Y, count=6, seed=1))
    parameters = [name for name, _ in model.named_parameters()]
    moves = []
    for weights in noisy:
        assert all(not torch.equal(weights[name], trained[name]) for name in parameters)
        assert all(torch.equal(weights[name], trained[name]) for name in trained if name not in parameters)
        moves.append(sum(float((weights[name] - trained[name]).square().sum()) for name in parameters) ** 0.5)
    # Sizes go through 0.5, 1, 2; the norm of so many normal numbers varies little.
    assert moves[1] / moves[0] == pytest.approx(2, rel=0.3)
    assert moves[2] / moves[1] == pytest.approx(2, rel=0.3)
    assert moves[3] / moves[0] == pytest.approx(1, rel=0.3)
    standard_error = (
        np.std(
            nn.functional.cross_entropy(
                torch.from_numpy(training.predict(model, X)), torch.from_numpy(Y), reduction="none"
            ).numpy()
        )
        / len(Y) ** 0.5
    )
    assert _loss(model, noisy[0]) - _loss(model, trained) < 2 * standard_error
    assert _loss(model, noisy[2]) > _loss(model, trained)


def test_perturbation_of_a_small_model_has_the_variance_of_the_inverse_information() -> None:
    # Two weights and many records: no factor is needed, so the noise has the variance of the maximum likelihood fit.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1)).astype(np.float32)
    y = (rng.random(2000) < 1 / (1 + np.exp(-x[:, 0]))).astype(np.int64)
    line = nn.Linear(1, 2)
    training.train(line, x, y, epochs=20, batch_size=100, learning_rate=0.05, seed=0)
    averaged = gradients(line, x, y, seed=0)
    damping = float(torch.cat([v.reshape(-1) for v in averaged.variance.values()]).mean())
    expected = ((averaged.variance["weight"] + damping) * 2000) ** -0.5
    moves = [w["weight"] - line.weight.detach() for w in candidates.perturb(line, x, y, count=900, seed=0)]
    half = torch.stack(moves[0::3]).double()  # those with eps = 0.5
    torch.testing.assert_close(half.std(0), 0.5 * expected, rtol=0.15, atol=0.0)


@pytest.mark.parametrize("quantizer", ["sign", "ternary-0.9", "uniform-2", "uniform-3-channel"])
def test_where_single_flips_are_ties_each_candidate_moves_one_code_of_the_grid_to_its_neighbour(
    model: nn.Module, quantizer: str
) -> None:
    deployed = compression.quantize(model, quantizer, sample_shape=SHAPE).model.state_dict()
    folded, _ = compression.fuse(model, sample_shape=SHAPE)
    fitted = {name: grids.fit(folded.state_dict()[name].numpy(), quantizer) for name in WEIGHTS}
    flipped = _flips(model, quantizer, count=8)
    places = set()
    for weights in flipped:
        (changed,) = (key for key in deployed if not torch.equal(deployed[key], weights[key]))
        moved = deployed[changed] != weights[changed]
        assert int(moved.sum()) == 1
        before, after = (fitted[changed].codes(w[changed].numpy()).astype(int) for w in (deployed, weights))
        assert sorted(abs(before - after).reshape(-1))[-2:] == [0, 1]
        places.add((changed, int(moved.reshape(-1).nonzero()[0]), int((after - before).sum())))
    assert len(places) == 8


def test_the_flips_of_least_signal_to_noise_come_first(model: nn.Module) -> None:
    """The screening against single records: its order is that of the quadratic approximation from every gradient."""
    deployed = compression.quantize(model, "sign", sample_shape=SHAPE).model
    names = [name for name in WEIGHTS if name != "head.weight"] + ["head.weight"]
    parameters = [deployed.get_parameter(name) for name in names]
    single = []
    for x, y in zip(torch.from_numpy(X), torch.from_numpy(Y), strict=True):
        loss = nn.functional.cross_entropy(deployed(x[None]), y[None])
        single.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters)]))
    each = torch.stack(single).double()
    weights = torch.cat([p.detach().reshape(-1) for p in parameters]).double()
    step, variance = -2 * weights, each.var(0)
    ratio = (each.mean(0) * step + variance * step**2 / 2).abs() / (step.abs() * variance.sqrt())
    flat = {name: sum(p.numel() for p in parameters[:k]) for k, name in enumerate(names)}
    chosen = []
    for flipped in _flips(model, "sign", count=10):
        (name,) = (key for key in names if not torch.equal(flipped[key], deployed.state_dict()[key]))
        chosen.append(flat[name] + int((flipped[name] != deployed.state_dict()[name]).reshape(-1).nonzero()[0]))
    # The variance comes of batches there and of records here, so the ranks agree in the main, not one by one.
    ranks = ratio.argsort().argsort()[chosen].double()
    assert float(ranks.mean()) < 0.1 * len(ratio)


@pytest.mark.parametrize(("quantizer", "runtime", "side"), [("int8", "litert", 127), ("int4", "litert", 7)])
def test_where_single_flips_are_ties_each_candidate_moves_one_code_of_the_format_and_no_scale(
    model: nn.Module, quantizer: str, runtime: str, side: int
) -> None:
    folded, _ = compression.fuse(model, sample_shape=SHAPE)
    base = folded.state_dict()

    def coded(weights: Weights) -> tuple[Weights, Weights]:
        rows = {name: weights[name].reshape(len(weights[name]), -1) for name in WEIGHTS}
        scales = {name: row.abs().amax(1, keepdim=True) / side for name, row in rows.items()}
        return {name: torch.round(row / scales[name]) for name, row in rows.items()}, scales

    codes, scales = coded(base)
    for weights in _flips(model, quantizer, count=12, runtime=runtime):
        flipped, scales_after = coded(weights)
        assert _same(scales, scales_after)
        steps = torch.cat([(flipped[name] - codes[name]).reshape(-1) for name in WEIGHTS])
        assert steps.abs().sum() == 1
        if quantizer == "int4":
            # LiteRT leaves depthwise convolutions in floats there, and one input channel makes one.
            assert torch.equal(weights["features.0.weight"], base["features.0.weight"])


@pytest.mark.parametrize("quantizer", ["fp32", "fp16", "prune-0.5", "cluster-4"])
def test_flips_of_a_quantizer_without_neighbouring_codes_are_refused(model: nn.Module, quantizer: str) -> None:
    assert not candidates.can_flip(quantizer, "litert")
    with pytest.raises(
        ConfigError, match=f"'{quantizer}' has no codes on litert.*one of: int8, int8-dynamic, .*int4, sign"
    ):
        _flips(model, quantizer, count=1)


def test_a_format_can_be_flipped_only_where_its_codes_are_known(model: nn.Module) -> None:
    assert candidates.can_flip("int8", "executorch")
    assert candidates.can_flip("sign", "onnx")
    assert not candidates.can_flip("int8", "onnx")
