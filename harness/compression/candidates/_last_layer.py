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

# Weight of the ridge towards the trained layer, relative to the mean loss. Networks often separate their training
# records, and logistic regression of separated records has no minimum.
RIDGE = 1e-3
# The problem is convex and starts near its minimum: a few dozen steps converge; the bound only ends a stall.
MAX_STEPS = 200
# Two passes over the same records differ by rounding only, which stays below this.
TOLERANCE = 1e-3


def refit_last_layer(
    model: nn.Module, inputs: Inputs, labels: IntArray, *, count: int, seed: int
) -> Iterator[dict[str, Tensor]]:
    """Weights of the model with its last linear layer refitted, each time to another bootstrap sample.

    Multinomial logistic regression on the layer's inputs, started at the trained layer, with a small ridge towards it.
    A candidate is the trained layer plus the difference between the fit to its sample and the fit to all records. So
    it holds the spread of the sampling, and not the step from the end of training to the regression's minimum, which
    would separate every candidate from the deployed model. Candidate k uses bootstrap sample k, the same for every
    quantizer.

    Args:
        model: its last ``nn.Linear`` makes the logits; unchanged.
        inputs: the training records, ``[n, ...]``.
        labels: int64 ``[n]``.
        count: candidates to make, numbers 1 to ``count``.
        seed: of the bootstrap samples.

    Yields:
        One state dict per candidate.

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
        refitted = _fitted(trained, features, labels, counts)
        for (key, _), start, other, full in zip(layer.named_parameters(), trained, refitted, whole, strict=True):
            weights[f"{name}.{key}"] = (start + (other - full)).float()
        yield weights


def _fitted(trained: list[Tensor], features: Tensor, labels: IntArray, counts: IntArray) -> list[Tensor]:
    """The layer's parameters for a sample that holds each record ``counts`` times, float64."""
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
    """The layer's inputs, float64 ``[n, features]``."""
    import torch
    from torch.nn import functional

    features: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _layer, read: features.append(read[0].double()))
    try:
        logits = torch.from_numpy(predict(model, inputs)).double()
    finally:
        handle.remove()
    recomputed = functional.linear(torch.cat(features), *(p.detach().double() for p in layer.parameters()))
    if recomputed.shape != logits.shape or not torch.allclose(recomputed, logits, rtol=TOLERANCE, atol=TOLERANCE):
        raise ConfigError(f"bootstrap-last: the logits are not what {name!r} makes", hint='use "bootstrap"')
    return torch.cat(features)
