"""Candidates by refitting the last layer: logistic regression on a bootstrap sample of the training records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from harness.compression.candidates._resampling import bootstrap_rows
from harness.errors import ConfigError
from harness.training import Inputs, predict, reproducible
from harness.types import IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["refit_last_layer"]

# Of the mean loss, towards the trained layer. Networks separate their training records, and logistic regression of
# separated records has no minimum.
RIDGE = 1e-3
# The problem is convex and starts near its minimum: a few dozen steps settle it, the bound only ends a stall.
MAX_STEPS = 200
# Two passes over the same records differ by rounding alone.
TOLERANCE = 1e-3


def refit_last_layer(
    model: nn.Module, inputs: Inputs, labels: IntArray, *, count: int, seed: int
) -> Iterator[dict[str, Tensor]]:
    """Weights of the model with its last linear layer fitted again, each time to another bootstrap sample.

    Multinomial logistic regression on the features that the layer reads, from the trained layer on, with a small ridge
    that pulls back to it. What a candidate takes over is the difference between the fit to its sample and the fit to
    all records: the spread of the sampling, without the step from where training stopped to the regression's minimum,
    which would set every candidate apart from the deployed model. Candidate k sees bootstrap sample k, for every
    quantizer the same.

    Args:
        model: its last ``nn.Linear`` makes the logits; unchanged.
        inputs: the training records, ``[n, ...]``.
        labels: int64 ``[n]``.
        count: candidates to make, numbers 1 to ``count``.
        seed: of the bootstrap samples.

    Yields:
        A state dict a candidate.

    Raises:
        ConfigError: the last linear layer does not make the logits.
    """
    from torch import nn

    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if not linear:
        raise ConfigError(f"bootstrap-last: {type(model).__name__} has no linear layer", hint='use "bootstrap"')
    name, layer = list(linear.items())[-1]
    features = _features(model, layer, inputs, name=name)
    trained = [p.detach().double() for p in layer.parameters()]
    whole = _fitted(trained, features, labels, np.ones(len(labels), dtype=np.int64))
    for number in range(1, count + 1):
        rows = bootstrap_rows(len(labels), seed=seed, number=number)
        counts = np.bincount(rows, minlength=len(labels))
        weights = {key: value.detach().clone() for key, value in model.state_dict().items()}
        moved = _fitted(trained, features, labels, counts)
        for (key, _), start, other, full in zip(layer.named_parameters(), trained, moved, whole, strict=True):
            weights[f"{name}.{key}"] = (start + (other - full)).float()
        yield weights


def _fitted(trained: list[Tensor], features: Tensor, labels: IntArray, counts: IntArray) -> list[Tensor]:
    """The layer's parameters for a sample that holds each record so many times, float64."""
    import torch
    from torch.nn import functional

    targets = torch.from_numpy(np.ascontiguousarray(labels))
    share = torch.from_numpy(counts / counts.sum())
    fitted = [p.clone().requires_grad_() for p in trained]
    solver = torch.optim.LBFGS(fitted, max_iter=MAX_STEPS, line_search_fn="strong_wolfe")

    def objective() -> float:
        solver.zero_grad()
        losses = functional.cross_entropy(functional.linear(features, *fitted), targets, reduction="none")
        pull = sum(((p - p0) ** 2).sum() for p, p0 in zip(fitted, trained, strict=True))
        loss = (share * losses).sum() + 0.5 * RIDGE * pull
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    with reproducible(seed=0, threads=1):
        solver.step(objective)  # type: ignore[no-untyped-call]
    return [p.detach() for p in fitted]


def _features(model: nn.Module, layer: nn.Linear, inputs: Inputs, *, name: str) -> Tensor:
    """What the layer reads, float64 ``[n, features]``."""
    import torch
    from torch.nn import functional

    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _layer, read: seen.append(read[0].double()))
    try:
        logits = torch.from_numpy(predict(model, inputs)).double()
    finally:
        handle.remove()
    made = functional.linear(torch.cat(seen), *(p.detach().double() for p in layer.parameters()))
    if made.shape != logits.shape or not torch.allclose(made, logits, rtol=TOLERANCE, atol=TOLERANCE):
        raise ConfigError(f"bootstrap-last: the logits are not what {name!r} makes", hint='use "bootstrap"')
    return torch.cat(seen)
