"""The gate: results x policy -> one verdict that drives text, files and the exit code.

A rule speaks of many results (attacks x variants x runtimes), so each decision is guarded against the search:

* **pass** needs every result's upper bound within the limit. If any true value were above it, that one interval would
  have had to miss, so no correction is needed.
* **fail** needs one result's lower bound above the limit, with the bound corrected for all results of its audit.
* anything else is **inconclusive**: these records cannot tell, or the metric cannot be resolved with so few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.config import GateConfig, GateRule

__all__ = ["Outcome", "RuleOutcome", "Verdict", "exit_code", "judge", "judge_null", "judge_pooled"]

Outcome = Literal["pass", "fail", "inconclusive"]
Row = Mapping[str, Any]

EXIT_CODES: Mapping[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 2}
# A null twin is called broken below this chance; small, because every audit may be accompanied by one.
NULL_P_VALUE = 0.01


@dataclass(frozen=True)
class RuleOutcome:
    """What one rule found.

    Args:
        name: the rule as a sentence.
        outcome: pass, fail or inconclusive.
        reason: why, with the figures that decided.
        estimate: the deciding estimate as JSON, None where there is none.
        worst: attack, variants and runtime of the deciding result.
    """

    name: str
    outcome: Outcome
    reason: str
    estimate: Mapping[str, Any] | None = None
    worst: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "reason": self.reason,
            "estimate": dict(self.estimate) if self.estimate else None,
            "worst": dict(self.worst) if self.worst else None,
        }


@dataclass(frozen=True)
class Verdict:
    """The audit's outcome: fail if any rule fails, else inconclusive if any is, else pass."""

    outcome: Outcome
    rules: tuple[RuleOutcome, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"outcome": self.outcome, "rules": [rule.to_json() for rule in self.rules]}

    @classmethod
    def from_json(cls, value: Row) -> Verdict:
        """The verdict that `to_json` wrote."""
        return cls(value["outcome"], tuple(RuleOutcome(**rule) for rule in value["rules"]))


def judge(results: Sequence[Row], artifacts: Sequence[Row], policy: GateConfig) -> Verdict:
    """Hold results against a policy.

    Args:
        results: attack results as JSON objects; controls are not judged, they are not shipped.
        artifacts: artifact rows as JSON objects, for the parity rule.
        policy: the rules.

    Returns:
        The verdict; without rules it is `inconclusive`: a gate that asks nothing passes nothing.
    """
    rules = [_judge_rule([row for row in results if not row.get("is_control")], rule) for rule in policy.rules]
    if policy.max_flip_share is not None:
        rules.append(_judge_parity(artifacts, policy.max_flip_share))
    if not rules:
        rules = [RuleOutcome("policy", "inconclusive", "the configuration has no gate rules, so nothing was decided")]
    return _combine(rules)


def judge_null(calibration: Row) -> Verdict:
    """Judge a null twin: its attacks may miss AUC 0.5 no more often than chance allows.

    Args:
        calibration: `NullCalibration.to_json()`.
    """
    p, q = float(calibration["p_value"]), float(calibration["max_z_p_value"])
    share, allowed = calibration["miss_share"], calibration["null_quantile"]
    figures = (
        f"{share:.1%} of {calibration['attacks']} intervals miss 0.5 where chance allows up to {allowed:.1%} "
        f"(p = {p:.3f}; largest deviation p = {q:.3f})"
    )
    broken = min(p, q) < NULL_P_VALUE / 2
    reason = f"the audit sees leakage where there is none: {figures}" if broken else figures
    return _combine([RuleOutcome("null twin: every attack holds AUC 0.5", "fail" if broken else "pass", reason)])


def judge_pooled(pooled: Row) -> Verdict:
    """Judge several null twins together: their pooled share of misses must be within chance.

    Args:
        pooled: `PooledNull.to_json()`.
    """
    p = float(pooled["p_value"])
    reason = (
        f"{pooled['miss_share']:.1%} of {pooled['tests']} intervals of {pooled['audits']} audits miss 0.5 where chance "
        f"allows up to {pooled['null_quantile']:.1%} (p = {p:.4f})"
    )
    return _combine([RuleOutcome("pooled: attacks hold AUC 0.5", "fail" if p < NULL_P_VALUE else "pass", reason)])


def exit_code(verdict: Verdict) -> int:
    """0 pass, 1 fail, 2 inconclusive."""
    return EXIT_CODES[verdict.outcome]


def _combine(rules: Sequence[RuleOutcome]) -> Verdict:
    outcomes = {rule.outcome for rule in rules}
    outcome: Outcome = "fail" if "fail" in outcomes else "inconclusive" if "inconclusive" in outcomes else "pass"
    return Verdict(outcome, tuple(rules))


def _judge_rule(results: Sequence[Row], rule: GateRule) -> RuleOutcome:
    rows = [row for row in results if _applies(row, rule)]
    judged = [(row, *found) for row in rows if (found := _estimates(row, rule)) is not None]
    if not judged:
        return RuleOutcome(rule.name, "inconclusive", "no result of this audit answers the rule")
    limit = rule.max if rule.max is not None else rule.max_increase
    assert limit is not None  # noqa: S101 - the configuration holds exactly one of the two
    over = [item for item in judged if item[2].get("resolvable", True) and item[2]["low"] > limit]
    if over:
        row, estimate, corrected = max(over, key=lambda item: item[1]["value"])
        reason = (
            f"{_place(row)} has {_shown(estimate)}, its bound corrected for {len(results)} results is "
            f"{corrected['low']:.3f} > {limit:g} (n = {estimate['n']})"
        )
        return RuleOutcome(rule.name, "fail", reason, estimate, _where(row))
    unresolved = [item for item in judged if not item[1].get("resolvable", True)]
    if unresolved:
        row, estimate, _ = unresolved[0]
        need = estimate.get("needed_n")
        reason = f"{len(unresolved)} of {len(judged)} results cannot be resolved with n = {estimate['n']}"
        return RuleOutcome(
            rule.name, "inconclusive", reason + (f"; needs n >= {need}" if need else ""), estimate, _where(row)
        )
    row, estimate, _ = max(judged, key=lambda item: item[1]["high"])
    wide = [item for item in judged if item[1]["high"] > limit]
    if wide:
        reason = (
            f"{len(wide)} of {len(judged)} results reach beyond {limit:g}, widest {_place(row)} with {_shown(estimate)}"
        )
        return RuleOutcome(rule.name, "inconclusive", f"{reason} (n = {estimate['n']})", estimate, _where(row))
    reason = f"all {len(judged)} results stay within {limit:g}; closest {_place(row)} with {_shown(estimate)}"
    return RuleOutcome(rule.name, "pass", f"{reason} (n = {estimate['n']})", estimate, _where(row))


def _judge_parity(artifacts: Sequence[Row], limit: float) -> RuleOutcome:
    name = f"top-1 flips against the reference <= {limit:g}"
    compared = [row for row in artifacts if row.get("parity") and not row.get("is_control")]
    if not compared:
        return RuleOutcome(name, "inconclusive", "no artifact was compared with a reference")
    worst = max(compared, key=lambda row: row["parity"]["flips"] / row["parity"]["n"])
    share = worst["parity"]["flips"] / worst["parity"]["n"]
    reason = f"{worst['variant']} on {worst['runtime']} flips {share:.1%} of {worst['parity']['n']} records"
    where = {"variants": [worst["variant"]], "runtime": worst["runtime"]}
    # Broken parity means that the device runs something else than was trained: no evidence either way about leakage.
    return RuleOutcome(name, "pass" if share <= limit else "inconclusive", reason, None, where)


def _applies(row: Row, rule: GateRule) -> bool:
    if row["adversary"] not in rule.adversary:
        return False
    return rule.variants is None or all(v in rule.variants or v == "original" for v in row["variants"])


def _estimates(row: Row, rule: GateRule) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The estimate a rule looks at, and the same corrected for the number of results; None where the row has none."""
    found, corrected = (_metric(part, rule) for part in (row, row.get("simultaneous") or {}))
    if found is None:
        return None
    # A metric without a corrected interval never fails a release: it may only be inconclusive.
    return found, corrected if corrected is not None else {"low": float("-inf")}


def _metric(part: Mapping[str, Any], rule: GateRule) -> Mapping[str, Any] | None:
    if rule.max_increase is not None:
        return part.get("versus_original")
    if rule.metric == "tpr_at_fpr":
        return (part.get("tpr_at_fpr") or {}).get(f"{rule.at_fpr:g}")
    return part.get(rule.metric)


def _where(row: Row) -> dict[str, Any]:
    return {key: row.get(key) for key in ("adversary", "attack", "variants", "runtime")}


def _place(row: Row) -> str:
    return f"{row['adversary']} {row['attack']} on {' + '.join(row['variants'])}{_at(row)}"


def _at(row: Row) -> str:
    return f" ({row['runtime']})" if row.get("runtime") else ""


def _shown(estimate: Mapping[str, Any]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
