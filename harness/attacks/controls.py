"""Controls: attacks that must show no leakage, or no additional leakage, if the audit is sound.

- Permuted membership: an attack fitted on shadows with shuffled membership must have an AUC of one half.
- A second copy of the original as a "variant": SR must not exceed NR by more than noise.
- The null twin: a target that was trained on no audited record, evaluated as usual, must have an AUC of one half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.attacks._folds import membership_of
from harness.errors import InputError
from harness.types import Array, Observations

__all__ = ["COPY", "permute_membership", "with_copy"]

COPY = "original-copy"


def permute_membership(observations: Sequence[Observations], *, seed: int = 0) -> list[Observations]:
    """The same populations with the membership of each shuffled among its records.

    Raises:
        InputError: a population's membership is not known.
    """
    rng = np.random.default_rng(seed)
    return [replace(o, membership=rng.permutation(membership_of(o))) for o in observations]


def with_copy(observations: Observations, *, original: str = "original", name: str = COPY) -> Observations:
    """The same population with a second copy of the original's answers as one more variant.

    References and the population get the copy too, where they have the original.

    Raises:
        InputError: the original is not visible, or the name is taken.
    """
    if name in observations.variants:
        raise InputError(f"{observations.name}: variant {name!r} exists already", hint="give another name")
    if original not in observations.variants:
        raise InputError(f"{observations.name}: variant {original!r} is missing")

    def add_copy(source: Observations) -> Observations:
        population = None if source.population is None else add_copy(source.population)
        return replace(
            source,
            confidences=_copied(source.confidences, original, name),
            logits=_copied(source.logits, original, name),
            references=tuple(map(add_copy, source.references)),
            population=population,
        )

    return add_copy(observations)


def _copied(table: Mapping[str, Array], original: str, name: str) -> Mapping[str, Array]:
    """The table with the original's array under a second name, where it has the original."""
    return {**table, name: table[original]} if original in table else table
