"""Membership attackers on many retrainings of one head: the measured leakage beside the predicted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from harness.errors import InputError
from harness.types import Estimate, FloatArray, IntArray
from studies._shared import linear

__all__ = ["ATTACKERS", "Attacked", "attack", "halves", "interval"]

# The trained attacker of :func:`attack`, and the baseline beside it.
ATTACKERS = ("trained", "threshold")

MIN_RETRAININGS = 8
# Spread of a margin over retrainings below which a record's margin does not move: no statistic, and none is needed.
LEAST_SPREAD = 1e-9


@dataclass(frozen=True, eq=False)
class Attacked:
    """What the attacker reaches on the retrainings that it was not fitted on.

    Args:
        advantage: TPR - FPR = ``2 Acc - 1`` with Acc balanced, quantizer -> value; at most ``Delta`` by definition.
        drawn: the same under resamples, ``[draws]``, paired: all quantizers see the same resamples.
        retrainings: that were scored.
    """

    advantage: Mapping[str, float]
    drawn: Mapping[str, FloatArray]
    retrainings: int

    def estimate(self, name: str, level: float) -> Estimate:
        """One quantizer's advantage with its interval."""
        return interval(self.advantage[name], self.drawn[name], self.retrainings, level)


def interval(value: float, drawn: FloatArray, retrainings: int, level: float) -> Estimate:
    """A value with the interval of its resamples."""
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    ends = min(float(low), value), max(float(high), value)
    return Estimate(value, *ends, retrainings, "pigeonhole-bootstrap", level=level)


def halves(groups: IntArray, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Random halves of each group, ``[count, n]``, True for members; so membership does not depend on the class."""
    members = np.zeros((count, len(groups)), dtype=np.bool_)
    for row in members:
        for group in np.unique(groups):
            chosen = rng.permutation(np.flatnonzero(groups == group))
            row[chosen[: len(chosen) // 2]] = True
    return members


def attack(
    weights: Mapping[str, FloatArray],
    features: FloatArray,
    targets: FloatArray | IntArray,
    members: NDArray[np.bool_],
    *,
    classes: int | None,
    draws: int,
    seed: int,
    by: str = "trained",
) -> Attacked:
    """Fit an attacker to half of the retrainings and score it on the others.

    The baseline, ``threshold``, takes a record for a member where its loss is below one cut for all records (Yeom et
    al. 2018), the best one on the fitting half. The trained one sees a model's answer to a record: loss, margin (signed
    logit or residual), loss beside the mean loss of the fitting half's models on that record, and the likelihood ratio
    of the margin given its means over models with and without the record (after LiRA, Carlini et al. 2022); and of the
    model itself how far its weights lie along the record's negative gradient. All that is known of other models comes
    from the fitting half alone, answers each time without the model that is judged. A logistic regression weighs the
    five.

    Args:
        weights: quantizer -> weights ``[R, d]``, one row a retraining.
        features: of the training pool, ``[n, d]``.
        targets: of the training pool ``[n]``.
        members: what each retraining was trained on, ``[R, n]``.
        classes: 2, or None for regression.
        draws: resamples for the intervals: retrainings and records are both drawn anew, independently (the pigeonhole
            bootstrap, Owen 2007, on the conservative side), as a record meets every retraining.
        seed: of the resamples.
        by: one of :data:`ATTACKERS`.

    Raises:
        InputError: too few retrainings.
    """
    total = len(members)
    if total < MIN_RETRAININGS:
        raise InputError(f"retrainings={total}: at least {MIN_RETRAININGS} are needed, half to fit, half to score")
    fitted = total // 2
    rng = np.random.default_rng(seed)
    models = _counts(total - fitted, draws, rng)
    records = _counts(len(features), draws, rng)
    scored = members[fitted:]
    advantage, drawn = {}, {}
    for name, w in weights.items():
        guess = _guesses if by == "trained" else _below_a_cut
        guessed = guess(w, features, targets, members, fitted, classes=classes)
        once = np.ones((1, len(scored))), np.ones((1, len(features)))
        advantage[name] = float(_advantage(guessed, scored, *once)[0])
        drawn[name] = _advantage(guessed, scored, models, records)
    return Attacked(advantage, drawn, total - fitted)


def _below_a_cut(
    weights: FloatArray,
    features: FloatArray,
    targets: FloatArray | IntArray,
    members: NDArray[np.bool_],
    fitted: int,
    *,
    classes: int | None,
) -> NDArray[np.bool_]:
    """Whether each record's loss is at most the fitting half's best cut, ``[R - fitted, n]``."""
    loss = linear.losses(linear.predict(weights[:, None, :], features), targets, classes=classes)
    order = np.argsort(loss[:fitted], axis=None, kind="stable")
    inside = members[:fitted].reshape(-1)[order]
    gained = np.cumsum(inside) / max(int(inside.sum()), 1) - np.cumsum(~inside) / max(int((~inside).sum()), 1)
    cut = loss[:fitted].reshape(-1)[order[int(np.argmax(gained))]]
    return np.asarray(loss[fitted:] <= cut)


def _guesses(
    weights: FloatArray,
    features: FloatArray,
    targets: FloatArray | IntArray,
    members: NDArray[np.bool_],
    fitted: int,
    *,
    classes: int | None,
) -> NDArray[np.bool_]:
    """Whether each record is taken for a member of each scored retraining, ``[R - fitted, n]``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    outputs = linear.predict(weights[:, None, :], features)
    loss = linear.losses(outputs, targets, classes=classes)
    margin = outputs[..., 0] - targets if classes is None else np.where(targets == 1, 1.0, -1.0) * outputs[..., 0]
    others = _means(loss[:fitted], np.ones((fitted, len(features)), dtype=np.bool_), judged=loss)
    ratio = _log_ratio(margin, members, fitted)
    pull = _pull(weights, features, targets, fitted, classes=classes)
    statistics = np.stack([loss, margin, loss - others, ratio, pull], axis=-1)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(statistics[:fitted].reshape(-1, statistics.shape[-1]), members[:fitted].reshape(-1))
    guessed: NDArray[np.bool_] = model.predict(statistics[fitted:].reshape(-1, statistics.shape[-1]))
    return guessed.reshape(-1, len(features))


def _log_ratio(margin: FloatArray, members: NDArray[np.bool_], fitted: int) -> FloatArray:
    """Log likelihood ratio "trained with" to "trained without" of each margin, one spread a record, ``[R, n]``."""
    known, inside = margin[:fitted], members[:fitted]
    within = _means(known, inside, judged=margin)
    without = _means(known, ~inside, judged=margin)
    spread = np.maximum(known.std(axis=0), LEAST_SPREAD)
    ratio: FloatArray = (within - without) * (margin - 0.5 * (within + without)) / spread**2
    return ratio


def _pull(
    weights: FloatArray,
    features: FloatArray,
    targets: FloatArray | IntArray,
    fitted: int,
    *,
    classes: int | None,
) -> FloatArray:
    """How far each model's weights lie along each record's negative gradient at the mean model, ``[R, n]``.

    Weights count in units of their own variance: one whose code jumps far moves every answer, and the others' effect
    would not be seen beside it.
    """
    centre, variance = weights[:fitted].mean(axis=0), weights[:fitted].var(axis=0)
    moved = np.divide(weights - centre, variance, out=np.zeros_like(weights), where=variance > 0)
    answers = features @ centre
    slope = answers - targets if classes is None else expit(answers) - targets
    pull: FloatArray = -(moved @ features.T) * slope
    return pull


def _means(known: FloatArray, chosen: NDArray[np.bool_], *, judged: FloatArray) -> FloatArray:
    """Means over the chosen of the fitting retrainings, for each judged one without itself: ``[R, n]``."""
    count, total = chosen.sum(axis=0).astype(np.float64), np.where(chosen, known, 0.0).sum(axis=0)
    counts, totals = np.tile(count, (len(judged), 1)), np.tile(total, (len(judged), 1))
    counts[: len(known)] -= chosen
    totals[: len(known)] -= np.where(chosen, known, 0.0)
    everyone = known.mean(axis=0)  # where no other retraining has (or lacks) the record
    means: FloatArray = np.where(counts > 0, totals / np.maximum(counts, 1.0), everyone)
    return means


def _counts(size: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """How often each of ``size`` units occurs in each resample, ``[draws, size]``."""
    return np.asarray(rng.multinomial(size, np.full(size, 1.0 / size), size=draws), dtype=np.float64)


def _advantage(
    guessed: NDArray[np.bool_], members: NDArray[np.bool_], models: FloatArray, records: FloatArray
) -> FloatArray:
    """TPR - FPR of pairs weighted by ``models [draws, R]`` times ``records [draws, n]``."""

    def weighed(pairs: NDArray[np.bool_]) -> FloatArray:
        total: FloatArray = np.einsum("br,br->b", models, records @ pairs.T.astype(np.float64))
        return total

    tpr = weighed(guessed & members) / weighed(members)
    fpr = weighed(guessed & ~members) / weighed(~members)
    return np.asarray(tpr - fpr)
