"""What an attack is: fitted on shadows whose membership is known, it scores the records of a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np

from harness import stats
from harness.attacks._cache import Cache
from harness.attacks._folds import stacked_membership
from harness.errors import InputError
from harness.types import Adversary, FloatArray, IntArray, Observations

__all__ = ["DEFAULT_FOLDS", "Attack", "BaseAttack", "Need"]

# What an attack has to observe of each record, beside its true class: a confidence vector or only the answered class,
# the answers of reference models to it, the model's answers to a population outside every training set, or answers to
# noisy copies of it.
Need = Literal["confidences", "hard_labels", "references", "population", "noisy_copies"]
# Folds of the out-of-fold scores from which cuts, classifiers and stacks are learned.
DEFAULT_FOLDS = 5


@runtime_checkable
class Attack(Protocol):
    """Anything that turns observations into membership scores."""

    name: ClassVar[str]
    adversary: ClassVar[Adversary]
    variants: tuple[str, ...]
    threshold: float

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Learn from shadows: classifier, class thresholds, hyper-parameters and ``threshold``."""

    def score(self, target: Observations) -> FloatArray:
        """Score each record, float64 ``[n]``; larger means more likely a member."""


class BaseAttack(ABC):
    """What attacks share: their view, their seed, and the cut chosen on shadow records.

    A subclass of fixed formula gives ``score`` only; a learned one overrides ``fit`` and passes out-of-fold scores to
    ``_settle``.

    Args:
        variants: what it looks at; SR expects ``(original, variant)``, MR the original (if visible) first.
        original: name of the uncompressed variant.
        seed: of every random choice in it.
        n_jobs: threads of the classifiers that can use several.
        folds: folds of the out-of-fold scores on shadow records.
        cache: shares work between the attacks of one evaluation; None makes one of its own.

    Attributes:
        threshold: the decision cut, a member where ``score >= threshold``; NaN before ``fit``.
        cut_note: why the cut cannot be trusted, e.g. because no shadow has references; empty where it can.
        chosen: what was chosen on the shadows, by name: hyper-parameters, a classifier, the step that stands.
        shadow_auc: AUC on the shadow records (out of fold where learned); NaN before ``fit``.
        learned: whether scores of two differently fitted instances are on different scales.
        family: attacks of one idea, whatever they see.
        alone: the NR attack that an attack on several variants is compared with on the original; empty for NR.
        needs: what it has to observe.
        headline: whether it runs where no attack is named.
    """

    name: ClassVar[str] = ""
    adversary: ClassVar[Adversary] = "NR"
    learned: ClassVar[bool] = False
    family: ClassVar[str] = ""
    alone: ClassVar[str] = ""
    needs: ClassVar[frozenset[Need]] = frozenset({"confidences"})
    headline: ClassVar[bool] = False

    def __init__(
        self,
        variants: Sequence[str],
        *,
        original: str = "original",
        seed: int = 0,
        n_jobs: int = 1,
        folds: int = DEFAULT_FOLDS,
        cache: Cache | None = None,
    ) -> None:
        self.variants = tuple(variants)
        self.original = original
        self.seed = seed
        self.n_jobs = n_jobs
        self.folds = folds
        self.cache = Cache() if cache is None else cache
        self.threshold = float("nan")
        self.shadow_auc = float("nan")
        self.cut_note = ""
        self.chosen: dict[str, str | float | int] = {}

    def fit(self, shadow: Sequence[Observations]) -> Self:
        """Choose the cut that maximises balanced accuracy on the shadows' records.

        Raises:
            InputError: there is no shadow, or its membership is not known.
        """
        self._require(shadow)
        self._settle(np.concatenate([self.score(s) for s in shadow]), stacked_membership(shadow))
        return self

    @abstractmethod
    def score(self, target: Observations) -> FloatArray:
        """Score each record, float64 ``[n]``; larger means more likely a member."""

    def cut_of(self, target: Observations) -> FloatArray:
        """The decision cut of each record, float64 ``[n]``; one for all unless the attack says otherwise."""
        return np.full(len(target), self.threshold)

    def _settle(self, scores: FloatArray, membership: IntArray) -> None:
        """Fix the cut, and note how well the scores do on the shadows."""
        self.threshold = stats.best_threshold(scores, membership)
        self.shadow_auc = stats.auc(stats.roc(scores, membership)).value

    def _require(self, shadow: Sequence[Observations]) -> None:
        if not shadow:
            raise InputError(f"attack {self.name!r}: no shadow to learn from")
        for one in shadow:
            for variant in self.variants:
                if variant not in one.variants:
                    raise InputError(
                        f"{one.name}: variant {variant!r} is missing", hint=f"present: {', '.join(one.variants)}"
                    )

    @property
    def _variant(self) -> str:
        """The one variant of an NR attack."""
        return self.variants[0]
