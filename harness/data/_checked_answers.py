"""Arrays of answers, checked one by one and put together; each failure names the source and the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from harness.config import AttackConfig
from harness.data.exposed_outputs import Exposure, Votes
from harness.data.groups import as_canary, as_column, check_name
from harness.data.keyed import Keyed
from harness.errors import InputError
from harness.types import SUM_TOLERANCE, Array, IntArray, Observations

__all__ = ["CheckedAnswers"]

KINDS = ("confidences", "logits")
# Fields of Observations that hold one array per variant.
TABLES = (*KINDS, "sensitivity")
# Larger logits are no model's, and their differences would overflow.
LARGEST = float(np.finfo(np.float32).max)
# How many copies shares of votes are taken to be of.
SHARED_COPIES = AttackConfig().label_copies


class CheckedAnswers:
    """Answers by key.

    Args:
        archive: the arrays.
        exposure: what the app shows of the answers.
    """

    def __init__(self, archive: Keyed, exposure: Exposure) -> None:
        self.exposure = exposure
        self.path = archive.path
        self.keys = archive.keys
        self.under = archive.under
        self._array = archive.array

    def numbers(self, prefix: str) -> list[str]:
        """The numbers that follow ``prefix`` in the keys, ascending."""
        numbers = {key.removeprefix(prefix).split("/")[0] for key in self.under(prefix)}
        for one in numbers:
            if not (one.isascii() and one.isdecimal()):
                raise InputError(f"{self.path}: key {prefix}{one}: expected a number after {prefix}, e.g. {prefix}0")
        return sorted(numbers, key=int)

    def integers(self, key: str) -> IntArray:
        """An integer array.

        Raises:
            InputError: it holds fractions, NaN, text or numbers beyond 64 bits.
        """
        values = self._array(key)
        if values.dtype.kind not in "iubf":
            raise InputError(f"{self.path}: key {key} has type {values.dtype}, expected integers")
        if values.dtype.kind == "f" and not (values == np.floor(values)).all():
            raise InputError(f"{self.path}: key {key} holds fractions or NaN, expected integers")
        # Two's complement has one more below zero than above, so 2^63 itself is out.
        if values.dtype.kind in "fu" and not (np.abs(values) < 2**63).all():
            raise InputError(f"{self.path}: key {key} holds numbers beyond 64 bits, expected integers")
        return values.astype(np.int64)

    def vector(self, key: str) -> IntArray:
        """An integer array of one dimension."""
        values = self.integers(key)
        if values.ndim != 1:
            raise InputError(f"{self.path}: key {key} has shape {list(values.shape)}, expected [n]")
        return values

    def membership_matrix(self, key: str, shape: tuple[int, int]) -> IntArray | None:
        """Which reference was trained on which record, 0 or 1 of ``shape`` ``[R, n]``, where the file says."""
        if key not in self.keys:
            return None
        values = self.integers(key)
        if values.shape != shape or not np.isin(values, (0, 1)).all():
            raise InputError(
                f"{self.path}: key {key}: expected 0 and 1, shape [{shape[0]} references, {shape[1]} records]"
            )
        return values

    def of(self, prefix: str, *, labels_key: str | None = None, **more: Any) -> Observations:
        """The answers under ``prefix``."""
        labels = self.vector(labels_key or f"{prefix}/labels")
        extra: dict[str, Any] = {}
        for table in TABLES:
            start = f"{prefix}/{table}/"
            extra[table] = {key.removeprefix(start): self._floats(key) for key in self.under(start)}
        if not any(extra[kind] for kind in KINDS):
            raise InputError(f"{self.path}: key {prefix}/confidences/<variant> is missing: there is no variant")
        for variant in extra["sensitivity"]:
            if not any(variant in extra[kind] for kind in KINDS):
                raise InputError(
                    f"{self.path}: key {prefix}/sensitivity/{variant}: there are no answers of this variant"
                )
        if f"{prefix}/membership" in self.keys:
            extra["membership"] = self.vector(f"{prefix}/membership")
        if f"{prefix}/ids" in self.keys:
            extra["ids"] = self._distinct(f"{prefix}/ids")
        with self._named():
            whole = Observations(labels=labels, name=prefix, **extra, **more)
        return self.exposure.restrict(whole, self._votes(whole))

    def _votes(self, whole: Observations) -> dict[str, Votes]:
        """The votes that stand beside some answers.

        Raises:
            InputError: they cannot be used, or are missing where the target has them.
        """
        start, target = f"{whole.name}/votes/", "target/votes/"
        votes = {key.removeprefix(start): self._counts(key, whole) for key in self.under(start)}
        for variant in (key.removeprefix(target) for key in self.under(target)):
            if variant in whole.variants and variant not in votes:
                raise InputError(
                    f"{self.path}: key {start}{variant} is missing; the target has votes of this variant",
                    hint="every model has to be asked about the same disturbed copies",
                )
        return votes

    def copies(self, key: str) -> int | None:
        """How many copies votes are of; None where they are shares."""
        votes = self._floats(key).astype(np.float64)
        if votes.ndim != 2 or not np.isfinite(votes).all() or (votes != np.floor(votes)).any():
            return None  # damaged ones are refused where they are read
        return int(votes.sum(axis=1).max(initial=0))

    def _counts(self, key: str, whole: Observations) -> Votes:
        """Votes as numbers of copies, ``[n, C]``; shares are taken to be of the number that an audit asks about."""
        if key.rpartition("/")[2] not in whole.variants:
            raise InputError(f"{self.path}: key {key}: there are no answers of this variant")
        counts, shape = self._floats(key).astype(np.float64), (len(whole), whole.n_classes)
        if counts.shape != shape:
            raise InputError(f"{self.path}: key {key} has shape {list(counts.shape)}, expected {list(shape)}")
        if not np.isfinite(counts).all() or (counts < 0).any():
            raise InputError(f"{self.path}: key {key} holds NaN, infinity or a negative number")
        sums, whole_numbers = counts.sum(axis=1), bool((counts == np.floor(counts)).all())
        bad = np.flatnonzero(sums == 0 if whole_numbers else np.abs(sums - 1.0) > SUM_TOLERANCE)
        if len(bad):
            raise InputError(
                f"{self.path}: key {key}: row {bad[0]} sums to {sums[bad[0]]:.4g}",
                hint="give whole numbers of votes, at least one a record, or shares that sum to one",
            )
        if whole_numbers:
            return Votes(counts, sums[:, np.newaxis])
        return Votes(counts * SHARED_COPIES, SHARED_COPIES)

    def marks(self, prefix: str) -> dict[str, Any]:
        """What a person says of the records under ``prefix``: their groups, and which are canaries."""
        start, groups = f"{prefix}/groups/", {}
        for key in self.under(start):
            check_name(name := key.removeprefix(start), where=f"{self.path}: key {key}")
            groups[name] = as_column(self._array(key), where=f"{self.path}: key {key}")
        key = f"{prefix}/canary"
        canary = as_canary(self._array(key), where=f"{self.path}: key {key}") if key in self.keys else None
        return {"groups": groups, "canary": canary}

    def _distinct(self, key: str) -> IntArray:
        """A vector in which no number occurs twice."""
        values = self.vector(key)
        ids, count = np.unique(values, return_counts=True)
        if (count > 1).any():
            at = int(count.argmax())
            raise InputError(
                f"{self.path}: key {key}: {ids[at]} occurs {count[at]} times",
                hint="give each record an id of its own",
            )
        return values

    def _floats(self, key: str) -> Array:
        values = self._array(key)
        if values.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: key {key} has type {values.dtype}, expected numbers")
        if values.dtype.itemsize > 4 and (np.isfinite(values) & (np.abs(values) > LARGEST)).any():
            raise InputError(f"{self.path}: key {key} holds numbers beyond {LARGEST:.2g}")
        return values if values.dtype.kind == "f" else values.astype(np.float32)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the file's name before the key that an error names."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.path}: key {error.message}", hint=error.hint) from error
