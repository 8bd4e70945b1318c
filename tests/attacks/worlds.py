"""Synthetic audits with a known leak: logits of a target, of shadows and of references, variant by variant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.types import Observations

__all__ = ["World", "make_world", "softmax"]

VARIANTS = ("original", "finetuned", "prune-0.6", "int8-ptq")


@dataclass(frozen=True)
class World:
    target: Observations
    shadows: list[Observations]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def make_world(
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
) -> World:
    """A target and its shadows on disjoint pools; half of each pool are members.

    Each record has a difficulty that every model shares. A member's true-class logit is ``leak`` higher; a variant
    adds noise of its own and halves the leak for a random half of the members, so that variants differ in whom they
    betray. ``leak = 0`` is the null twin: membership is a coin that no model ever saw.
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
            kept = 1.0 if variant == "original" else 0.5 + 0.5 * rng.integers(0, 2, size)
            logits[np.arange(size), labels] += leak * member * kept
            table[variant] = (logits if kind == "logits" else softmax(logits)).astype(np.float32)
        return table

    def never(size: int) -> NDArray[np.int64]:
        return np.zeros(size, dtype=np.int64)

    def half(size: int) -> NDArray[np.int64]:
        return rng.permutation(np.arange(size) % 2).astype(np.int64)

    z_labels, z_difficulty = pool(n_population)
    z_answers = [answers(z_labels, z_difficulty, never(n_population)) for _ in range(shadows + 1)]

    def population(own: int, others: list[int], name: str) -> Observations:
        references = tuple(Observations(labels=z_labels, name=f"z{j}", **{kind: z_answers[j]}) for j in others)
        return Observations(labels=z_labels, references=references, name=name, **{kind: z_answers[own]})

    def model(size: int, own: int, others: list[int], name: str) -> Observations:
        labels, difficulty = pool(size)
        member = half(size)
        references = tuple(
            Observations(labels=labels, name=f"{name}/r{j}", **{kind: answers(labels, difficulty, never(size))})
            for j in others
        )
        return Observations(
            labels=labels,
            membership=member,
            references=references,
            population=population(own, others, f"{name}/population"),
            name=name,
            **{kind: answers(labels, difficulty, member)},
        )

    everyone = list(range(shadows))
    target = model(n, shadows, everyone, "target")
    others = [[j for j in everyone if j != k] for k in everyone]
    return World(target, [model(n_shadow, k, others[k], f"shadow/{k}") for k in everyone])
