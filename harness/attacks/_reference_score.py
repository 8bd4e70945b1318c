"""The score of a set of variants: a smooth start and half as much of boosted trees, as the shadows bear it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from harness.attacks._band_ratio import JointBands, fit_joint_bands
from harness.attacks._reference_fits import FoldFits, over_folds
from harness.attacks._reference_mix import LogOdds, fit_log_odds
from harness.attacks._reference_rows import ReferenceRows
from harness.types import FloatArray

__all__ = ["SetScore"]

Scores = Callable[[ReferenceRows], FloatArray]

# Standard errors by which the log-loss has to fall for another start, or for the trees.
ERRORS = 2.0
# Boostings of a fold's fit; the target is scored by those of all folds, ten in all.
BOOSTINGS = 2
# Share of the rows that a boosting is fitted on.
BOOSTING_ROWS = 0.8
# All features are tried at each split: a copy of a variant then changes no tree, where a random half of the features
# would hold the best one more often and fit closer.
BOOSTING = {
    "max_iter": 80,
    "learning_rate": 0.08,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 80,
    "l2_regularization": 5.0,
    "early_stopping": False,
}
# Trees gain AUC and lose true positives at small false-positive rates, so they are never more than half of a score.
# The start is continuous, so that there are no ties.
TREE_SHARE = 0.5


class SetScore:
    """Log-odds of membership given the answers of some variants.

    The start is the mix of one variant, or where that lowers the log-loss the joint band of all, or the mean of both.
    Boosted trees see what all variants' answers and references say, and how far each lies from the first. A set that
    is wider than an accepted pair starts where the pair starts, and its trees count half, the pair's the other half.

    Args:
        fits: the fits on the shadows.
        variants: the variant of the start first.
        narrower: the score of the accepted pair within these variants; None where there is none.

    Attributes:
        start: which start was chosen.
        trees: whether the trees were.
        loss: the out-of-fold log-loss on the shadows.
    """

    def __init__(self, fits: FoldFits, variants: Sequence[str], narrower: SetScore | None = None) -> None:
        self.variants = tuple(variants)
        self._fits, self._narrower = fits, narrower
        starts = self._starts()
        losses = {name: fits.loss(start(fits.rows)) for name, start in starts.items()}
        first = next(iter(starts))
        better = [name for name in starts if losses[name].is_below(losses[first], errors=ERRORS)]
        self.start = min(better, key=lambda name: losses[name].mean, default=first)
        self._start = starts[self.start]
        with_trees = fits.loss(self._with_trees(fits.rows))
        self.trees = with_trees.is_below(losses[self.start], errors=ERRORS)
        self.loss = with_trees if self.trees else losses[self.start]

    def scores(self, rows: ReferenceRows) -> FloatArray:
        """Log-odds by each fold's fit, ``[folds, n]``."""
        return self._with_trees(rows) if self.trees else self._start(rows)

    def score(self, rows: ReferenceRows) -> FloatArray:
        """Log-odds by fits that did not see the record, float64 ``[n]``."""
        return over_folds(self.scores(rows), rows.fold)

    def _starts(self) -> dict[str, Scores]:
        """The starts to choose from, the one that stands unless another is better first."""
        first, *others = self.variants
        narrower = self._narrower

        def plain(rows: ReferenceRows) -> FloatArray:
            return self._fits.mix(first, rows) if narrower is None else narrower._start(rows)

        starts: dict[str, Scores] = {"mix" if narrower is None else narrower.start: plain}
        if others:
            starts["joint band" if narrower is None else "joint band of all"] = self._joint
            starts["mean"] = lambda rows: 0.5 * (plain(rows) + self._joint(rows))
        return starts

    def _joint(self, rows: ReferenceRows) -> FloatArray:
        """Log-odds of the joint band, ``[folds, n]``."""
        return self._shared("joint", rows, self._compute_joint)

    def _compute_joint(self, rows: ReferenceRows) -> FloatArray:
        x, expected = self._answers(rows)
        return np.stack([odds(joint.log_ratio(x, expected)[:, None]) for joint, odds in self._joint_fits()])

    def _joint_fits(self) -> list[tuple[JointBands, LogOdds]]:
        """Each fold's joint band, and the log-odds of its ratio."""

        def compute() -> list[tuple[JointBands, LogOdds]]:
            x, expected = self._answers(self._fits.rows)
            fitted = []
            for k, train in enumerate(self._fits.train):
                bands = tuple(self._fits.mixes(v)[k].bands for v in self.variants)
                member = self._fits.membership[train]
                joint = fit_joint_bands(bands, x[:, train], expected[:, train], member)
                ratio = joint.log_ratio(x[:, train], expected[:, train])
                fitted.append((joint, fit_log_odds(ratio[:, None], member)))
            return fitted

        return self._fits.rows.shared(self._fits.key("joint fits", self.variants), compute)

    def _answers(self, rows: ReferenceRows) -> tuple[FloatArray, FloatArray]:
        """The variants' answers and the expected ones, ``[v, n]``."""
        known = [rows.variant(v) for v in self.variants]
        return np.stack([one.x for one in known]), np.stack([one.expected for one in known])

    def _with_trees(self, rows: ReferenceRows) -> FloatArray:
        trees = self._own_trees(rows)
        if self._narrower is not None:
            trees = 0.5 * (trees + self._narrower._own_trees(rows))
        return (1.0 - TREE_SHARE) * self._start(rows) + TREE_SHARE * trees

    def _own_trees(self, rows: ReferenceRows) -> FloatArray:
        """Mean log-odds of the boostings on all of these variants, ``[folds, n]``."""
        return self._shared("trees", rows, self._compute_trees)

    def _compute_trees(self, rows: ReferenceRows) -> FloatArray:
        per_fold = zip(self._features(rows), self._boostings(), strict=True)
        return np.stack([np.mean([one.decision_function(x) for one in fold], axis=0) for x, fold in per_fold])

    def _boostings(self) -> list[list[HistGradientBoostingClassifier]]:
        """Each fold's boostings."""

        def compute() -> list[list[HistGradientBoostingClassifier]]:
            fitted = []
            for k, features in enumerate(self._features(self._fits.rows)):
                train, fold = self._fits.train[k], []
                for number in range(BOOSTINGS):
                    rng = np.random.default_rng([self._fits.seed, k, number])
                    drawn = np.sort(rng.permutation(train)[: int(BOOSTING_ROWS * len(train))])
                    model = HistGradientBoostingClassifier(random_state=number, **BOOSTING)
                    fold.append(model.fit(features[drawn], self._fits.membership[drawn]))
                fitted.append(fold)
            return fitted

        return self._fits.rows.shared(self._fits.key("boostings", self.variants), compute)

    def _features(self, rows: ReferenceRows) -> list[FloatArray]:
        """What the trees see, ``[n, d]`` for each fold."""
        first, *others = self.variants
        shared: list[FloatArray] = []
        for variant in self.variants:
            own = rows.variant(variant)
            shared += [own.z, own.x, own.expected, *([] if own.online is None else [own.online])]
        for variant in others:
            shared += rows.pair(first, variant)
        per_fold = []
        for k in range(self._fits.folds):
            ratios = [rows.variant(v).log_ratios[self._fits.mixes(v)[k].a] for v in self.variants]
            mixes = [self._fits.mix(v, rows)[k] for v in self.variants]
            per_fold.append(np.column_stack([*shared, *ratios, *mixes]))
        return per_fold

    def _shared(self, name: str, rows: ReferenceRows, compute: Callable[[ReferenceRows], FloatArray]) -> FloatArray:
        """Computed once per evaluation and population."""
        return rows.shared(self._fits.key(name, self.variants), lambda: compute(rows))
