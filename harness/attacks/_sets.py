"""Joint attacks on any set of variants, in milliseconds a set: what does not depend on the set is computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.attacks._base import DEFAULT_FOLDS
from harness.attacks._cache import Cache
from harness.attacks._folds import fold_of_rows, membership_of, stacked_membership
from harness.attacks._lira_joint import shrunk_covariance
from harness.attacks._measure import CROSS_FITTED_DESIGN_EFFECT
from harness.attacks._reference_rows import OFFLINE_A
from harness.attacks._references import (
    out_mask,
    reference_logits,
    require_outside,
    require_references,
    usable_shadows,
)
from harness.attacks._rmia import DEFAULT_A, ratios
from harness.attacks._signals import signals_of
from harness.errors import EdgeleakError
from harness.types import FloatArray, IntArray, Observations

__all__ = ["SET_ATTACKS", "SetAttack", "auc_value", "fisher_weights", "set_attacks"]

# The names under which they appear in results, in the order in which they are tried.
SET_ATTACKS = ("rmia-joint", "lira-joint", "linear-joint", "confidence-joint")
# Relative ridge of the covariance of the linear attack: two variants may have identical answers.
RIDGE = 1e-3
# Rows of the shadows on which attacks are chosen: enough to tell AUCs apart that differ by .005.
CHOICE_ROWS = 12_000

Places = tuple[int, ...]
# Scores of records for one set of places among the variants.
Scorer = Callable[[Places], FloatArray]


@dataclass(frozen=True)
class SetAttack:
    """One joint attack on any set of a target's variants.

    Args:
        name: one of :data:`SET_ATTACKS`.
        scores: places of variants -> scores of the target's records, ``[n]``; larger means more likely a member.
        shadow_scores: the same for the shadows' records ``[N]``, out of fold where they were learned from them; None
            where nothing can be chosen on shadows.
        shadow_member: whether each of the shadows' records is a member, bool ``[N]``; empty without.
        design_effect: by how much cross-fitting over the audited membership widens the variance of its figures.
    """

    name: str
    scores: Scorer
    shadow_scores: Scorer | None
    shadow_member: NDArray[np.bool_]
    design_effect: float = 1.0

    def shadow_auc(self, places: Places) -> float:
        """AUC on the shadows' records; NaN where there are none."""
        if self.shadow_scores is None or not len(self.shadow_member):
            return float("nan")
        return auc_value(self.shadow_scores(places), self.shadow_member)


def set_attacks(
    target: Observations, shadows: Sequence[Observations], variants: Sequence[str], *, seed: int = 0
) -> tuple[tuple[SetAttack, ...], dict[str, str]]:
    """The joint attacks that these observations suffice for.

    * ``rmia-joint`` and ``lira-joint`` are the attacks of these names; the first chooses its offline correction
      among four, on the shadows.
    * ``linear-joint`` is Fisher's linear discriminant of the logit-scaled confidences of the set and, where there are
      references, of the references' means. Its moments are computed once, so that a set costs one small system.
    * ``confidence-joint`` is the mean logit-scaled confidence of the set, which learns nothing.

    With shadows they learn from these alone; without any they are cross-fitted over the target's records.

    Fisher, The use of multiple measurements in taxonomic problems, 1936; for the others see their own files.

    Args:
        target: the audited model's answers, with membership.
        shadows: the shadow models' answers, with membership.
        variants: what a set is made of; a place is an index into these.
        seed: of the folds.

    Returns:
        The attacks, and the name of each that cannot run with the reason.

    Raises:
        InputError: a variant or a membership is missing.
    """
    data = _Data(target, tuple(shadows), tuple(variants), seed, Cache())
    makers: dict[str, Callable[[_Data], SetAttack]] = {
        "rmia-joint": _rmia,
        "lira-joint": _lira,
        "linear-joint": _linear,
        "confidence-joint": _confidence,
    }
    attacks, skipped = [], {}
    for name in SET_ATTACKS:
        try:
            attacks.append(makers[name](data))
        except EdgeleakError as error:
            if name == "confidence-joint":
                raise  # it needs nothing but answers
            skipped[name] = str(error)
    return tuple(attacks), skipped


@dataclass(frozen=True)
class _Data:
    target: Observations
    shadows: tuple[Observations, ...]
    variants: tuple[str, ...]
    seed: int
    cache: Cache

    def logits(self, one: Observations) -> FloatArray:
        """Logit-scaled confidences, ``[n, V]``."""
        return np.column_stack([signals_of(one, variant, self.cache).logit for variant in self.variants])

    def expected(self, one: Observations) -> FloatArray:
        """Mean logit-scaled confidence of the references that were not trained on the record, ``[n, V]``."""
        require_references(one, self.variants)
        require_outside(one)
        out = out_mask(one)
        count = out.sum(axis=0)
        columns = [(reference_logits(one, v, self.cache) * out).sum(axis=0) / count for v in self.variants]
        return np.column_stack(columns)

    def usable(self, *, with_population: bool = False) -> list[Observations]:
        """The shadows with references of their own."""
        return usable_shadows(self.shadows, self.variants, with_population=with_population)


def _members(shadows: Sequence[Observations], rows: slice = slice(None)) -> NDArray[np.bool_]:
    """Whether each of the shadows' records is a member."""
    return np.concatenate([np.zeros(0, dtype=np.bool_), *(membership_of(one)[rows] == 1 for one in shadows)])


def _every(shadows: Sequence[Observations]) -> slice:
    """Evenly spaced rows of each shadow, so that there are not many more than are needed to choose by."""
    return slice(None, None, max(1, sum(map(len, shadows)) // CHOICE_ROWS))


def _stacked(parts: Sequence[FloatArray], width: int) -> FloatArray:
    return np.concatenate(parts) if parts else np.empty((0, width))


def _placed(weights: FloatArray | float, places: Sequence[int], width: int) -> FloatArray:
    """Weights at some places of ``width``, zeros elsewhere: a product then copies no columns."""
    whole = np.zeros(width)
    whole[list(places)] = weights
    return whole


def _mean_of(columns: FloatArray) -> Scorer:
    return lambda places: np.asarray(columns @ _placed(1.0 / len(places), places, columns.shape[1]))


def _confidence(data: _Data) -> SetAttack:
    own, rows = data.logits(data.target), _every(data.shadows)
    others = _stacked([data.logits(one)[rows] for one in data.shadows], own.shape[1])
    return SetAttack("confidence-joint", _mean_of(own), _mean_of(others), _members(data.shadows, rows))


def _rmia(data: _Data) -> SetAttack:
    # The share of the population that a ratio exceeds rises with the ratio, so the ratio ranks the records as it does.
    usable = data.usable()
    corrections, rows = OFFLINE_A if usable else (DEFAULT_A,), _every(usable)
    own = {a: _mean_of(_log_ratios(data, data.target, a)) for a in corrections}
    if not usable:
        return SetAttack("rmia-joint", own[DEFAULT_A], None, _members(()))
    others = {a: _mean_of(np.concatenate([_log_ratios(data, one, a)[rows] for one in usable])) for a in corrections}
    member = _members(usable, rows)

    @cache
    def best(places: Places) -> float:
        """The correction with the largest AUC on the shadows."""
        return max(corrections, key=lambda a: auc_value(others[a](places), member))

    return SetAttack(
        "rmia-joint",
        lambda places: own[best(places)](places),
        lambda places: others[best(places)](places),
        member,
    )


def _log_ratios(data: _Data, one: Observations, a: float) -> FloatArray:
    """RMIA's log likelihood ratios, ``[n, V]``."""
    require_references(one, data.variants)
    out, columns = require_outside(one), []
    for variant in data.variants:
        own = np.exp(signals_of(one, variant, data.cache).log_p)
        references = np.exp(np.stack([signals_of(r, variant, data.cache).log_p for r in one.references]))
        columns.append(np.log(ratios(own, references, out, a=a)))
    return np.column_stack(columns)


def _lira(data: _Data) -> SetAttack:
    usable = data.usable()
    own, rows = _Residuals.of(data.target, data), _every(usable)
    others = [_Residuals.of(one, data).at(rows) for one in usable]
    if data.shadows:
        logits = np.concatenate([data.logits(one) for one in data.shadows])
        member = _members(data.shadows)
        shift = logits[member].mean(axis=0) - logits[~member].mean(axis=0)

        def of_shadows(places: Places) -> FloatArray:
            return np.concatenate([part.filtered(places, shift) for part in others])

        return SetAttack(
            "lira-joint",
            lambda places: own.filtered(places, shift),
            of_shadows if usable else None,
            _members(usable, rows),
        )
    logits, membership = data.logits(data.target), membership_of(data.target)
    fold = fold_of_rows([data.target], folds=DEFAULT_FOLDS, seed=data.seed)
    shifts, parts = [], []
    for k in range(DEFAULT_FOLDS):
        rest, member = logits[fold != k], membership[fold != k] == 1
        shifts.append(rest[member].mean(axis=0) - rest[~member].mean(axis=0))
        parts.append((fold == k, own.at(fold == k)))

    def cross_fitted(places: Places) -> FloatArray:
        scores = np.empty(len(logits))
        for (held, part), shift in zip(parts, shifts, strict=True):
            scores[held] = part.filtered(places, shift)
        return scores

    return SetAttack("lira-joint", cross_fitted, None, _members(()), CROSS_FITTED_DESIGN_EFFECT)


@dataclass(frozen=True)
class _Residuals:
    """Distances above the references' means ``[n, V]``, and rows that show their law where nobody is a member."""

    own: FloatArray
    outside: FloatArray | None

    @classmethod
    def of(cls, one: Observations, data: _Data) -> _Residuals:
        own = data.logits(one) - data.expected(one)
        z = one.population
        if z is not None and z.references and set(data.variants) <= set(z.variants):
            return cls(own, data.logits(z) - data.expected(z))
        out = out_mask(one)
        answers = np.stack([reference_logits(one, v, data.cache) for v in data.variants], axis=-1)
        count = out.sum(axis=0)
        mean = (answers * out[..., None]).sum(axis=0) / count[:, None]
        repeated = out & (count > 1)
        return cls(own, (answers - mean)[repeated] if repeated.any() else None)

    def at(self, rows: NDArray[np.bool_] | slice) -> _Residuals:
        """Some of the records; the law is that of all."""
        return replace(self, own=self.own[rows])

    def filtered(self, places: Places, shift: FloatArray) -> FloatArray:
        """The matched filter of the shift, in units of its own spread where nobody is a member, ``[n]``."""
        at = list(places)
        covariance = np.eye(len(at)) if self.outside is None else shrunk_covariance(self.outside[:, at])
        weights = np.linalg.solve(covariance, shift[at])
        spread = max(float(shift[at] @ weights), float(np.finfo(np.float64).tiny)) ** 0.5
        return np.asarray(self.own @ _placed(weights / spread, at, self.own.shape[1]))


def _linear(data: _Data) -> SetAttack:
    usable = data.usable() if data.target.references else []
    with_references = bool(data.target.references) and (bool(usable) or not data.shadows)
    learned_from = usable if with_references and data.shadows else list(data.shadows)
    width = 2 if with_references else 1

    def features(one: Observations) -> FloatArray:
        """``[n, width * V]``: the confidences of all variants, then the references' means."""
        return np.concatenate([data.logits(one), data.expected(one)], axis=1) if width == 2 else data.logits(one)

    own, step = features(data.target), _every(learned_from)
    populations = learned_from or [data.target]
    rows, membership = np.concatenate([features(one) for one in populations]), stacked_membership(populations)
    fold = fold_of_rows(populations, folds=DEFAULT_FOLDS, seed=data.seed)
    by_fold = [_Moments.of(rows[fold != k], membership[fold != k]) for k in range(DEFAULT_FOLDS)]
    shown = np.concatenate([np.arange(len(fold))[at][step] for at in _extents(populations)])
    held = [np.flatnonzero(fold[shown] == k) for k in range(DEFAULT_FOLDS)]
    blocks = [rows[shown[at]] for at in held]

    def columns(places: Places) -> list[int]:
        return [place + part * len(data.variants) for part in range(width) for place in places]

    def out_of_fold(places: Places) -> FloatArray:
        at, scores = columns(places), np.empty(len(shown))
        for moments, block, where in zip(by_fold, blocks, held, strict=True):
            values = block @ _placed(moments.weights(at), at, block.shape[1])
            # Two discriminants are on slightly different scales; the median looks at no membership.
            scores[where] = values - float(np.median(values))
        return scores

    if not learned_from:
        return SetAttack("linear-joint", out_of_fold, None, _members(()), CROSS_FITTED_DESIGN_EFFECT)
    whole = _Moments.of(rows, membership)

    def of_target(places: Places) -> FloatArray:
        at = columns(places)
        return np.asarray(own @ _placed(whole.weights(at), at, own.shape[1]))

    return SetAttack("linear-joint", of_target, out_of_fold, np.asarray(membership[shown] == 1))


def _extents(populations: Sequence[Observations]) -> list[slice]:
    """Where each population's rows lie among those of all."""
    ends = np.cumsum([0, *map(len, populations)]).tolist()
    return [slice(first, last) for first, last in pairwise(ends)]


@dataclass(frozen=True)
class _Moments:
    """Difference of the means of members and non-members ``[k]``, and covariance within both ``[k, k]``."""

    shift: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, rows: FloatArray, membership: IntArray) -> _Moments:
        member = membership == 1
        means = [rows[side].mean(axis=0) for side in (member, ~member)]
        centred = rows - np.where(member[:, None], means[0], means[1])
        return cls(means[0] - means[1], centred.T @ centred / max(1, len(rows) - 2))

    def weights(self, at: Sequence[int]) -> FloatArray:
        return fisher_weights(self.shift[list(at)], self.covariance[np.ix_(at, at)])


def fisher_weights(shift: FloatArray, covariance: FloatArray) -> FloatArray:
    """Weights of Fisher's linear discriminant, with a small ridge, float64 ``[k]``."""
    ridge = RIDGE * float(np.trace(covariance)) / len(shift) or 1.0
    return np.asarray(np.linalg.solve(covariance + ridge * np.eye(len(shift)), shift))


def auc_value(scores: FloatArray, member: NDArray[np.bool_]) -> float:
    """The AUC alone: one sort, ties counting half."""
    order = np.argsort(scores)
    ranked, members = scores[order], member[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    n_members = int(members.sum())
    ranks = np.arange(1.0, len(ranked) + 1.0)
    if len(starts) < len(ranked):
        sizes = np.diff(np.append(starts, len(ranked)))
        ranks = np.repeat(starts + (sizes + 1) / 2.0, sizes)
    below = float(ranks[members].sum()) - n_members * (n_members + 1) / 2.0
    return below / (n_members * (len(ranked) - n_members))
