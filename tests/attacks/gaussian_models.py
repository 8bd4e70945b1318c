"""Simulated audits whose models answer with normal logit-scaled confidences around each record's difficulty."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.types import Observations

__all__ = ["Answers", "audit", "one_band", "with_second_model"]

Rows = NDArray[np.float64]
Members = NDArray[np.int64]
# Difficulty and membership of the records, a model's generator -> logit-scaled confidences of each variant.
Answers = Callable[[np.random.Generator, Rows, Members], Mapping[str, Rows]]


def one_band(*, level: float = 4.0, inside: float = 0.6, outside: float = 1.0) -> Answers:
    """Non-members are answered around their difficulty, members in a band around ``level``."""

    def answers(rng: np.random.Generator, difficulty: Rows, member: Members) -> Mapping[str, Rows]:
        noise = rng.normal(size=len(difficulty))
        trained = level + 0.2 * difficulty + inside * noise
        return {"original": np.where(member == 1, trained, difficulty + outside * noise)}

    return answers


def with_second_model(answers: Answers, name: str) -> Answers:
    """A variant that is a second model, trained on the same members by itself."""

    def both(rng: np.random.Generator, difficulty: Rows, member: Members) -> Mapping[str, Rows]:
        first = answers(rng, difficulty, member)
        return {**first, name: answers(rng, difficulty, member)["original"]}

    return both


def audit(
    answers: Answers,
    *,
    shadows: int = 2,
    n: int = 1000,
    n_shadow: int = 1600,
    n_population: int = 400,
    seed: int = 0,
    online: bool = False,
    population: bool = True,
) -> tuple[Observations, list[Observations]]:
    """A target, and shadow models on independent halves of a pool of their own.

    Args:
        answers: what a model answers.
        shadows: number of shadow models, each a reference of the others and of the target.
        n: records of the target's pool.
        n_shadow: records of the shadows' pool.
        n_population: records outside every training set.
        seed: of every draw.
        online: the shadows are trained on halves of the target's own pool.
        population: whether there is a population.
    """
    rng = np.random.default_rng(seed)
    sizes = {"target": n, "shadows": n_shadow, "outside": n_population}
    difficulty = {pool: rng.normal(2.0, 1.5, size) for pool, size in sizes.items()}
    own_pool = ["target", *(["target" if online else "shadows"] * shadows)]
    models = []
    for pool in own_pool:
        member = {p: rng.integers(0, 2, s) if p == pool else np.zeros(s, dtype=np.int64) for p, s in sizes.items()}
        models.append((member, {p: answers(rng, difficulty[p], member[p]) for p in sizes}))
    first_id = dict(zip(sizes, np.cumsum([0, n, n_shadow]), strict=True))

    def plain(model: int, pool: str) -> dict[str, object]:
        table = models[model][1][pool]
        logits = {v: np.column_stack([x, np.zeros_like(x)]) for v, x in table.items()}
        ids = first_id[pool] + np.arange(sizes[pool])
        return {"labels": np.zeros(sizes[pool], dtype=np.int64), "logits": logits, "ids": ids}

    def observed(model: int, others: list[int], name: str) -> Observations:
        pool = own_pool[model]
        trained = np.array([models[r][0][pool] for r in others]).reshape(len(others), sizes[pool])
        outside = Observations(
            **plain(model, "outside"),  # type: ignore[arg-type]
            references=tuple(Observations(**plain(r, "outside")) for r in others),  # type: ignore[arg-type]
        )
        return Observations(
            **plain(model, pool),  # type: ignore[arg-type]
            membership=models[model][0][pool],
            references=tuple(Observations(**plain(r, pool)) for r in others),  # type: ignore[arg-type]
            reference_membership=trained if trained.any() else None,
            population=outside if population else None,
            name=name,
        )

    everyone = list(range(1, shadows + 1))
    return observed(0, everyone, "target"), [
        observed(k, [j for j in everyone if j != k], f"shadow/{k - 1}") for k in everyone
    ]
