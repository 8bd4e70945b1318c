"""The split: disjoint roles of the records, drawn from one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.data.datasets._registry import Source
from harness.errors import ConfigError
from harness.types import IntArray

__all__ = ["ShadowSplit", "Split", "split"]


@dataclass(frozen=True, eq=False)
class ShadowSplit:
    """One shadow model's records; all arrays hold sorted ids.

    Args:
        training: the shadow's training set; equals ``members`` except in the null twin.
        members: the records that attacks take as members.
        nonmembers: the records that attacks take as non-members.
    """

    training: IntArray
    members: IntArray
    nonmembers: IntArray


@dataclass(frozen=True, eq=False)
class Split:
    """The roles of a data set's records; all arrays hold sorted ids and the roles are disjoint.

    Args:
        dataset: name of the data set.
        seed: the seed of every draw.
        null: whether this is the null twin, in which no model is trained on an audited pool.
        training: the target's training set; equals ``members`` unless ``null``.
        members: the target's audited members.
        nonmembers: the target's audited non-members.
        calibration: records for static quantization; never audited, never trained on.
        population: records outside every model's training set (RMIA's Z).
        shadows: one entry per shadow model; their pools overlap each other, but no other role.
        duplicates_removed: number of records with the same bytes as an earlier record; they have no role.
    """

    dataset: str
    seed: int
    null: bool
    training: IntArray
    members: IntArray
    nonmembers: IntArray
    calibration: IntArray
    population: IntArray
    shadows: tuple[ShadowSplit, ...]
    duplicates_removed: int

    def to_json(self) -> dict[str, object]:
        """A JSON object: every role's ids with the SHA-256 of the list."""
        return {
            "dataset": self.dataset,
            "seed": self.seed,
            "null": self.null,
            "duplicates_removed": self.duplicates_removed,
            "roles": {name: _role(ids) for name, ids in self._roles()},
        }

    def everyone(self) -> IntArray:
        """Ids of all records that have a role, sorted."""
        return np.unique(np.concatenate([ids for _, ids in self._roles()]))

    def _roles(self) -> Iterator[tuple[str, IntArray]]:
        for name in ("training", "members", "nonmembers", "calibration", "population"):
            yield name, getattr(self, name)
        for k, shadow in enumerate(self.shadows):
            for name in ("training", "members", "nonmembers"):
                yield f"shadow-{k}/{name}", getattr(shadow, name)


def split(
    dataset: Source,
    *,
    members: int,
    nonmembers: int,
    shadows: int,
    population: int = 0,
    calibration: int = 0,
    shadow_pool: int | None = None,
    seed: int,
    null: bool = False,
) -> Split:
    """Draw the roles, each stratified by class, from one seed.

    The records without another role, or ``shadow_pool`` of them, are the shadow pool S; each shadow gets a random half
    of S as members and the other half as non-members. The null twin has the same target pools, calibration and
    population for the same seed; it draws a training set T0 of a shadow's size from the other records before S, and
    the target and all shadows are trained on T0. So no audited record is in any training set, and an attack that
    beats chance there is an artefact.

    Args:
        dataset: the records.
        members: audited members of the target, also its training set unless ``null``.
        nonmembers: audited non-members of the target.
        shadows: number of shadow models.
        population: records outside every training set.
        calibration: records for static quantization.
        shadow_pool: size of S; None takes all remaining records. Twice ``members`` gives shadows the target's size.
        seed: seed of every draw.
        null: draw the null twin.

    Raises:
        ConfigError: a number is negative, or there are too few records.
    """
    counts = {"members": members, "nonmembers": nonmembers, "population": population, "calibration": calibration}
    rows, removed = _distinct(dataset)
    _check(counts, shadows=shadows, shadow_pool=shadow_pool, available=len(rows), null=null, name=dataset.name)
    rng = np.random.default_rng(seed)
    labels = dataset.labels
    # The order of the draws is part of the format: the null twin of a seed must draw the same pools first.
    a, rows = _draw(rows, members, labels=labels, rng=rng)
    b, rows = _draw(rows, nonmembers, labels=labels, rng=rng)
    c, rows = _draw(rows, calibration, labels=labels, rng=rng)
    z, rows = _draw(rows, population, labels=labels, rng=rng)
    training = a
    if null:
        training, rows = _draw(rows, (shadow_pool or len(rows)) // 2, labels=labels, rng=rng)
    if shadow_pool is not None:
        rows, _ = _draw(rows, shadow_pool, labels=labels, rng=rng)
    pairs = [_draw(rows, len(rows) // 2, labels=labels, rng=rng) for _ in range(shadows)]
    ids = dataset.ids

    def ids_of(chosen: IntArray) -> IntArray:
        return np.sort(ids[chosen])

    return Split(
        dataset=dataset.name,
        seed=seed,
        null=null,
        training=ids_of(training),
        members=ids_of(a),
        nonmembers=ids_of(b),
        calibration=ids_of(c),
        population=ids_of(z),
        shadows=tuple(
            ShadowSplit(ids_of(training) if null else ids_of(ins), ids_of(ins), ids_of(outs)) for ins, outs in pairs
        ),
        duplicates_removed=removed,
    )


def _check(
    counts: dict[str, int], *, shadows: int, shadow_pool: int | None, available: int, null: bool, name: str
) -> None:
    for key, count in counts.items():
        least = 1 if key in ("members", "nonmembers") else 0
        if count < least:
            raise ConfigError(f"{key}: {count} records cannot be drawn", hint=f"give {least} or more")
    if shadows < 0:
        raise ConfigError(f"shadows: {shadows} models cannot be trained", hint="give 0 or more")
    # A shadow needs a member and a non-member; the null twin, a training set as large as both together.
    needed_pool = (4 if null else 2) if shadows else (2 if null else 0)
    if shadow_pool is not None:
        if shadow_pool < 2:
            raise ConfigError(f"shadow_pool: {shadow_pool} records cannot be halved", hint="give twice the members")
        needed_pool = shadow_pool + (shadow_pool // 2 if null else 0)
    needed = sum(counts.values()) + needed_pool
    if needed > available:
        parts = " + ".join(f"{count} {key}" for key, count in counts.items())
        raise ConfigError(
            f"data set {name}: {parts} + at least {needed_pool} for training shadows is {needed} records, "
            f"there are {available} distinct ones",
            hint="use fewer records, or a larger data set",
        )


def _distinct(dataset: Source) -> tuple[IntArray, int]:
    """The first row of each content (bytes of the input, the text or the file), and the number of repeated ones.

    A copy of a member among the non-members would in effect be a member, so repeated records have no role.
    """
    first_rows: dict[bytes, int] = {}
    for row in dataset.rows(np.sort(dataset.ids)).tolist():
        first_rows.setdefault(hashlib.sha256(dataset.content(row)).digest(), row)
    rows = np.array(list(first_rows.values()), dtype=np.int64)
    return rows, len(dataset) - len(rows)


def _draw(rows: IntArray, count: int, *, labels: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Draw ``count`` rows, each class in its share (largest remainders); return them and the remaining rows."""
    if count == 0:
        return rows[:0], rows
    shuffled = rng.permutation(rows)
    classes, class_index, sizes = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    share = count * sizes / len(rows)
    quota = np.floor(share).astype(np.int64)
    # Ties among the remainders are broken at random, else low classes would always win the extra record.
    order = np.lexsort((rng.random(len(classes)), -(share - quota)))
    quota[order[: count - int(quota.sum())]] += 1
    by_class = np.argsort(class_index, kind="stable")
    rank = np.empty(len(rows), dtype=np.int64)
    rank[by_class] = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = rank < quota[class_index]
    return shuffled[chosen], shuffled[~chosen]


def _role(ids: IntArray) -> dict[str, object]:
    digest = hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()
    return {"n": len(ids), "sha256": digest, "ids": ids.tolist()}
