"""Audits of models that leak nothing: how often an interval excludes AUC 0.5, over many of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from harness.attacks import evaluate
from tests.attacks.simulated import simulate_audit

AUDITS = 40
ATTACKS = ("confidence", "modified-entropy-class", "posterior-lr", "gbt", "rmia", "lira", "sr2-lr", "sr2-dt", "mr-gbt")
VARIANTS = ("original", "prune-0.6", "int8-ptq")
# Largest number of audits out of AUDITS that errs with this probability if the nominal one is true: with 0.1 per
# cent of chance for the test itself.
LEVEL = 0.95
ALLOWED = int(binom.ppf(0.999, AUDITS, 1 - LEVEL))


@pytest.mark.slow
@pytest.mark.parametrize("with_shadows", [True, False])
def test_false_alarms_without_leakage_are_as_rare_as_the_level_says(with_shadows: bool) -> None:
    """Family-wise for the simultaneous intervals; on average over attacks for the pointwise ones."""
    alarms, pointwise, bounds = 0, [], []
    for seed in range(AUDITS):
        audit = simulate_audit(leak=0.0, n=240, n_shadow=160, n_population=60, variants=VARIANTS, seed=500 + seed)
        names = ATTACKS if with_shadows else ("confidence", "posterior-lr", "gbt", "sr2-lr", "mr-gbt")
        evaluation = evaluate(audit.target, audit.shadows if with_shadows else (), attacks=names, level=LEVEL)
        alarms += any(not r.simultaneous.auc.holds(0.5) for r in evaluation.results)
        pointwise += [not r.auc.holds(0.5) for r in evaluation.results]
        bounds += [r.epsilon_lower.low > 0 for r in evaluation.results]
    mode = "shadows" if with_shadows else "members"
    print(f"\n{mode}: {alarms}/{AUDITS} with an alarm; pointwise {np.mean(pointwise):.3f}; eps {np.mean(bounds):.3f}")
    assert alarms <= ALLOWED
    # Attacks on one record set err together: the share has the spread of AUDITS draws at worst, not of all of them.
    assert np.mean(pointwise) <= ALLOWED / AUDITS
    assert np.mean(bounds) <= ALLOWED / AUDITS


def test_leaving_out_references_changes_no_attack_without_them() -> None:
    audit = simulate_audit(leak=0.5, n=100, n_shadow=100, n_population=40)
    bare = replace(audit.target, references=(), population=None)
    for a, b in zip(
        evaluate(audit.target, audit.shadows, attacks=("confidence", "gbt")).results,
        evaluate(bare, audit.shadows, attacks=("confidence", "gbt")).results,
        strict=True,
    ):
        np.testing.assert_array_equal(a.scores, b.scores)
