"""Attacks as witnesses: what an attack shows on a variant is less than what the same variant leaks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from harness import compression
from harness.audit.findings import attack_findings
from harness.results import MisFindings, Result, Witness, bonferroni_growth
from harness.store import Run
from harness.types import Estimate

__all__ = ["beside_attacks"]


def beside_attacks(run: Run, findings: MisFindings) -> MisFindings:
    """The findings beside the attacks of the same run, below which no predicted leakage may lie.

    ``Delta_n`` is what the best attack gains that sees the deployed model and the record (specified as Prop. 1 in our
    own derivation), so any such attack's ``2 Acc - 1`` is at most ``Delta_n``. An attack counts where it looked at that
    one variant alone, on the runtime of the indicator, and had its cut from the shadows; one that was cross-fitted over
    the target's own members knows more than the definition allows. Of the remaining ones the largest lower bound
    counts, from the intervals that hold for all attacks at once.

    An attack's ``2 Acc - 1`` is that of one trained model and varies from training to training; its interval covers the
    choice of the records, not that of the training. A prediction is an average over trainings, so a witness that lies
    barely above the interval is weaker evidence than the interval alone suggests.

    Variants that are fine-tuned after they are compressed count for the quantizer of the same name: what ships under
    that name has been fine-tuned, and it is what a reader takes the row for.

    Args:
        run: a run of one device; where its attacks were not run, and in a null twin, whose members are none, the
            findings come back as they are.
        findings: what the stage `mis` found on the same device.
    """
    if run.config.null or not run.is_done("attack"):
        return findings
    results = attack_findings(run).results
    witnesses = {}
    for row in findings.quantizers:
        made = _made_of(compression.parse_quantizer(row.quantizer))
        seen = [one for one in _on_one_variant(results, findings.runtime) if _is_of(one.variants[0], made)]
        if seen:
            witnesses[row.quantizer] = _strongest(seen, figures=len(results))
    return findings.beside(witnesses)


def _on_one_variant(results: Iterable[Result], runtime: str) -> Iterable[Result]:
    return (
        one
        for one in results
        if one.adversary == "NR"
        and len(one.variants) == 1
        and one.runtime == runtime
        and one.trained_on == "shadows"
        and not one.is_control
        and one.balanced_accuracy.is_known
        and math.isfinite(one.balanced_accuracy.low)
    )


def _made_of(variant: compression.Variant) -> tuple[object, ...]:
    """What a file of this variant is, whatever it is called: `original` is `fp32`, `prune-0.60` is `prune-0.6`."""
    family = "quantize" if variant.family == "original" else variant.family
    return family, variant.numerics, variant.name if family == "grid" else variant.level


def _is_of(variant: str, made: tuple[object, ...]) -> bool:
    return _made_of(compression.parse(variant)) == made


def _strongest(results: Iterable[Result], *, figures: int) -> Witness:
    """The attack with the largest lower bound."""
    advantages = [(_advantage(one, figures), one) for one in results]
    advantage, one = max(advantages, key=lambda pair: pair[0].low)
    return Witness(one.attack, one.variants[0], one.runtime, advantage)


def _advantage(result: Result, figures: int) -> Estimate:
    """``2 Acc - 1`` with the interval that holds for all attacks at once."""
    accuracy = result.simultaneous.balanced_accuracy
    if not (accuracy.is_known and math.isfinite(accuracy.low)):
        accuracy = _corrected(result.balanced_accuracy, figures)
    return replace(
        accuracy, value=2.0 * accuracy.value - 1.0, low=2.0 * accuracy.low - 1.0, high=2.0 * accuracy.high - 1.0
    )


def _corrected(accuracy: Estimate, figures: int) -> Estimate:
    """Bonferroni's interval, for a run whose simultaneous intervals were not kept: the arms grow as a normal's do."""
    grows = bonferroni_growth(accuracy.level, figures)
    low = accuracy.value - grows * (accuracy.value - accuracy.low)
    high = accuracy.value + grows * (accuracy.high - accuracy.value)
    return replace(accuracy, low=max(0.0, low), high=min(1.0, high))
