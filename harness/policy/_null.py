"""Null twins: audits of models that were trained on none of the audited records, in which nothing may leak."""

from __future__ import annotations

from functools import partial

from harness.policy._outcome import RuleOutcome, Verdict
from harness.results import NullSummary, PooledNull

__all__ = ["judge_null", "judge_pooled"]

# A null twin is called broken below this chance; small, because every audit may be accompanied by one.
NULL_P_VALUE = 0.01


def judge_null(null: NullSummary | None) -> Verdict:
    """Judge a null twin: its attacks may miss AUC 0.5 no more often than chance allows.

    Args:
        null: what its calibration found; None where nothing ran.

    Returns:
        The verdict; `inconclusive` where nothing was attacked or a figure is not known.
    """
    outcome = partial(RuleOutcome, id="null-twin", name="null twin: every attack holds AUC 0.5")
    if null is None or null.attacks < 1:
        return Verdict((outcome(outcome="inconclusive", reason="no attack of the null twin has a result"),))
    p_values = (null.p_value, null.max_z_p_value)
    figures = (
        f"{null.miss_share:.1%} of {null.attacks} intervals miss 0.5 where chance allows up to "
        f"{null.null_quantile:.1%} (p = {null.p_value:.3f}; largest deviation p = {null.max_z_p_value:.3f})"
    )
    # Two tests of one hypothesis: each gets half of the chance.
    if any(0.0 <= p < NULL_P_VALUE / 2 for p in p_values):
        reason = f"the audit finds leakage where there is none: {figures}"
        return Verdict((outcome(outcome="fail", reason=reason),))
    if not all(0.0 <= share <= 1.0 for share in (*p_values, null.miss_share, null.null_quantile)):
        return Verdict((outcome(outcome="inconclusive", reason=f"a figure is not known: {figures}"),))
    return Verdict((outcome(outcome="pass", reason=figures),))


def judge_pooled(pooled: PooledNull) -> Verdict:
    """Judge several null twins together: their pooled share of misses must be within chance.

    Args:
        pooled: the misses of all of them beside chance.

    Returns:
        The verdict; `inconclusive` where nothing was attacked or a figure is not known.
    """
    outcome = partial(RuleOutcome, id="null-twins-pooled", name="pooled: attacks hold AUC 0.5")
    if pooled.tests < 1:
        return Verdict((outcome(outcome="inconclusive", reason="no attack of these audits has a result"),))
    figures = (
        f"{pooled.miss_share:.1%} of {pooled.tests} intervals of {pooled.audits} audits miss 0.5 where chance "
        f"allows up to {pooled.null_quantile:.1%} (p = {pooled.p_value:.4f})"
    )
    if not all(0.0 <= share <= 1.0 for share in (pooled.p_value, pooled.miss_share, pooled.null_quantile)):
        return Verdict((outcome(outcome="inconclusive", reason=f"a figure is not known: {figures}"),))
    return Verdict((outcome(outcome="fail" if pooled.p_value < NULL_P_VALUE else "pass", reason=figures),))
