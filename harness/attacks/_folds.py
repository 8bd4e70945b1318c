"""Folds by record: a record is in the same fold in every shadow, so no model scores a record it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.attacks._cache import Cache
from harness.errors import InputError
from harness.types import IntArray, Observations

__all__ = ["fold_of_rows", "folds_of", "membership_of", "stacked_membership"]


def membership_of(observations: Observations) -> IntArray:
    """The known membership of a population.

    Raises:
        InputError: the membership is not known.
    """
    if observations.membership is None:
        raise InputError(
            f"{observations.name}/membership: missing", hint="give 1 for members and 0 for non-members, one per record"
        )
    return observations.membership.astype(np.int64)


def stacked_membership(shadows: Sequence[Observations]) -> IntArray:
    """The membership of all shadows' records, one after another, int64 ``[N]``."""
    return np.concatenate([membership_of(s) for s in shadows])


def folds_of(shadows: Sequence[Observations], *, folds: int, seed: int, cache: Cache) -> IntArray:
    """The fold of every stacked shadow record, computed once per evaluation."""
    return cache.get(("folds", folds, seed), shadows, lambda: fold_of_rows(shadows, folds=folds, seed=seed))


def fold_of_rows(shadows: Sequence[Observations], *, folds: int, seed: int) -> IntArray:
    """Assign each row of the stacked shadows to a fold, int64 ``[N]`` in ``0..folds-1``.

    Rows of one record share a fold: by the observations' ids where every shadow has them, else by the position in the
    shadow (shadows usually answer the same records in the same order; if not, this is harmless). Records with the same
    memberships are distributed round-robin, so each fold has the members' share of the whole: an unequal share would
    by itself correlate out-of-fold scores with membership.

    Raises:
        InputError: a fold would train on members or on non-members only.
    """
    ids = [s.ids for s in shadows if s.ids is not None]
    keys = np.concatenate(ids if len(ids) == len(shadows) else [np.arange(len(s)) for s in shadows])
    membership = stacked_membership(shadows)
    _, group = np.unique(keys, return_inverse=True)
    members = np.bincount(group, weights=membership)
    size = np.bincount(group)

    order = np.random.default_rng(seed).permutation(len(size))
    order = order[np.lexsort((members[order], size[order]))]
    fold_of_group = np.empty(len(size), dtype=np.int64)
    fold_of_group[order] = np.arange(len(size)) % folds
    fold = fold_of_group[group]
    for k in range(folds):
        if len(np.unique(membership[fold != k])) < 2 or not (fold == k).any():
            raise InputError(
                f"{shadows[0].name}: {len(membership)} records are too few for {folds} folds of both kinds",
                hint="give more records, or leave out learned attacks",
            )
    return np.asarray(fold)
