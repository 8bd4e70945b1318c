"""The records on which attacks with references are fitted and scored, and what is known of each variant's answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.attacks._base import BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._expectation import Expectation, expectation, within_variance
from harness.attacks._folds import folds_of, membership_of, stacked_membership
from harness.attacks._references import (
    out_mask,
    population_of,
    reference_logits,
    require_both_sides,
    require_outside,
    require_references,
)
from harness.attacks._rmia import ratios
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import FloatArray, IntArray, Observations

__all__ = ["OFFLINE_A", "ReferenceRows", "VariantRows", "shadow_rows", "target_rows"]

T = TypeVar("T")

# RMIA's offline corrections, one of which is chosen.
OFFLINE_A = (0.0, 0.3, 0.6, 1.0)
# The fold of a record that no shadow holds.
NO_FOLD = -1


@dataclass(frozen=True)
class VariantRows:
    """One variant's answers to the rows, and what its references say of them; float64 ``[n]`` each.

    Args:
        x: logit-scaled confidence of the true class.
        expected: the answer expected of a model that was not trained on the record.
        z: standardised distance of ``x`` above it.
        log_ratios: RMIA's log ratio for each of ``OFFLINE_A``, ``[4, n]``.
        online: log ratio of the references trained on the record against the others; None where it is not used.
    """

    x: FloatArray
    expected: FloatArray
    z: FloatArray
    log_ratios: FloatArray
    online: FloatArray | None

    def take(self, rows: IntArray) -> VariantRows:
        """The same for some of the rows."""
        online = None if self.online is None else self.online[rows]
        return VariantRows(self.x[rows], self.expected[rows], self.z[rows], self.log_ratios[:, rows], online)


@dataclass(frozen=True, eq=False)
class ReferenceRows:
    """Rows of one or several populations.

    Args:
        populations: the shadows, or the target alone.
        rows: which of the stacked populations' rows are used, in which order.
        fold: the fold of each row; ``NO_FOLD`` where no shadow holds the record.
        online: whether references trained on the records are used.
        cache: shares the variants' rows between attacks.
        shadows: the rows from which a variance is taken where there is no population; None for the shadows' own.
    """

    populations: tuple[Observations, ...]
    rows: IntArray
    fold: IntArray
    online: bool
    cache: Cache
    shadows: ReferenceRows | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def membership(self) -> IntArray:
        """The rows' membership; asked for of shadows only."""
        return stacked_membership(self.populations)[self.rows]

    def records(self) -> IntArray:
        """A number for each row's record, the same for all rows of one record."""
        return _record_keys(self.populations)[self.rows]

    def variant(self, variant: str) -> VariantRows:
        """The rows of one variant, computed once per evaluation."""
        return self.shared(("rows", variant), lambda: self._variant(variant))

    def pair(self, first: str, second: str) -> tuple[FloatArray, FloatArray]:
        """How far the second variant's answer lies above the first's, and the difference that is expected."""

        def compute() -> tuple[FloatArray, FloatArray]:
            difference, expected = [], []
            for one in self.populations:
                own = self._answers(one, second) - self._answers(one, first)
                variance = self._variance(one, (second, first))
                difference.append(own[0])
                expected.append(expectation(own[1:], _sides(one)[0], variance).mean)
            return np.concatenate(difference)[self.rows], np.concatenate(expected)[self.rows]

        return self.shared(("pair", first, second), compute)

    def shared(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        """Computed once per evaluation for these rows; a population's rows differ where it is a shadow's."""
        return self.cache.get(("reference rows", self.shadows is None, self.online, *key), self.populations, compute)

    def _variant(self, variant: str) -> VariantRows:
        parts = [self._of(one, variant) for one in self.populations]
        online = [p.online for p in parts if p.online is not None]
        stacked = VariantRows(
            np.concatenate([p.x for p in parts]),
            np.concatenate([p.expected for p in parts]),
            np.concatenate([p.z for p in parts]),
            np.concatenate([p.log_ratios for p in parts], axis=1),
            np.concatenate(online) if self.online else None,
        )
        return stacked.take(self.rows)

    def _of(self, one: Observations, variant: str) -> VariantRows:
        answers, (out, inside) = self._answers(one, variant), _sides(one)
        outside = expectation(answers[1:], out, self._variance(one, (variant,)))
        p, *references = (np.exp(signals_of(o, variant, self.cache).log_p) for o in (one, *one.references))
        log_ratios = [np.log(ratios(p, np.stack(references), out, a=a)) for a in OFFLINE_A]
        online = _online(answers, inside, outside) if self.online else None
        z = (answers[0] - outside.mean) / outside.spread
        return VariantRows(answers[0], outside.mean, z, np.stack(log_ratios), online)

    def _answers(self, one: Observations, variant: str) -> FloatArray:
        """Logit-scaled confidences of the model and of its references, float64 ``[1 + R, n]``."""
        require_references(one, (variant,))
        own = signals_of(one, variant, self.cache).logit
        return np.concatenate([own[None], reference_logits(one, variant, self.cache)])

    def _variance(self, one: Observations, variants: tuple[str, ...]) -> float:
        """Variance of the models' answers to one record (two variants: of their difference), on the population.

        Without a population it is taken from the shadows' records: no membership of the target enters.
        """
        if one.population is not None:
            z = population_of(one, variants)
            return within_variance(self._signal(z, variants), np.ones((1 + len(z.references), len(z)), dtype=np.bool_))
        return (self.shadows or self).shadow_variance(variants)

    def shadow_variance(self, variants: tuple[str, ...]) -> float:
        """The same from these rows' own records: of the references, and of the shadow where it was not trained."""

        def compute() -> float:
            answers = [self._signal(one, variants) for one in self.populations]
            used = [np.concatenate([membership_of(one)[None] == 0, out_mask(one)]) for one in self.populations]
            variances = [within_variance(a, u) for a, u in zip(answers, used, strict=True)]
            return float(np.nanmean(variances)) if not np.isnan(variances).all() else 1.0

        return self.shared(("variance", variants), compute)

    def _signal(self, one: Observations, variants: tuple[str, ...]) -> FloatArray:
        first, *second = (self._answers(one, v) for v in variants)
        return first - second[0] if second else first


def _sides(one: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which references count as not trained on a record, and which as trained on it, bool ``[R, n]``."""
    out = out_mask(one)
    complete = bool((out.any(axis=0) & ~out.all(axis=0)).all())
    return require_both_sides(one) if complete else (out, ~out)


def _online(answers: FloatArray, inside: NDArray[np.bool_], outside: Expectation) -> FloatArray:
    """Log ratio of the references that were trained on a record against those that were not, float64 ``[n]``.

    The mean of those trained on it is shrunk towards a line in the expected answer, because they are few.
    """
    references = answers[1:]
    trained = inside.any(axis=0)
    if not trained.any():
        return np.zeros(answers.shape[1])
    mean = (references * inside).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
    line = np.polynomial.Polynomial.fit(outside.mean[trained], mean[trained], 1)(outside.mean)
    variance = within_variance(references, inside)
    if np.isnan(variance):
        variance = float(np.mean((mean - line)[trained] ** 2))
    member = expectation(references - line, inside, variance)
    far_out = (answers[0] - outside.mean) / outside.spread
    far_in = (answers[0] - line - member.mean) / member.spread
    return np.asarray(0.5 * (far_out**2 - far_in**2) + np.log(outside.spread) - np.log(member.spread))


def shadow_rows(attack: BaseAttack, shadows: Sequence[Observations]) -> ReferenceRows:
    """The shadows' records that at least one reference was not trained on, in an order of their own.

    Rows are ordered by record, not as they come, so that the order of the records changes no fit.

    Raises:
        InputError: no shadow has references of its own.
    """
    usable = tuple(one for one in shadows if one.references)
    if not usable:
        raise InputError(
            f"{shadows[0].name}/references: attack {attack.name!r} needs shadow models with references of their own",
            hint="needs at least two shadow models on independent halves of one pool: each is the others' reference",
        )
    target = attack.cache.target
    online = target is not None and all(one.reference_membership is not None for one in (target, *usable))

    def select() -> IntArray:
        outside = np.concatenate([out_mask(one).any(axis=0) for one in usable])
        rows = np.flatnonzero(outside)
        return rows[np.argsort(_record_keys(usable)[rows], kind="stable")]

    rows = attack.cache.get("rows with references", usable, select)
    fold = folds_of(usable, folds=attack.folds, seed=attack.seed, cache=attack.cache)
    return ReferenceRows(usable, rows, fold[rows], online, attack.cache)


def target_rows(target: Observations, shadows: ReferenceRows) -> ReferenceRows:
    """All records of the target; where a shadow holds the same record, with its fold.

    Raises:
        InputError: there are no references, or a record was in every reference's training set.
    """
    require_references(target, ())
    require_outside(target)
    fold = np.full(len(target), NO_FOLD)
    if target.ids is not None and all(one.ids is not None for one in shadows.populations):
        known, first = np.unique(shadows.records(), return_index=True)
        place = np.minimum(np.searchsorted(known, target.ids), len(known) - 1)
        fold = np.where(known[place] == target.ids, shadows.fold[first[place]], NO_FOLD)
    return ReferenceRows((target,), np.arange(len(target)), fold, shadows.online, shadows.cache, shadows)


def _record_keys(populations: Sequence[Observations]) -> IntArray:
    """Ids where every population has them, else positions: as the folds are drawn."""
    ids = [one.ids for one in populations if one.ids is not None]
    keys = ids if len(ids) == len(populations) else [np.arange(len(one)) for one in populations]
    return np.concatenate(keys).astype(np.int64)
