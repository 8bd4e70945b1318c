"""Attacks with reference models on Location-30, by the number of references. One table each, printed with ``-q -s``.

Small networks of one hidden layer, each trained on a random half of a pool of 3,000 records until it makes no mistake
there. References come in pairs on complementary halves, so that every record has as many inside as outside; the eight
targets have halves of their own. ``before`` are this project's figures on the same networks before variances were
shrunk, cuts were free of units, and online forms ran without a switch at 64 references.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.attacks import attack_class
from harness.attacks._cache import Cache
from harness.compare.comparisons import tpr_value
from harness.data import datasets
from harness.errors import UnresolvedError, UsageError
from harness.stats import auc
from harness.types import IntArray, Observations

DATA = Path(os.environ.get("EDGELEAK_LOCATION30", Path(__file__).parents[2] / "shared" / "datasets" / "location30"))
POOL, POPULATION, TARGETS, MOST = 3000, 1000, 8, 64
HIDDEN, EPOCHS, BATCH, RATE = 128, 40, 64, 1e-3
ATTACKS = ("confidence", "gbt", "quantile", "lira", "lira-online", "rmia", "rmia-online", "base", "base-online", "band")
# AUC / TPR@1% / TPR@0.1% by number of references.
BEFORE = {
    ("lira", 2): ".877 .287 .110",
    ("lira", 8): ".920 .421 .182",
    ("lira", 16): ".929 .487 .205",
    ("lira", 64): ".936 .513 .190",
    ("lira-online", 8): ".969 .577 .281",
    ("lira-online", 16): ".972 .618 .302",
    ("lira-online", 64): ".974 .624 .331",
    ("rmia", 8): ".934 .408",
    ("gbt", 2): ".912 .010 .001",
}


class Networks:
    """The answers of eight targets and of 64 references to the pool and to a population that nobody was trained on."""

    def __init__(self) -> None:
        source = datasets.load("location30", data_dir=DATA)
        assert isinstance(source.inputs, np.ndarray)
        rng = np.random.default_rng(0)
        order = rng.permutation(len(source.labels))[: POOL + POPULATION]
        inputs, self.labels = source.inputs[order].astype(np.float32), source.labels[order]
        halves = [_half(rng) for _ in range(TARGETS)]
        for _ in range(MOST // 2):
            half = _half(rng)
            halves += [half, 1 - half]
        self.membership = np.stack(halves)
        self.logits = [
            _trained(inputs, self.labels, np.flatnonzero(half), source.n_classes, seed)
            for seed, half in enumerate(halves)
        ]

    def observed(self, model: int, references: NDArray[np.int64]) -> Observations:
        """One model on the pool, with references that know their members, and with the population."""
        population = replace(
            self._answers(model, slice(POOL, None)),
            references=tuple(self._answers(r, slice(POOL, None)) for r in references),
        )
        return replace(
            self._answers(model, slice(POOL)),
            membership=self.membership[model],
            references=tuple(self._answers(r, slice(POOL)) for r in references),
            reference_membership=self.membership[references],
            population=population,
        )

    def _answers(self, model: int, rows: slice) -> Observations:
        return Observations(
            labels=self.labels[rows],
            ids=np.arange(len(self.labels))[rows],
            logits={"original": self.logits[model][rows]},
            name=f"network {model}",
        )


def _half(rng: np.random.Generator) -> IntArray:
    return rng.permutation(np.arange(POOL) % 2).astype(np.int64)


def _trained(
    inputs: NDArray[np.float32], labels: IntArray, rows: IntArray, n_classes: int, seed: int
) -> NDArray[np.float32]:
    """Train one network, and have it answer all records."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(inputs.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_classes))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    x, y = torch.from_numpy(inputs[rows]), torch.from_numpy(labels[rows])
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(inputs)).numpy())


@pytest.fixture(scope="module")
def networks() -> Networks:
    pytest.importorskip("torch")
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there: set EDGELEAK_LOCATION30 to the folder of Location-30")
    return Networks()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [2, 8, 16, 64])
def test_attacks_with_references_find_what_their_papers_find(networks: Networks, count: int) -> None:
    references = TARGETS + np.arange(count)
    shadows = [networks.observed(int(r), references[references != r]) for r in references[:TARGETS]]
    targets = [networks.observed(t, references) for t in range(TARGETS)]
    print(f"\n{count} references, mean of {TARGETS} targets: AUC, TPR at 1% and at 0.1% FPR; before")
    found = {}
    for name in ATTACKS:
        try:
            figures = _figures(name, shadows, targets)
        except (UsageError, UnresolvedError) as error:
            print(f"  {name:12} not run: {error.message[:90]}")
            continue
        found[name] = figures
        cells = "  ".join(f"{value:.3f}" for value in figures)
        print(f"  {name:12} {cells}   {BEFORE.get((name, count), '')}")
    # The order that the papers report: more is found with references, and most where they know their members.
    assert found["lira"][1] > found["confidence"][1]
    assert found["lira-online"][0] > found["lira"][0]


def _figures(name: str, shadows: Sequence[Observations], targets: Sequence[Observations]) -> NDArray[np.float64]:
    attack = attack_class(name)(["original"], cache=Cache()).fit(shadows)
    rows = []
    for target in targets:
        scores, membership = attack.score(target), target.membership
        assert membership is not None
        rates = [tpr_value(scores, membership, fpr) for fpr in (0.01, 0.001)]
        rows.append([auc(scores, membership).value, *rates])
    return np.asarray(np.mean(rows, axis=0))
