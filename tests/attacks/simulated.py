"""Synthetic audits with a known leak: logits of a target, of shadows and of references, variant by variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import Observations

__all__ = ["SimulatedAudit", "membership_of", "population_of", "simulate_audit", "softmax"]

VARIANTS = ("original", "finetuned", "prune-0.6", "int8-ptq")


@dataclass(frozen=True)
class SimulatedAudit:
    target: Observations
    shadows: list[Observations]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidences: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return confidences


def membership_of(observations: Observations) -> NDArray[np.int64]:
    """The membership of observations that have one."""
    assert observations.membership is not None
    return observations.membership


def population_of(observations: Observations) -> Observations:
    """The population of observations that have one."""
    assert observations.population is not None
    return observations.population


def simulate_audit(
    *,
    leak: float,
    n: int = 400,
    n_shadow: int = 400,
    n_population: int = 300,
    shadows: int = 2,
    classes: int = 6,
    variants: tuple[str, ...] = VARIANTS,
    seed: int = 0,
    kind: str = "logits",
) -> SimulatedAudit:
    """A target and its shadows on disjoint pools; half of each pool are members.

    Each record has a difficulty that every model shares. A member's true-class logit is ``leak`` higher; a variant
    adds noise of its own and halves the leak for a random half of the members, so that variants differ in whose
    membership they leak. ``leak = 0`` is the null twin: membership is a coin that no model ever saw.
    """
    rng = np.random.default_rng(seed)

    def pool(size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return rng.integers(0, classes, size), rng.normal(1.5, 1.5, size)

    def answers(
        labels: NDArray[np.int64], difficulty: NDArray[np.float64], member: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        size = len(labels)
        base = rng.normal(0.0, 1.0, (size, classes))
        base[np.arange(size), labels] += difficulty + rng.normal(0.0, 0.5, size)
        table = {}
        for variant in variants:
            logits = base + (0.0 if variant == "original" else 1.0) * rng.normal(0.0, 0.3, (size, classes))
            share = 1.0 if variant == "original" else 0.5 + 0.5 * rng.integers(0, 2, size)
            logits[np.arange(size), labels] += leak * member * share
            table[variant] = (logits if kind == "logits" else softmax(logits)).astype(np.float32)
        return table

    def observed(answered: dict[str, NDArray[np.float32]], **facts: Any) -> Observations:
        return Observations(**facts | {kind: answered})

    def never(size: int) -> NDArray[np.int64]:
        return np.zeros(size, dtype=np.int64)

    def half(size: int) -> NDArray[np.int64]:
        return rng.permutation(np.arange(size) % 2).astype(np.int64)

    z_labels, z_difficulty = pool(n_population)
    z_answers = [answers(z_labels, z_difficulty, never(n_population)) for _ in range(shadows + 1)]

    def population(own: int, others: list[int], name: str) -> Observations:
        references = tuple(observed(z_answers[j], labels=z_labels, name=f"z{j}") for j in others)
        return observed(z_answers[own], labels=z_labels, references=references, name=name)

    def model(size: int, own: int, others: list[int], name: str) -> Observations:
        labels, difficulty = pool(size)
        member = half(size)
        references = tuple(
            observed(answers(labels, difficulty, never(size)), labels=labels, name=f"{name}/r{j}") for j in others
        )
        return observed(
            answers(labels, difficulty, member),
            labels=labels,
            membership=member,
            references=references,
            population=population(own, others, f"{name}/population"),
            name=name,
        )

    everyone = list(range(shadows))
    target = model(n, shadows, everyone, "target")
    others = [[j for j in everyone if j != k] for k in everyone]
    return SimulatedAudit(target, [model(n_shadow, k, others[k], f"shadow/{k}") for k in everyone])
