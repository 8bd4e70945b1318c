"""Predicted leakage can fail a release; it passes one only where nothing speaks against the prediction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import GateConfig, GateRule
from harness.errors import ConfigError
from harness.policy import ArtifactName, Verdict, check, judge
from harness.results import Leakage, MisFindings, QuantizerMis, Witness
from harness.types import Estimate
from tests.policy.sample import AUDIT, findings

PROBED = replace(AUDIT, quantizers=("fp32", "int8"))


def leakage(log: float, half: float, status: str = "ok") -> Leakage:
    logs = (log, log - half, min(0.0, log + half))
    value, low, high = map(math.exp, logs)
    return Leakage(Estimate(value, low, high, 600, "joint limit"), logs, "coordinates", status)


def quantizer(name: str = "int8", n_r: float = 12.0, half: float = 4.0, **more: Any) -> QuantizerMis:
    """A quantizer whose leakage falls like Phi(-sqrt(2 n r)), as for two candidates."""
    n = 400
    keys: dict[str, Any] = {
        "quantizer": name,
        "n": n,
        "method": "gauss",
        "r": Estimate(n_r / n, max(0.0, n_r - half) / n, (n_r + half) / n, 600, "gauss-crossfit-bootstrap"),
        "r_naive": n_r / n,
        "r_chernoff": n_r / n,
        "r_floor": 1.92 / 600,
        "leakage": leakage(-n_r, half),
        "k": 12,
        "k_eff": 12,
        "n_eval": 600,
        "regime": "tail",
        "status": "ok",
    }
    return QuantizerMis(**{**keys, **more})


def judged(*rows: QuantizerMis, limit: float = 0.01, **keys: Any) -> Verdict:
    rule = GateRule(id="r", metric="mis_delta", max=limit, **keys)
    found = {"": MisFindings(rows, runtime="litert")} if rows else {}
    return judge(findings(), [], GateConfig(rules=(rule,)), mis=found)


def test_a_prediction_that_is_in_order_passes_and_fails() -> None:
    assert judged(quantizer(), limit=0.01).outcome == "pass"
    leaky = quantizer(n_r=2.5, half=0.3)
    assert judged(leaky, limit=0.01).outcome == "fail"
    assert judged(quantizer(n_r=6.0, half=3.0), limit=0.01).outcome == "inconclusive"
    assert judged(quantizer(n_r=6.0, half=3.0), limit=0.01, fails_when="possibly_above").outcome == "fail"


def test_a_case_is_about_the_quantizer() -> None:
    (case,) = judged(quantizer()).rules[0].cases
    assert case.about == ArtifactName("int8", "litert")
    assert case.estimate is not None
    assert case.estimate.low < case.estimate.value < case.estimate.high


STATUSES = ["unresolved", "single_candidate", "too_few_records", "contradicted", ""]


@pytest.mark.parametrize("status", STATUSES)
def test_any_status_of_the_prediction_but_ok_is_no_pass(status: str) -> None:
    verdict = judged(quantizer(leakage=leakage(-12.0, 4.0, status)))
    assert verdict.outcome == "inconclusive"
    assert "status of the prediction" in verdict.rules[0].reason
    leaky = quantizer(leakage=leakage(-2.5, 0.3, status))
    assert judged(leaky).outcome == "fail"


@pytest.mark.parametrize("status", ["tie", "unresolved", "never_beaten"])
def test_the_status_of_r_is_no_doubt_about_the_leakage(status: str) -> None:
    assert judged(quantizer(status=status)).outcome == "pass"


def test_a_status_that_more_records_would_mend_says_how_many() -> None:
    short = replace(leakage(-12.0, 4.0, "unresolved"), needed_records=48_000)
    reason = judged(quantizer(leakage=short)).rules[0].reason
    assert "about 48,000 evaluation records are needed, there are 600" in reason


@pytest.mark.parametrize(
    "flag", ["not_erm", "gauss_optimistic", "heavy_tails", "contradicted_by_attack", "float_format"]
)
def test_a_doubt_is_no_pass(flag: str) -> None:
    assert judged(quantizer(flags=(flag,))).outcome == "inconclusive"
    assert judged(quantizer(n_r=2.5, half=0.3, flags=(flag,))).outcome == "fail"


def test_few_points_are_no_doubt_since_the_interval_says_so() -> None:
    assert judged(quantizer(flags=("few_points",))).outcome == "pass"


def test_a_pass_needs_the_upper_end_that_holds_for_all_quantizers() -> None:
    """Alone the upper end is within the limit; one of ten is judged by Bonferroni's arms."""
    near = quantizer(n_r=5.2, half=0.55)
    assert judged(near, limit=0.01).outcome == "pass"
    others = [quantizer(f"q{number}") for number in range(9)]
    assert judged(near, *others, limit=0.01).outcome == "inconclusive"


def witness(low: float, value: float = 0.35) -> Witness:
    return Witness("band", "int8", "litert", Estimate(value, low, value + 0.1, 800, "melded-beta"))


def test_what_an_attack_shows_fails_a_limit_that_the_prediction_keeps() -> None:
    kept = quantizer()
    assert judged(kept, limit=0.1).outcome == "pass"
    refuted = kept.beside(witness(0.21))
    assert refuted.leakage.status == "contradicted"
    assert judged(refuted, limit=0.1).outcome == "fail"


def test_a_contradicted_prediction_is_never_a_pass() -> None:
    refuted = quantizer().beside(witness(0.05))
    for limit in (0.05, 0.1, 0.5, 0.99):
        assert judged(refuted, limit=limit).outcome != "pass"
    assert judged(refuted, limit=0.04).outcome == "fail"


def test_a_floor_within_the_interval_holds_however_many_quantizers_there_are() -> None:
    """The attacks' intervals hold at once already: the widening for quantizers does not lower the floor."""
    wide = quantizer(n_r=3.0, half=2.0).beside(witness(0.21))
    assert wide.leakage.status == "ok"
    others = [quantizer(f"q{number}") for number in range(9)]
    assert judged(wide, *others, limit=0.2).outcome == "fail"


def test_beside_a_refuted_prediction_one_that_nobody_attacked_is_no_pass() -> None:
    """The same generator made both; what it missed of the one it may have missed of the other."""
    refuted, quiet = quantizer("fp32").beside(witness(0.21)), quantizer("int4")
    assert judged(quantizer("fp32"), quiet, quantizers=("int4",)).outcome == "pass"
    verdict = judged(refuted, quiet, quantizers=("int4",))
    assert verdict.outcome == "inconclusive"
    assert "the prediction of fp32, made in the same way, is refuted" in verdict.rules[0].reason
    assert judged(refuted, quiet.beside(witness(-0.05)), quantizers=("int4",)).outcome == "pass"


def test_an_attack_that_shows_nothing_changes_nothing() -> None:
    assert judged(quantizer().beside(witness(-0.05)), limit=0.01).outcome == "pass"


def test_a_quantizer_that_was_not_probed_has_no_figure() -> None:
    alone = quantizer(leakage=Leakage.unknown(n=600, law="candidates", status="single_candidate"))
    assert judged(alone, limit=0.9).outcome == "inconclusive"
    assert judged(limit=0.9).rules[0].reason == "no quantizer was probed"


def test_a_rule_names_quantizers() -> None:
    rows = (quantizer("fp32"), quantizer("int8", n_r=2.5, half=0.3))
    assert judged(*rows, quantizers="fp32").outcome == "pass"
    assert judged(*rows, quantizers=("fp32", "int8")).outcome == "fail"
    assert judged(*rows, quantizers=("fp32", "int4")).outcome == "inconclusive"


@settings(deadline=None, max_examples=60)
@given(n_r=st.floats(0.0, 900.0), half=st.floats(0.0, 50.0))
def test_the_interval_of_a_prediction_holds_it(n_r: float, half: float) -> None:
    for case in judged(quantizer(n_r=n_r, half=half), limit=0.5).rules[0].cases:
        assert case.estimate is not None
        assert 0.0 <= case.estimate.low <= case.estimate.value <= case.estimate.high <= 1.0


def test_a_rule_is_refused_where_no_quantizer_is_probed() -> None:
    policy = GateConfig(rules=(GateRule(id="r", metric="mis_delta", max=0.1),))
    check(policy, PROBED)
    with pytest.raises(ConfigError, match="this audit probes none"):
        check(policy, AUDIT)
    named = GateConfig(rules=(GateRule(id="r", metric="mis_delta", max=0.1, quantizers=("int9",)),))
    with pytest.raises(ConfigError, match="quantizers: 'int9' is not probed in this audit; did you mean 'int8'"):
        check(named, PROBED)


def test_a_prediction_of_few_candidates_passes_no_limit_and_can_fail_one() -> None:
    def of(log: float) -> QuantizerMis:
        return quantizer(leakage=replace(leakage(log, 0.1), law="candidates"))

    verdict = judged(of(-12.0), limit=0.01)
    assert verdict.outcome == "inconclusive"
    assert "candidates" in verdict.rules[0].reason
    assert judged(of(-1.0), limit=0.01).outcome == "fail"
