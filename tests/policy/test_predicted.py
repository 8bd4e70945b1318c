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
from harness.results import LogDelta, MisFindings, QuantizerMis
from harness.types import Estimate
from tests.policy.sample import AUDIT, findings

PROBED = replace(AUDIT, quantizers=("fp32", "int8"))


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
        "log_delta": LogDelta(-n_r, -n_r, None),
        "mis_predicted": 1.0 - math.exp(-n_r),
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


@pytest.mark.parametrize("status", ["tie", "ref_not_minimiser", "unresolved", "never_beaten", "extrapolated", ""])
def test_any_status_but_ok_is_no_pass(status: str) -> None:
    verdict = judged(quantizer(status=status))
    assert verdict.outcome == "inconclusive"
    assert "status" in verdict.rules[0].reason


@pytest.mark.parametrize("flag", ["not_erm", "gauss_optimistic", "heavy_tails", "few_points"])
def test_a_doubt_is_no_pass(flag: str) -> None:
    assert judged(quantizer(flags=(flag,))).outcome == "inconclusive"
    assert judged(quantizer(n_r=2.5, half=0.3, flags=(flag,))).outcome == "fail"


def test_where_the_indicator_orders_nothing_nothing_passes() -> None:
    verdict = judged(quantizer(n_r=6.0, half=5.0), limit=0.9)
    assert verdict.outcome == "inconclusive"
    assert "n r may lie below 2" in verdict.rules[0].reason


def test_a_quantizer_that_was_not_probed_has_no_figure() -> None:
    alone = quantizer(status="single_candidate", r=Estimate(math.inf, math.nan, math.inf, 600, "", resolvable=False))
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
        assert 0.0 <= case.estimate.low <= case.estimate.value <= case.estimate.high <= 1.0 - 1.0 / 12


def test_a_rule_is_refused_where_no_quantizer_is_probed() -> None:
    policy = GateConfig(rules=(GateRule(id="r", metric="mis_delta", max=0.1),))
    check(policy, PROBED)
    with pytest.raises(ConfigError, match="this audit probes none"):
        check(policy, AUDIT)
    named = GateConfig(rules=(GateRule(id="r", metric="mis_delta", max=0.1, quantizers=("int9",)),))
    with pytest.raises(ConfigError, match="quantizers: 'int9' is not probed in this audit; did you mean 'int8'"):
        check(named, PROBED)
