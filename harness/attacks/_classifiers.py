"""Learned classifiers: fitted on the shadows, with out-of-fold scores of the shadows and scores of the target."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from harness import stats
from harness.attacks._base import BaseAttack
from harness.attacks._folds import folds_of, stacked_membership
from harness.errors import UnresolvedError
from harness.types import FloatArray, IntArray, Observations

__all__ = ["Features", "LearnedFit", "Trainer", "learn", "make_classifier", "sklearn_trainer"]

Features = NDArray[np.floating]
Scorer = Callable[[Features], FloatArray]

# The reference settings of the paper's code (compleak: random forest 500 trees, leaves of 30; tree of 10 leaves).
FOREST_TREES = 500
FOREST_LEAF = 30
TREE_LEAVES = 10
LOGISTIC_ITERATIONS = 400
MLP_RATE = 0.01
# Out-of-fold forests only choose a cut and feed a stack; fewer trees rank the records nearly as well as 500.
FOLD_FOREST_TREES = 60
# Largest number of rows of a tree, drawn for each tree; with all rows a forest's time would grow faster than the
# records. On 16,000 shadow rows (SR2, CIFAR-10) trees of 6,000, 10,000 and all rows reach AUC .605, .605 and .606.
FOREST_ROWS = 8_192
# Rows that a forest scores at a time.
SCORE_ROWS = 8_192
# With few rows leaves are smaller, a quarter of them: trees that cannot split give all records one score. At 25 + 25
# records a fold has 20 rows.
LEAF_SHARE = 4
SMALLEST_LEAF = 5
# Small, slow-learning trees: the features are few, nearly monotone and noisy. On 1,400 synthetic rows with the true
# AUC at .642 these reach .633, trees of 8 leaves at rate .08 only .618; on 20,000 rows both reach it.
BOOSTING_ROUNDS = 60
BOOSTING_RATE = 0.05
BOOSTING_LEAVES = 4
BOOSTING_LEAF = 50
BOOSTING_L2 = 1.0
# Added to log-odds and probabilities to order equal ones: far less than a split of the trees moves them.
TIE_STEP = 1e-6
# Logit-scaled confidences of this size are half way to the largest addition.
TIE_SCALE = 10.0
# Fewer records than this can have one score by chance, e.g. those of one fold in a tree of few leaves.
FEW_SCORES = 30
# Rows from which the leaves have their usual size in every fold.
ENOUGH_ROWS = 2 * BOOSTING_LEAF * LEAF_SHARE
# Folds are merged into this many: such trees rank as well from half of the rows as from four fifths, and choosing a cut
# then costs as much as one more fit instead of four.
BOOSTING_FOLDS = 2


class _Classifier(Protocol):
    def fit(self, x: Features, y: IntArray) -> object: ...

    def predict_proba(self, x: Features) -> FloatArray: ...


def make_classifier(
    kind: str, *, seed: int, n_jobs: int, for_folds: bool = False, rows: int | None = None
) -> _Classifier:
    """An unfitted classifier: ``lr``, ``dt``, ``rf``, ``mlp`` or ``gbt``.

    Scaling is part of the fitted pipeline, so that it is learned on shadow rows and only applied to target rows.

    Args:
        kind: one of the above.
        seed: of the classifier's random choices.
        n_jobs: threads of a forest.
        for_folds: a smaller forest, for out-of-fold scores.
        rows: how many it will be fitted on; trees of few rows have smaller leaves.
    """
    if kind == "lr":
        return cast(_Classifier, make_pipeline(StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS)))
    if kind == "dt":
        return cast(_Classifier, DecisionTreeClassifier(max_leaf_nodes=TREE_LEAVES, random_state=seed))
    if kind == "rf":
        trees = FOLD_FOREST_TREES if for_folds else FOREST_TREES
        leaf = _leaf(FOREST_LEAF, rows)
        forest = RandomForestClassifier(trees, min_samples_leaf=leaf, random_state=seed, n_jobs=n_jobs)
        return cast(_Classifier, forest)
    if kind == "mlp":
        return cast(_Classifier, MLPClassifier(early_stopping=True, learning_rate_init=MLP_RATE, random_state=seed))
    if kind == "gbt":
        boosting = HistGradientBoostingClassifier(
            max_iter=BOOSTING_ROUNDS,
            learning_rate=BOOSTING_RATE,
            max_leaf_nodes=BOOSTING_LEAVES,
            min_samples_leaf=_leaf(BOOSTING_LEAF, rows),
            l2_regularization=BOOSTING_L2,
            early_stopping=False,
            random_state=seed,
        )
        return cast(_Classifier, boosting)
    raise ValueError(f"unknown classifier {kind!r}; one of lr, dt, rf, mlp, gbt")


def _leaf(usual: int, rows: int | None) -> int:
    """Rows of the smallest leaf."""
    return usual if rows is None else max(SMALLEST_LEAF, min(usual, rows // LEAF_SHARE))


class Trainer(Protocol):
    """Fits on features and membership: out-of-fold scores of these rows ``[N]``, and the scorer fitted on all."""

    def __call__(self, x: Features, y: IntArray, fold: IntArray) -> tuple[FloatArray, Scorer]: ...


def sklearn_trainer(kind: str, *, seed: int, n_jobs: int) -> Trainer:
    """A trainer of one of the classifiers of ``make_classifier``."""

    def fitted(x: Features, y: IntArray, *, for_folds: bool) -> Scorer:
        model = make_classifier(kind, seed=seed, n_jobs=n_jobs, for_folds=for_folds, rows=len(x))
        if kind == "rf" and len(x) > FOREST_ROWS:
            cast(RandomForestClassifier, model).set_params(max_samples=FOREST_ROWS)
        with warnings.catch_warnings():
            # The reference setting reaches the iteration limit, so its warning is expected.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y)
        if kind == "rf":
            return _by_rows(cast(RandomForestClassifier, model), n_jobs)
        # Log-odds where the classifier has them: probabilities near 0 and 1 round to ties.
        decide = getattr(model, "decision_function", None)
        if decide is not None:
            return lambda rows: np.asarray(decide(rows), dtype=np.float64)
        return lambda rows: np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)

    def train(x: Features, y: IntArray, fold: IntArray) -> tuple[FloatArray, Scorer]:
        out_of_fold = np.empty(len(y))
        if kind == "gbt":
            fold = fold % BOOSTING_FOLDS
        for k in np.unique(fold):
            held_out = fold == k
            out_of_fold[held_out] = fitted(x[~held_out], y[~held_out], for_folds=True)(x[held_out])
        return out_of_fold, fitted(x, y, for_folds=False)

    return train


def _by_rows(forest: RandomForestClassifier, n_jobs: int) -> Scorer:
    """A scorer whose threads divide the rows, so that each row's votes are added in the trees' order.

    The forest's own threads divide the trees and add a row's votes in the order in which they finish, which changes
    the last bits of its score.
    """
    forest.set_params(n_jobs=1)

    def score(rows: Features) -> FloatArray:
        parts = np.array_split(rows, max(1, -(-len(rows) // SCORE_ROWS)))
        with ThreadPoolExecutor(n_jobs) as threads:
            votes = list(threads.map(lambda part: forest.predict_proba(part)[:, 1], parts))
        return np.concatenate(votes).astype(np.float64)

    return score


@dataclass
class LearnedFit:
    """The scores of a classifier that was fitted on shadows.

    Args:
        out_of_fold: scores of the shadows' rows by models that were not fitted on their records, float64 ``[N]``.
        threshold: the cut chosen on ``out_of_fold``.
        shadow_auc: AUC of ``out_of_fold``.
    """

    out_of_fold: FloatArray
    threshold: float
    shadow_auc: float
    _scorer: Callable[[], Scorer]
    _features: Callable[[Observations], Features]
    _ties: Callable[[Observations], FloatArray] | None
    _target_scores: tuple[Observations, FloatArray] | None

    def scores_on(self, target: Observations) -> FloatArray:
        """The final model's scores of ``target``, float64 ``[n]``."""
        if self._target_scores is not None and self._target_scores[0] is target:
            return self._target_scores[1]
        return _checked(self._scorer()(self._features(target)), len(self.out_of_fold)) + _tie_order(
            self._ties, [target]
        )


def learn(
    attack: BaseAttack,
    shadows: Sequence[Observations],
    *,
    key: tuple[object, ...],
    features: Callable[[Observations], Features],
    trainer: Trainer,
    stacked: Callable[[], Features] | None = None,
    ties: Callable[[Observations], FloatArray] | None = None,
) -> LearnedFit:
    """Fit once per evaluation: out-of-fold scores on the shadows, then one model on all of their rows.

    Where the evaluation's target is known, the model scores it right after the fit and is dropped; another target then
    needs a second fit.

    Args:
        attack: the attack, for its folds, seed and cache.
        shadows: populations with known membership.
        key: identifies this classifier and its features in the evaluation's cache.
        features: observations -> ``[n, d]``.
        trainer: the classifier.
        stacked: the shadows' features ``[N, d]`` where they differ from ``features``, e.g. out-of-fold scores.
        ties: observations -> ``[n]``, in whose order records with equal scores are put.

    Raises:
        InputError: too few records for the folds.
        UnresolvedError: all scores are equal, on the shadows or on the target.
    """

    def fit() -> tuple[FloatArray, Scorer]:
        x = stacked() if stacked is not None else np.concatenate([features(s) for s in shadows])
        fold = folds_of(shadows, folds=attack.folds, seed=attack.seed, cache=attack.cache)
        return trainer(x, stacked_membership(shadows), fold)

    def compute() -> LearnedFit:
        out_of_fold, scorer = fit()
        n = len(out_of_fold)
        fold = folds_of(shadows, folds=attack.folds, seed=attack.seed, cache=attack.cache)
        if all(np.ptp(out_of_fold[fold == k]) == 0.0 for k in np.unique(fold)):
            raise _nothing_learned(n)
        out_of_fold += _tie_order(ties, shadows)
        curve = stats.roc(out_of_fold, stacked_membership(shadows))
        target = attack.cache.target
        return LearnedFit(
            out_of_fold=out_of_fold,
            threshold=stats.best_threshold(curve),
            shadow_auc=stats.auc(curve).value,
            _scorer=(lambda: scorer) if target is None else (lambda: fit()[1]),
            _features=features,
            _ties=ties,
            _target_scores=None
            if target is None
            else (target, _checked(scorer(features(target)), n) + _tie_order(ties, [target])),
        )

    return attack.cache.get(("learned", attack.folds, attack.seed, *key), shadows, compute)


def _tie_order(ties: Callable[[Observations], FloatArray] | None, rows: Sequence[Observations]) -> FloatArray | float:
    """What is added to scores so that equal ones are ordered, within ``TIE_STEP`` of 0, ``[N]``."""
    if ties is None:
        return 0.0
    order = np.concatenate([ties(one) for one in rows])
    return np.asarray(TIE_STEP * order / (TIE_SCALE + np.abs(order)))


def _checked(scores: FloatArray, trained_on: int) -> FloatArray:
    """The target's scores, once it is sure that they are not all equal; a few records may be so by chance."""
    if len(scores) >= FEW_SCORES and np.ptp(scores) == 0.0:
        raise _nothing_learned(trained_on)
    return scores


def _nothing_learned(n: int) -> UnresolvedError:
    needed = f"about {ENOUGH_ROWS} records and answers that differ" if n < ENOUGH_ROWS else "answers that differ"
    return UnresolvedError(f"learned nothing from {n} records: all scores are equal", hint=f"needs {needed}")
