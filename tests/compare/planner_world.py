"""A world of models whose answers leak by rule: a target, shadows and references with any number of variants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.types import IntArray, Observations

CLASSES = 4


def world(
    leaks: Sequence[float],
    *,
    n: int,
    shadows: int = 2,
    noise: float = 0.8,
    seed: int = 0,
) -> tuple[Observations, list[Observations], tuple[str, ...]]:
    """A target with ``n`` members and ``n`` non-members, its shadows, and the variants' names.

    Args:
        leaks: by how much each variant is more confident about members, in standard deviations of its own noise.
        n: members, and non-members.
        shadows: shadow models; each is trained on half of a pool of ``2 n`` records, and is a reference of the others.
        noise: of a variant's answers around its model's.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    names = ("original", *(f"v{place}" for place in range(1, len(leaks))))

    def answers(labels: IntArray, hard: np.ndarray, trained: np.ndarray) -> dict[str, np.ndarray]:
        """One model's logits, float32 ``[n, C]`` a variant."""
        own = rng.normal(size=len(labels))
        logits = {}
        for name, leak in zip(names, leaks, strict=True):
            margin = 1.0 + hard + 0.7 * own + noise * rng.normal(size=len(labels)) + leak * trained
            values = 0.3 * rng.normal(size=(len(labels), CLASSES))
            values[np.arange(len(labels)), labels] += margin
            logits[name] = values.astype(np.float32)
        return logits

    def population(count: int) -> tuple[IntArray, np.ndarray]:
        return rng.integers(0, CLASSES, count), rng.normal(size=count)

    membership = np.repeat([1, 0], n).astype(np.int64)
    none = np.zeros(2 * n)
    labels, hard = population(2 * n)
    pool_labels, pool_hard = population(2 * n)
    pools = [rng.permutation(membership) for _ in range(shadows)]
    ids = np.arange(2 * n)

    def plain(name: str, labels: IntArray, hard: np.ndarray, trained: np.ndarray, first_id: int) -> Observations:
        return Observations(
            labels=labels, ids=ids + first_id, logits=answers(labels, hard, trained), confidences={}, name=name
        )

    of_pool = [plain(f"shadow-{k}", pool_labels, pool_hard, pools[k], 2 * n) for k in range(shadows)]
    target = Observations(
        labels=labels,
        ids=ids,
        logits=answers(labels, hard, membership),
        confidences={},
        membership=membership,
        references=tuple(plain(f"shadow-{k}", labels, hard, none, 0) for k in range(shadows)),
        name="target",
    )
    seen = []
    for k in range(shadows):
        others = [other for other in range(shadows) if other != k]
        seen.append(
            Observations(
                labels=pool_labels,
                ids=ids + 2 * n,
                logits=of_pool[k].logits,
                confidences={},
                membership=pools[k],
                references=tuple(of_pool[other] for other in others),
                reference_membership=np.stack([pools[other] for other in others]) if others else None,
                name=f"shadow-{k}",
            )
        )
    return target, seen, names
