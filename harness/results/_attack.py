"""What attacks found: one result per view, and why others did not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from harness import fields
from harness.errors import InputError
from harness.results._increase import Increase
from harness.results._null import NullSummary
from harness.results._simultaneous import Simultaneous
from harness.types import Adversary, Estimate, TprEstimate, View

__all__ = ["AttackFindings", "Measures", "Result", "Skipped"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """How well one attack does, every figure with an interval of one level. Rates are fractions.

    Args:
        auc: area under the ROC curve.
        balanced_accuracy: at the cut that was chosen without the scored records.
        tpr_at_fpr: false-positive rate as text, see :func:`harness.stats.rate_key` -> true-positive rate.
        epsilon_lower: lower bound of the epsilon of any differentially private training, after the search.
        versus_original: AUC minus that of ``Result.versus_attack`` on the original, on the same records; None for
            attacks on the original itself, and where that attack has no result on the original.
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

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The measures that :meth:`to_json` wrote; what is missing is unknown, and satisfies no limit."""
        return cls(**_measures(node))


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Measures):
    """One attack on one view of the target, measured at the nominal level.

    Args:
        view: adversary, attack, variants, runtime and device.
        trained_on: ``shadows``, or ``members`` where it was cross-fitted over the target's known membership.
        n_members: members among the scored records.
        n_nonmembers: non-members among them.
        simultaneous: the same figures at the level that makes all intervals of the evaluation (every figure of every
            result, and the increases) hold at once with the nominal probability.
        versus_attack: for NR the same attack, for SR and MR the NR attack of the same family; fixed by the attack's
            name, never chosen on the audited records.
        is_control: a view of a control (e.g. an uncompressed fine-tuned copy), not of something that ships.
        threshold: the cut; NaN where each fold or each class had its own.
        shadow_auc: AUC on the records it learned from, out of fold where learned; NaN where it learned nothing.
        design_effect: by how much cross-fitting widened the variance of its figures; 1 where it learned from shadows.
        references: reference models whose answers to these records the attack saw.
        chosen: what was chosen on the shadows, by name: hyper-parameters, a classifier, the step that stands.
        cut_note: why the cut, and with it the balanced accuracy, cannot be trusted; empty where it can.
    """

    view: View
    trained_on: str
    n_members: int
    n_nonmembers: int
    simultaneous: Measures
    versus_attack: str | None
    is_control: bool
    threshold: float
    shadow_auc: float
    design_effect: float = 1.0
    references: int = 0
    chosen: Mapping[str, str | float | int] = field(default_factory=dict)
    cut_note: str = ""

    @property
    def adversary(self) -> Adversary:
        """NR, SR or MR."""
        return self.view.adversary

    @property
    def attack(self) -> str:
        """Registered name of the attack."""
        return self.view.attack

    @property
    def variants(self) -> tuple[str, ...]:
        """What the adversary sees."""
        return self.view.variants

    @property
    def runtime(self) -> str:
        """Where the variants run; empty for answers from anywhere."""
        return self.view.runtime

    @property
    def headline(self) -> Estimate:
        """The AUC with the interval that holds for all attacks at once, where there is one.

        Whoever picks the strongest of many attacks must use this interval: the strongest one's own is too narrow.
        """
        return self.simultaneous.auc if self.simultaneous.auc.is_known else self.auc

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            **self.view.to_json(),
            "trained_on": self.trained_on,
            "n_members": self.n_members,
            "n_nonmembers": self.n_nonmembers,
            **super().to_json(),
            "simultaneous": self.simultaneous.to_json(),
            "versus_attack": self.versus_attack,
            "is_control": self.is_control,
            "threshold": fields.finite(self.threshold),
            "shadow_auc": fields.finite(self.shadow_auc),
            "design_effect": self.design_effect,
            "references": self.references,
            "chosen": dict(self.chosen),
            "cut_note": self.cut_note,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The result that :meth:`to_json` wrote; what is missing is unknown, and satisfies no limit.

        Raises:
            InputError: the object does not say which attack of which adversary it is about.
        """
        view = View.from_json(node)
        if view is None:
            raise InputError("an attack's result names no attack, or no adversary of NR, SR and MR")
        return cls(
            view=view,
            trained_on=fields.text(node, "trained_on"),
            n_members=fields.integer(node, "n_members") or 0,
            n_nonmembers=fields.integer(node, "n_nonmembers") or 0,
            simultaneous=Measures.from_json(fields.mapping(node, "simultaneous")),
            versus_attack=fields.text(node, "versus_attack") or None,
            is_control=fields.flag(node, "is_control"),
            threshold=fields.figure(node, "threshold"),
            shadow_auc=fields.figure(node, "shadow_auc"),
            design_effect=fields.number(node, "design_effect") or 1.0,
            references=fields.integer(node, "references") or 0,
            chosen=_chosen(fields.mapping(node, "chosen")),
            cut_note=fields.text(node, "cut_note"),
            **_measures(node),
        )


@dataclass(frozen=True)
class Skipped:
    """An attack that did not run, and why.

    Args:
        view: what it would have been.
        reason: one sentence.
    """

    view: View
    reason: str

    @property
    def attack(self) -> str:
        """Registered name of the attack."""
        return self.view.attack

    @property
    def adversary(self) -> Adversary:
        """NR, SR or MR."""
        return self.view.adversary

    @property
    def variants(self) -> tuple[str, ...]:
        """What it would have looked at."""
        return self.view.variants

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {**self.view.to_json(), "reason": self.reason}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """What :meth:`to_json` wrote.

        Raises:
            InputError: the object does not say which attack of which adversary it is about.
        """
        view = View.from_json(node)
        if view is None:
            raise InputError("a skipped attack has no name, or no adversary of NR, SR and MR")
        return cls(view, fields.text(node, "reason"))


@dataclass(frozen=True)
class AttackFindings:
    """What the stage `attack` found.

    Args:
        results: every attack on every view, control or not.
        skipped: attacks that did not run, with the reason.
        null: how often their intervals miss AUC 0.5 beside what permuted labels do; None where nothing ran.
        increases: the strongest attack of each view against the strongest on the original alone.
        corrections: by runtime, how the simultaneous intervals were made.
    """

    results: tuple[Result, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    null: NullSummary | None = None
    increases: tuple[Increase, ...] = ()
    corrections: Mapping[str, Simultaneous] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "results": [result.to_json() for result in self.results],
            "skipped": [skipped.to_json() for skipped in self.skipped],
            "null_calibration": None if self.null is None else self.null.to_json(),
            "increases": [increase.to_json() for increase in self.increases],
            "corrections": {runtime: correction.to_json() for runtime, correction in self.corrections.items()},
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote.

        Raises:
            InputError: a result does not say which attack it is about.
        """
        corrections = fields.mapping(node, "corrections")
        return cls(
            tuple(map(Result.from_json, fields.rows(node, "results"))),
            tuple(map(Skipped.from_json, fields.rows(node, "skipped"))),
            NullSummary.from_json(fields.mapping(node, "null_calibration")),
            tuple(map(Increase.from_json, fields.rows(node, "increases"))),
            {runtime: Simultaneous.from_json(fields.mapping(corrections, runtime)) for runtime in corrections},
        )


def _chosen(node: fields.Node) -> dict[str, str | float | int]:
    """Texts and finite numbers by name; whatever else a file holds is left out."""
    return {
        name: value
        for name, value in node.items()
        if isinstance(value, str) or (isinstance(value, int | float) and fields.number(node, name) is not None)
    }


def _measures(node: fields.Node) -> dict[str, Any]:
    """The arguments of :class:`Measures` from the JSON of one."""
    rates = fields.mapping(node, "tpr_at_fpr")
    return {
        **{
            name: Estimate.from_json(node.get(name)) or Estimate.unknown()
            for name in ("auc", "balanced_accuracy", "epsilon_lower")
        },
        "tpr_at_fpr": {fpr: TprEstimate.from_json(rates[fpr]) or Estimate.unknown() for fpr in rates},
        "versus_original": Estimate.from_json(node.get("versus_original")),
    }
