"""The training loop of the two attacks that are networks; torch is imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.attacks._classifiers import Features, Scorer
from harness.errors import DependencyError
from harness.types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

__all__ = ["require_torch", "train_networks"]

# Out-of-fold networks only choose a cut; merging the folds into this many saves a third of the time.
NETWORK_FOLDS = 3
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
BATCH = 128
# Rows scored at a time.
SCORE_ROWS = 8192
# Largest norm of the gradient: one record with a loss of 70 nats must not make the weights diverge.
CLIP_NORM = 5.0


def require_torch(attack: str) -> Any:
    """Import torch.

    Raises:
        DependencyError: torch is not installed.
    """
    try:
        import torch
    except ImportError:
        hint = "pip install 'edgeleak[train]'"
        raise DependencyError(f"attack {attack!r}: torch is not installed", hint=hint) from None
    return torch


def train_networks(
    build: Callable[[int], torch.nn.Module],
    x: Features,
    y: IntArray,
    fold: IntArray,
    *,
    epochs: int,
    rate: float,
    seed: int,
) -> tuple[FloatArray, Scorer]:
    """Train one network per fold and one on all rows, in parallel in one module.

    The networks share the order of the rows, and may share dropout masks, but no weight and no gradient: the loss of
    each excludes its own fold, and the sum of the losses has the gradients of each. Four small networks in one pass
    cost little more than one.

    SGD with momentum and a cosine schedule for a fixed number of epochs; the result is the last one. The reference code
    chooses the best epoch by the target's membership, which overstates the attack. Columns are standardised with the
    moments of all shadow rows.

    Args:
        build: number of networks ``E`` -> module, float32 ``[E, b, d]`` -> ``[E, b, 2]``.
        x: rows, ``[N, d]``.
        y: membership, ``[N]``.
        fold: fold of each row, ``[N]``; merged into three.
        epochs: passes over the rows.
        rate: initial learning rate.
        seed: seed of initialisation, order and dropout; the caller's random state is unchanged.

    Returns:
        Out-of-fold log-odds of membership ``[N]``, and the scorer of the network trained on all rows.
    """
    import torch

    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)

    def scaled(rows: Features) -> Any:
        return torch.from_numpy(((rows - mean) / spread).astype(np.float32))

    fold = fold % NETWORK_FOLDS
    folds = np.unique(fold)
    # Network e excludes fold e; the last network uses all rows.
    used = np.stack([*(fold != k for k in folds), np.ones(len(y), dtype=bool)])
    with _isolated(torch, seed):
        networks = build(len(used))
        _descend(torch, networks, scaled(x), torch.from_numpy(y), torch.from_numpy(used), epochs=epochs, rate=rate)
    networks.eval()

    def score_all(rows: Features) -> FloatArray:
        with torch.inference_mode():
            parts = [networks(p.expand(len(used), *p.shape)).double().numpy() for p in scaled(rows).split(SCORE_ROWS)]
        both = np.concatenate(parts, axis=1)
        return np.asarray(both[..., 1] - both[..., 0])

    by_network = score_all(x)
    out_of_fold = by_network[np.searchsorted(folds, fold), np.arange(len(y))]
    return out_of_fold, lambda rows: np.asarray(score_all(rows)[-1])


def _descend(torch: Any, networks: Any, inputs: Any, labels: Any, used: Any, *, epochs: int, rate: float) -> None:
    """Minimise the sum over networks of the mean cross-entropy of the rows that each uses."""
    optimizer = torch.optim.SGD(networks.parameters(), lr=rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    networks.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels)).split(BATCH):
            if len(rows) < 2:
                continue  # batch normalisation needs two rows
            weight = used[:, rows].float()
            out = networks(inputs[rows].expand(len(used), -1, -1))
            loss = torch.nn.functional.cross_entropy(
                out.flatten(0, 1), labels[rows].repeat(len(used)), reduction="none"
            ).reshape(weight.shape)
            optimizer.zero_grad()
            ((loss * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)).sum().backward()
            torch.nn.utils.clip_grad_norm_(networks.parameters(), CLIP_NORM * len(used) ** 0.5)
            optimizer.step()
        schedule.step()


@contextmanager
def _isolated(torch: Any, seed: int) -> Iterator[None]:
    """Set a seeded random state and one thread, and restore both; at these sizes a second thread gains nothing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
