"""Audits of models that leak nothing: how many raise an alarm, with any figure? One table, printed with ``-q -s``.

With shadow models and without, with ties and without, as many members as non-members and one to ten. An alarm is a
simultaneous interval that misses what holds without leakage, or a null calibration beyond chance. TF Privacy, where
``make peers`` has installed it, judges the same confidences of the original: its alarm is a bound of epsilon above 0.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks._peers import Peer, installed
from harness.attacks import Evaluation, evaluate
from harness.stats import null_calibration
from harness.types import Observations
from tests.attacks.simulated import SimulatedAudit, membership_of, simulate_audit

AUDITS = int(os.environ.get("EDGELEAK_AUDITS", "500"))
LEVEL = 0.05
# Three standard errors of a share of .05: about eighty shares are checked.
ALLOWED = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / AUDITS)
VARIANTS = ("original", "int8-ptq")
FIXED = ("correctness", "confidence", "yeom", "entropy", "max-posterior", "modified-entropy", "modified-entropy-class")
LEARNED = ("posterior-lr", "gbt", "sr2-lr")
REFERENCES = ("rmia", "lira", "base")
FIGURES = (
    "AUC",
    "balanced accuracy",
    "TPR",
    "epsilon",
    "difference",
    "strongest",
    "null sentence",
    "any figure",
)


@dataclass(frozen=True)
class Cell:
    """One kind of audit."""

    members: int
    nonmembers: int
    shadows: bool
    answers: str = "logits"

    def __str__(self) -> str:
        how = "shadows" if self.shadows else "no shadows"
        return f"{self.members}+{self.nonmembers}, {how}, {self.answers}"


SIZES = ((50, 50), (100, 100), (400, 400), (60, 600))
TIED_SIZES = ((100, 100), (60, 600))
CELLS = [
    Cell(m, n, shadows, answers)
    for shadows in (False, True)
    for answers, sizes in (("logits", SIZES), ("top class", TIED_SIZES), ("8-bit", TIED_SIZES))
    for m, n in sizes
]


def top_class(logits: NDArray[np.generic]) -> NDArray[np.float32]:
    """All confidence on the top class."""
    return np.eye(logits.shape[1], dtype=np.float32)[np.asarray(logits.argmax(axis=1))]


def eight_bit(logits: NDArray[np.generic]) -> NDArray[np.float32]:
    """A saturated softmax in steps of 1/256, the largest class taking what rounding left over."""
    sharp = np.exp(3.0 * (logits.astype(np.float64) - logits.max(axis=1, keepdims=True)))
    steps = np.round(256 * sharp / sharp.sum(axis=1, keepdims=True))
    steps[np.arange(len(steps)), steps.argmax(axis=1)] += 256 - steps.sum(axis=1)
    return (steps / 256).astype(np.float32)


ANSWERS: dict[str, Callable[[NDArray[np.generic]], NDArray[np.float32]]] = {"top class": top_class, "8-bit": eight_bit}


def answered(one: Observations, how: str) -> Observations:
    """The same observations through answers of another kind."""
    if how == "logits":
        return one
    return replace(
        one,
        logits={},
        confidences={variant: ANSWERS[how](logits) for variant, logits in one.logits.items()},
        references=tuple(answered(reference, how) for reference in one.references),
        population=None if one.population is None else answered(one.population, how),
    )


def observed(cell: Cell, seed: int) -> SimulatedAudit:
    """An audit in which membership is drawn after the answers."""
    n = cell.members + cell.nonmembers
    # Nearly every answer is right where they tie: that is where intervals without variance come from.
    audit = simulate_audit(leak=0.0, n=n, n_shadow=200, n_population=100, variants=VARIANTS, seed=seed)
    members = np.random.default_rng([seed, 1]).permutation(np.arange(n) < cell.members).astype(np.int64)
    target = answered(replace(audit.target, membership=members), cell.answers)
    if not cell.shadows:
        return SimulatedAudit(replace(target, references=(), population=None), [])
    return SimulatedAudit(target, [answered(shadow, cell.answers) for shadow in audit.shadows])


def alarms(evaluation: Evaluation, membership: NDArray[np.int64], seed: int) -> Iterator[str]:
    """The figures that claim leakage, or less than none."""
    for result in evaluation.results:
        at_once = result.simultaneous
        if not at_once.auc.holds(0.5):
            yield "AUC"
        if not at_once.balanced_accuracy.holds(0.5):
            yield "balanced accuracy"
        if any(not rate.low <= float(fpr) <= rate.high for fpr, rate in at_once.tpr_at_fpr.items()):
            yield "TPR"
        if at_once.epsilon_lower.low > 0.0:
            yield "epsilon"
        if at_once.versus_original is not None and not at_once.versus_original.holds(0.0):
            yield "difference"
    if any(not increase.simultaneous.holds(0.0) for increase in evaluation.increases):
        yield "strongest"
    null = null_calibration(
        {result.view.key: result.scores for result in evaluation.results},
        membership,
        seed=seed,
        design_effects={result.view.key: result.design_effect for result in evaluation.results},
    )
    # As the report's sentence reads them: two tests of one hypothesis, each with half of the chance.
    if min(null.p_value, null.max_z_p_value) <= LEVEL / 2:
        yield "null sentence"


def audited(cell: Cell, seed: int) -> tuple[set[str], int]:
    """The alarms of one audit, and how many results it has."""
    audit = observed(cell, seed)
    names = (*FIXED, *LEARNED, *(REFERENCES if cell.shadows else ()))
    evaluation = evaluate(audit.target, audit.shadows, attacks=names, fprs=(0.05, 0.01), seed=seed)
    raised = set(alarms(evaluation, membership_of(audit.target), seed))
    return raised | ({"any figure"} if raised - {"null sentence"} else set()), len(evaluation.results)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_at_most_one_audit_in_twenty_raises_an_alarm_where_nothing_leaks(cell: Cell) -> None:
    done = joblib.Parallel(n_jobs=-1)(joblib.delayed(audited)(cell, 10_000 + seed) for seed in range(AUDITS))
    counts = Counter(name for raised, _ in done for name in raised)
    shares = {name: counts[name] / AUDITS for name in FIGURES}
    print(f"\n{cell!s:38} {np.median([results for _, results in done]):.0f} results" + theirs(cell))
    print("  " + "  ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    assert max(shares.values()) <= ALLOWED


def theirs(cell: Cell) -> str:
    """The share of the same audits in which TF Privacy bounds epsilon above zero."""
    if not installed("tfp"):
        return ""
    raised = 0
    with Peer("tfp") as peer:
        for seed in range(AUDITS):
            target = observed(cell, 10_000 + seed).target
            scores = target.log_confidences_of("original")[np.arange(len(target)), target.labels]
            raised += peer(scores=scores, membership=membership_of(target)).values["epsilon"] > 0
    return f"; TF Privacy alarms in {raised / AUDITS:.1%}"
