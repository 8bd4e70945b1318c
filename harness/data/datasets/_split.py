"""Who is a member of what: disjoint roles of the records, drawn from one seed."""

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
        training: what the shadow is trained on; equals ``members`` except in the null twin.
        members: the pool that attacks are told are members.
        nonmembers: the pool that attacks are told are not.
    """

    training: IntArray
    members: IntArray
    nonmembers: IntArray


@dataclass(frozen=True, eq=False)
class Split:
    """The roles of a data set's records; all arrays hold sorted ids and the roles are disjoint.

    Args:
        dataset: name of the data set.
        seed: the one seed behind every draw.
        null: True where nobody was trained on any audited pool.
        training: what the target is trained on; equals ``members`` unless ``null``.
        members: the target's audited members.
        nonmembers: the target's audited non-members.
        calibration: records for static quantization; never audited, never trained on.
        population: records outside every model's training set (RMIA's Z).
        shadows: one entry per shadow model; their pools overlap one another, and nothing else.
        duplicates_removed: records whose content repeats an earlier record's byte for byte, left out of every role.
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

    What is left after the target's roles, the calibration records and the population is the shadow pool S, or
    ``shadow_pool`` records of it; each shadow gets a random half of S as members and the other half as non-members.
    The null twin keeps the target's pools, calibration and population of the same seed; it carves a training set T0,
    as large as a shadow's, out of what is left before S is, and trains the target and all the shadows on it. So no
    audited record was in anybody's training set, and an attack that beats chance there is an artefact.

    Args:
        dataset: the records.
        members: audited members of the target, also its training set unless ``null``.
        nonmembers: audited non-members of the target.
        shadows: number of shadow models.
        population: records outside every training set.
        calibration: records for static quantization.
        shadow_pool: records of S; None takes all that is left. Twice ``members`` gives shadows the target's size.
        seed: seed of every draw.
        null: draw the null twin.

    Raises:
        ConfigError: a number is negative, or there are too few records.
    """
    asked = {"members": members, "nonmembers": nonmembers, "population": population, "calibration": calibration}
    rows, removed = _distinct(dataset)
    _check(asked, shadows=shadows, shadow_pool=shadow_pool, available=len(rows), null=null, name=dataset.name)
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

    def named(chosen: IntArray) -> IntArray:
        return np.sort(ids[chosen])

    return Split(
        dataset=dataset.name,
        seed=seed,
        null=null,
        training=named(training),
        members=named(a),
        nonmembers=named(b),
        calibration=named(c),
        population=named(z),
        shadows=tuple(
            ShadowSplit(named(training) if null else named(ins), named(ins), named(outs)) for ins, outs in pairs
        ),
        duplicates_removed=removed,
    )


def _check(
    asked: dict[str, int], *, shadows: int, shadow_pool: int | None, available: int, null: bool, name: str
) -> None:
    for key, count in asked.items():
        if count < (1 if key in ("members", "nonmembers") else 0):
            raise ConfigError(f"{key}: {count} records cannot be drawn")
    if shadows < 0:
        raise ConfigError(f"shadows: {shadows} models cannot be trained")
    # A shadow needs a member and a non-member; the null twin, a training set as large as both together.
    needed_pool = (4 if null else 2) if shadows else (2 if null else 0)
    if shadow_pool is not None:
        if shadow_pool < 2:
            raise ConfigError(f"shadow_pool: {shadow_pool} records cannot be halved", hint="give twice the members")
        needed_pool = shadow_pool + (shadow_pool // 2 if null else 0)
    needed = sum(asked.values()) + needed_pool
    if needed > available:
        parts = " + ".join(f"{count} {key}" for key, count in asked.items())
        raise ConfigError(
            f"data set {name}: {parts} + at least {needed_pool} for training shadows is {needed} records, "
            f"there are {available} distinct ones",
            hint="ask for fewer",
        )


def _distinct(dataset: Source) -> tuple[IntArray, int]:
    """Rows whose content (bytes of the input, the text or the file) occurs first there, and how many repeat one.

    A copy of a member among the non-members would be a member in all but name, so it may have no role at all.
    """
    seen: dict[bytes, int] = {}
    for row in dataset.rows(np.sort(dataset.ids)).tolist():
        seen.setdefault(hashlib.sha256(dataset.content(row)).digest(), row)
    rows = np.array(list(seen.values()), dtype=np.int64)
    return rows, len(dataset) - len(rows)


def _draw(rows: IntArray, count: int, *, labels: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """``count`` of the rows, each class in its share (largest remainders), and the rows that are left."""
    if count == 0:
        return rows[:0], rows
    shuffled = rng.permutation(rows)
    classes, place, sizes = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    share = count * sizes / len(rows)
    quota = np.floor(share).astype(np.int64)
    # Ties among the remainders are broken at random, else low classes would always win the extra record.
    order = np.lexsort((rng.random(len(classes)), -(share - quota)))
    quota[order[: count - int(quota.sum())]] += 1
    by_class = np.argsort(place, kind="stable")
    rank = np.empty(len(rows), dtype=np.int64)
    rank[by_class] = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = rank < quota[place]
    return shuffled[chosen], shuffled[~chosen]


def _role(ids: IntArray) -> dict[str, object]:
    digest = hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()
    return {"n": len(ids), "sha256": digest, "ids": ids.tolist()}
