"""Candidates by refitting the last layer: logistic regression on a bootstrap sample of the training records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.compression.candidates._resampling import bootstrap_rows
from harness.errors import ConfigError
from harness.training import Inputs, predict, reproducible
from harness.types import IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["LastLayer", "last_layer"]

# Weight of the ridge towards the trained layer, relative to the mean loss. Networks often separate their training
# records, and logistic regression of separated records has no minimum.
RIDGE = 1e-3
# The problem is convex and starts near its minimum: a few dozen steps converge; the bound only ends a stall.
MAX_STEPS = 200
# Two passes over the same records differ by rounding only, which stays below this.
TOLERANCE = 1e-3
OTHERS = 'use "bootstrap", "trajectory" or "perturbation"'


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The layer that makes the logits, and what it is given of the training records.

    Args:
        model: the network; unchanged.
        name: the layer's, in the network.
        features: its inputs, float64 ``[n, features]``.
    """

    model: nn.Module
    name: str
    features: Tensor

    def refits(self, labels: IntArray, *, count: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Weights of the model with this layer refitted, each time to another bootstrap sample.

        Multinomial logistic regression on the layer's inputs, started at the trained layer, with a small ridge towards
        it. A candidate is the trained layer plus the difference between the fit to its sample and the fit to all
        records. So it holds the spread of the sampling, and not the step from the end of training to the regression's
        minimum, which would separate every candidate from the deployed model. Candidate k uses bootstrap sample k, the
        same for every quantizer.

        Args:
            labels: int64 ``[n]``.
            count: candidates to make, numbers 1 to ``count``.
            seed: of the bootstrap samples.

        Yields:
            One state dict per candidate.
        """
        layer = self.model.get_submodule(self.name)
        trained = [p.detach().double() for p in layer.parameters()]
        whole = _fitted(trained, self.features, labels, np.ones(len(labels), dtype=np.int64))
        for number in range(1, count + 1):
            rows = bootstrap_rows(len(labels), seed=seed, number=number)
            counts = np.bincount(rows, minlength=len(labels))
            weights = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
            refitted = _fitted(trained, self.features, labels, counts)
            for (key, _), start, other, full in zip(layer.named_parameters(), trained, refitted, whole, strict=True):
                weights[f"{self.name}.{key}"] = (start + (other - full)).float()
            yield weights


def last_layer(model: nn.Module, inputs: Inputs) -> LastLayer:
    """Find the linear layer that makes the logits.

    Args:
        model: its last ``nn.Linear`` is that layer.
        inputs: the training records, ``[n, ...]``.

    Raises:
        ConfigError: there is no linear layer, or the last one does not make the logits.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if not linear:
        raise ConfigError(f'mis.generator: "bootstrap-last": {type(model).__name__} has no linear layer', hint=OTHERS)
    name, layer = list(linear.items())[-1]
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _layer, read: seen.append(read[0].double()))
    try:
        logits = torch.from_numpy(predict(model, inputs)).double()
    finally:
        handle.remove()
    features = torch.cat(seen) if seen else torch.empty(0, layer.in_features, dtype=torch.float64)
    recomputed = functional.linear(features, *(p.detach().double() for p in layer.parameters()))
    if recomputed.shape != logits.shape or not torch.allclose(recomputed, logits, rtol=TOLERANCE, atol=TOLERANCE):
        raise ConfigError(
            f'mis.generator: "bootstrap-last": the logits of {type(model).__name__} are not what {name!r} makes',
            hint=OTHERS,
        )
    return LastLayer(model, name, features)


def _fitted(trained: list[Tensor], features: Tensor, labels: IntArray, counts: IntArray) -> list[Tensor]:
    """The layer's parameters for a sample that holds each record ``counts`` times, float64."""
    import torch
    from torch.nn import functional

    drawn = np.flatnonzero(counts)  # records that the sample misses would only take time
    rows = torch.from_numpy(drawn)
    features, targets = features[rows], torch.from_numpy(labels[drawn])
    share = torch.from_numpy(counts[drawn] / counts.sum())
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
