"""What an evaluation found: one frozen result per attack and view, and why others did not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.attacks._base import Adversary
from harness.stats import Estimate
from harness.types import FloatArray

__all__ = ["AttackResult", "Evaluation", "Measures", "Skipped"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """How well one attack does, every figure with an interval of one level. Rates are fractions.

    Args:
        auc: area under the ROC curve.
        balanced_accuracy: at the cut that was chosen without the scored records.
        tpr_at_fpr: false-positive rate as text, e.g. ``0.01`` -> true-positive rate.
        epsilon_lower: lower bound of the epsilon of any differentially private training, after the search.
        versus_original: AUC minus that of ``AttackResult.versus_attack`` on the original, on the same records; None
            for attacks on the original itself, or where the original is not visible.
    """

    auc: Estimate
    balanced_accuracy: Estimate
    tpr_at_fpr: Mapping[str, Estimate]
    epsilon_lower: Estimate
    versus_original: Estimate | None

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "auc": self.auc.to_json(),
            "balanced_accuracy": self.balanced_accuracy.to_json(),
            "tpr_at_fpr": {fpr: estimate.to_json() for fpr, estimate in self.tpr_at_fpr.items()},
            "epsilon_lower": self.epsilon_lower.to_json(),
            "versus_original": None if self.versus_original is None else self.versus_original.to_json(),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackResult(Measures):
    """One attack on one view of the target, measured at the nominal level.

    Args:
        adversary: NR, SR or MR.
        attack: registered name.
        variants: what it looked at.
        trained_on: ``shadows``, or ``members`` where it was cross-fitted over the target's known membership.
        n_members: members among the scored records.
        n_nonmembers: non-members among them.
        simultaneous: the same figures at the Bonferroni level over all results of the evaluation: all of these
            intervals hold at once with the nominal probability.
        versus_attack: for NR the same attack; for SR and MR the NR attack that did best on the shadows' original.
        is_control: a view of a control (e.g. an uncompressed fine-tuned copy), not of something that ships.
        threshold: the cut; NaN where each fold had its own.
        shadow_auc: AUC on the records it learned from, out of fold where learned; NaN where it learned nothing.
        scores: membership scores ``[n]``; not in the JSON.
    """

    adversary: Adversary
    attack: str
    variants: tuple[str, ...]
    trained_on: str
    n_members: int
    n_nonmembers: int
    simultaneous: Measures
    versus_attack: str | None
    is_control: bool
    threshold: float
    shadow_auc: float
    scores: FloatArray = field(repr=False)

    def to_json(self) -> dict[str, object]:
        """A JSON object of everything but the scores; numbers that are not finite become null."""
        return {
            "adversary": self.adversary,
            "attack": self.attack,
            "variants": list(self.variants),
            "trained_on": self.trained_on,
            "n_members": self.n_members,
            "n_nonmembers": self.n_nonmembers,
            **super().to_json(),
            "simultaneous": self.simultaneous.to_json(),
            "versus_attack": self.versus_attack,
            "is_control": self.is_control,
            "threshold": self.threshold if np.isfinite(self.threshold) else None,
            "shadow_auc": self.shadow_auc if np.isfinite(self.shadow_auc) else None,
        }


@dataclass(frozen=True)
class Skipped:
    """An attack that did not run, and why."""

    attack: str
    adversary: Adversary
    variants: tuple[str, ...]
    reason: str

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "attack": self.attack,
            "adversary": self.adversary,
            "variants": list(self.variants),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Evaluation:
    """Everything that one evaluation found.

    Args:
        results: in the order NR, SR, MR.
        skipped: attacks that did not run.
    """

    results: tuple[AttackResult, ...]
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object with the keys ``results`` and ``skipped``."""
        return {"results": [r.to_json() for r in self.results], "skipped": [s.to_json() for s in self.skipped]}

    def find(self, attack: str, *variants: str) -> AttackResult:
        """The result of one attack on exactly these variants.

        Raises:
            KeyError: there is none.
        """
        for result in self.results:
            if result.attack == attack and result.variants == variants:
                return result
        raise KeyError((attack, *variants))
