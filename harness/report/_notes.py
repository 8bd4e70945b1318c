"""How to read the numbers of a report: what each kind of figure means, and what it does not claim."""

from __future__ import annotations

from harness.report import _format
from harness.report._clean import clean
from harness.report._latency_tables import latency_notes
from harness.report.model import Report

__all__ = ["method_notes"]


def method_notes(report: Report) -> tuple[str, ...]:
    """How to read the numbers, one paragraph each."""
    return (
        _interval_note(report),
        "AUC 0.5 is guessing and 1 is certainty. Balanced accuracy, TPR and AUC are over members and non-members of "
        "the audited model; 50% balanced accuracy is guessing.",
        "Decision thresholds were fixed without the records that they are judged on: on shadow models or, where an "
        "attack was trained on known members, on the other folds. Where a threshold rests on too little, the table "
        "marks the balanced accuracy and a sentence says why; AUC and TPR do not use it.",
        _rate_note(report),
        "ε at least: no differentially private training with a smaller ε is consistent with the attack's success; the "
        "bound holds after the search for the best threshold.",
        *_cross_fitted_notes(report),
        *_increase_notes(report),
        "“AUC minus the same family's on the original” is the paired difference on the same records to the attack of "
        "the same family that sees the original model alone; which one that is follows from the attack's name. An "
        "interval that holds 0 shows no change.",
        "Controls are attacks or variants that bound what the method itself finds; they are marked and never count as "
        "the best attack on a variant.",
        *latency_notes(report),
    )


def _interval_note(report: Report) -> str:
    aucs = [r.auc for r in report.attacks.results if r.auc.is_known]
    level = " or ".join(f"{100 * value:.4g}%" for value in sorted({auc.level for auc in aucs})) or "the stated share"
    methods = ", ".join(sorted({clean(auc.method) for auc in aucs if auc.method})) or "method not stated"
    return (
        f"An interval [low, high] holds the true value in {level} of audits repeated with other records from the same "
        f"source ({methods}). An interval marked “at once” is wider, so that all of these hold together; the first "
        "sentence, the tables of files and of attacks, and the pictures of AUCs use it, because the strongest of many "
        "attacks is partly strong by luck. report.json has each interval by itself too."
    )


def _rate_note(report: Report) -> str:
    note = (
        "TPR at an FPR is the best TPR among thresholds whose FPR is at most that; “needs n ≥ ...” means that too few "
        "non-members stand behind that FPR to answer."
    )
    if any(_format.tied(rate) for result in report.attacks.results for rate in result.tpr_at_fpr.values()):
        note += (
            " “Tied: 75% of non-members” means that this share of the non-members has one and the same score where "
            "the FPR is crossed. No threshold has that FPR, and the one before it hides what the attack finds. More "
            "records do not help; an attack with finer scores, such as one that reads confidences instead of "
            "decisions, does."
        )
    return note


def _cross_fitted_notes(report: Report) -> tuple[str, ...]:
    effects = {result.design_effect for result in report.attacks.results if result.design_effect > 1.0}
    if not effects:
        return ()
    effect = max(effects)
    return (
        "Attacks that were trained on known members are cross-fitted: each fifth of the records is scored by an "
        "attack that was trained on the others. Each pair of records then counts twice, which multiplies the "
        f"variance by {effect:g} (a design effect): intervals of learned attacks are {effect**0.5:.2f} times as wide "
        "as without, and the null calibration judges the attacks by the same variance.",
    )


def _increase_notes(report: Report) -> tuple[str, ...]:
    if not report.attacks.increases:
        return ()
    return (
        "“Does a view leak more than the original alone?” sets the strongest attack in a view against the strongest on "
        "the original alone: an adversary picks the best attack on both sides. Both are picked on the audited records, "
        "so the interval repeats the choice in every draw of its bootstrap. The interval at once decides: “more” "
        "where all of it lies above 0, “less” where all of it lies below, else “not resolved”, which is no proof of "
        "equality.",
    )
