"""What an app shows of a model's answers: the confidence vector, its k largest classes, or the top class alone.

The restriction is applied where observations are read, to the target, the shadows and the references alike. Every
attack then runs on what is left: of the top class alone, on the votes of disturbed copies of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from harness import attacks, fields
from harness.attacks._half_step import half_step
from harness.config import Answers, AttackConfig
from harness.errors import UsageError
from harness.types import Array, FloatArray, IntArray, Observations

__all__ = ["VECTOR", "Exposure", "Votes", "require_usable", "top_k", "vote_shares"]

# Half a vote, spread evenly over the classes, keeps every vote share off 0 and 1: logit-scaled attacks stay finite.
PRIOR_VOTES = 0.5


@dataclass(frozen=True, eq=False)
class Votes:
    """What disturbed copies of the records were answered.

    Args:
        counts: votes for each class, weighted or not, ``[n, C]``.
        total: all votes of a record; one number, or one a record ``[n, 1]``.
        clean: how many votes the answer to the record itself counts for.
    """

    counts: FloatArray
    total: FloatArray | float
    clean: float = 1.0


@dataclass(frozen=True)
class Exposure:
    """What an app shows.

    Args:
        answers: ``vector``, ``top-k`` or ``label``.
        top_k: how many classes are shown with their confidence where it is ``top-k``.
        copies: disturbed copies of each record that a model is asked about where it is ``label``; None where answers
            from elsewhere do not say how many.
    """

    answers: Answers = "vector"
    top_k: int = 3
    copies: int | None = 0

    @classmethod
    def of(cls, config: AttackConfig) -> Self:
        """What the configuration says that the app shows."""
        return cls(config.answers, config.top_k, config.label_copies if config.answers == "label" else 0)

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """What :meth:`to_json` wrote; where nothing is said, confidence vectors are shown."""
        known: dict[str, Answers] = {"top-k": "top-k", "label": "label"}
        answers = known.get(fields.text(node, "answers"), "vector")
        return cls(answers, fields.integer(node, "top_k") or cls.top_k, fields.integer(node, "copies"))

    def to_json(self) -> dict[str, object]:
        """A JSON object, with how many queries of each model and variant one record takes."""
        shown = {"top_k": self.top_k} if self.answers == "top-k" else {}
        queries = None if self.copies is None else self.copies + 1
        return {"answers": self.answers, **shown, "copies": self.copies, "queries": queries}

    def restrict(self, seen: Observations, votes: Mapping[str, Votes]) -> Observations:
        """One model's answers to one population as the app shows them.

        Args:
            seen: the whole answers.
            votes: variant -> what disturbed copies were answered, for ``label``; without, the top class stands alone.
        """
        if self.answers == "vector":
            return seen
        if self.answers == "top-k":
            shown = {variant: top_k(seen.confidences_of(variant), self.top_k) for variant in seen.variants}
            return replace(seen, confidences=shown, logits={}, sensitivity={})
        shares = {v: vote_shares(_tops(seen, v), seen.n_classes, votes.get(v)) for v in seen.variants}
        return replace(seen, confidences=shares, logits={}, sensitivity={})


# What is seen by whoever holds the file, and what accuracy is measured on.
VECTOR = Exposure()


def top_k(confidences: FloatArray, k: int) -> FloatArray:
    """The confidences of the k largest classes; what is left is spread evenly over the others, float64 ``[n, C]``.

    That is the distribution of largest entropy among those with these k confidences. It keeps the order of the classes:
    the mean of the others is no larger than the k-th. Of equal confidences, those of the first classes are shown.
    Where a softmax was rounded to steps, the hidden classes have at least half a step together, as in the vector.

    Args:
        confidences: ``[n, C]``, rows sum to one.
        k: classes that are shown; with ``k >= C - 1`` nothing is hidden.
    """
    n_classes = confidences.shape[1]
    precise = np.asarray(confidences, dtype=np.float64)
    if k >= n_classes - 1:
        return precise
    hidden = np.argsort(-precise, axis=1, kind="stable")[:, k:]
    mean = np.take_along_axis(precise, hidden, axis=1).mean(axis=1, keepdims=True)
    shown = precise.copy()
    np.put_along_axis(shown, hidden, np.broadcast_to(mean, hidden.shape), axis=1)
    floor = half_step(confidences) / (n_classes - 1)
    if floor:
        shown = np.maximum(shown, floor)
        shown /= shown.sum(axis=1, keepdims=True)
    return shown


def vote_shares(top: IntArray, n_classes: int, votes: Votes | None) -> FloatArray:
    """The smoothed share of votes for each class over a record and its disturbed copies, float64 ``[n, C]``.

    How many disturbed copies keep the record's class says how far the record is from where the class changes, which
    stands in for the confidence that is not shown. Half a vote is spread evenly over the classes.

    Choquette-Choo, Tramer, Carlini & Papernot, Label-only membership inference attacks, ICML 2021;
    Li & Zhang, Membership leakage in label-only exposures, CCS 2021.

    Args:
        top: the class that the record itself was answered with, ``[n]``.
        n_classes: number of classes C.
        votes: what the copies were answered; None where none were asked.
    """
    counts = np.full((len(top), n_classes), PRIOR_VOTES / n_classes)
    total, clean = (0.0, 1.0) if votes is None else (votes.total, votes.clean)
    if votes is not None:
        counts += votes.counts
    counts[np.arange(len(top)), top] += clean
    # Not by the counts' own sum: that is rounded by the order of the classes, and would break ties by the class.
    return np.asarray(counts / (total + clean + PRIOR_VOTES))


def require_usable(names: Sequence[str] | None, exposure: Exposure) -> None:
    """Raise where an attack needs more than the app shows.

    Raises:
        UsageError: an attack compares the confidences of noisy copies, and the app shows none, or not all.
    """
    if exposure.answers == "vector":
        return
    for name in attacks.headline() if names is None else names:
        if "noisy_copies" in attacks.attack_class(name).needs:
            raise UsageError(
                f"attack {name!r} compares the confidence vectors of noisy copies, which an app that answers "
                f"{exposure.answers!r} does not show",
                hint=f"leave {name} out; with answers = 'label', every other attack runs on votes of disturbed copies",
            )


def _tops(seen: Observations, variant: str) -> IntArray:
    """The class that each record was answered with, ``[n]``."""
    answers: Array = seen.logits[variant] if variant in seen.logits else seen.confidences[variant]
    return np.asarray(answers.argmax(axis=1))
