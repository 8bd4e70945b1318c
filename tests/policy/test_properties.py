"""What holds for any results: a pass is earned by every bound, and neither order nor controls decide."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import GateConfig, GateRule
from harness.policy import judge
from harness.results import ArtifactResult, Measures, Parity, Result
from harness.types import Estimate, View, rate_key
from tests.policy.sample import findings

RULES = (
    GateRule(max=0.6),
    GateRule(metric="tpr_at_fpr", at_fpr=0.01, max=0.3),
    GateRule(max_increase=0.1),
    GateRule(max_flip_share=0.05),
)
POLICY = GateConfig(rules=RULES)
FIGURES = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.59, 0.6, 0.61, 0.8, 0.9, 0.95])
# Low figures pass, which random ones rarely do all together; the odd ones are what damaged files hold.
ANY = st.one_of(FIGURES, st.floats(0, 0.1), st.sampled_from([math.nan, math.inf, -math.inf]))


def estimates(figures: st.SearchStrategy[float]) -> st.SearchStrategy[Estimate]:
    ordered = st.lists(figures, min_size=3, max_size=3).map(sorted)
    return st.builds(
        lambda ends, resolvable: Estimate(ends[1], ends[0], ends[2], 800, "delong", resolvable=resolvable),
        ordered,
        st.sampled_from([True, True, True, False]),
    )


def measures(figures: st.SearchStrategy[float]) -> st.SearchStrategy[Measures]:
    one = estimates(figures)
    return st.builds(
        Measures,
        auc=one,
        balanced_accuracy=one,
        tpr_at_fpr=st.dictionaries(st.sampled_from([rate_key(0.01), rate_key(0.05)]), one),
        epsilon_lower=one,
        versus_original=st.one_of(st.none(), one),
    )


def results(figures: st.SearchStrategy[float] = ANY, *, control: bool | None = None) -> st.SearchStrategy[Result]:
    views = st.sampled_from(
        [
            View("NR", "rmia", ("original",), "litert"),
            View("NR", "rmia", ("int8",), "litert"),
            View("NR", "rmia", ("int8",), "onnx"),
            View("SR", "sr2-rf", ("original", "int8"), "litert"),
        ]
    )
    return st.builds(
        lambda view, own, simultaneous, is_control: Result(
            view=view,
            trained_on="shadows",
            n_members=400,
            n_nonmembers=400,
            simultaneous=simultaneous,
            versus_attack=None,
            is_control=is_control,
            threshold=math.nan,
            shadow_auc=math.nan,
            **vars(own),
        ),
        views,
        measures(figures),
        measures(figures),
        st.booleans() if control is None else st.just(control),
    )


def artifacts(*, control: bool | None = None) -> st.SearchStrategy[ArtifactResult]:
    parity = st.builds(Parity, st.sampled_from([0.1, 0.1, math.nan]), st.integers(0, 60), st.sampled_from([0, 800]))
    return st.builds(
        ArtifactResult,
        variant=st.sampled_from(["original", "int8"]),
        runtime=st.sampled_from(["litert", "onnx"]),
        is_control=st.booleans() if control is None else st.just(control),
        parity=st.one_of(st.none(), parity),
    )


def metric(rule: GateRule, of: Measures) -> Estimate | None:
    if rule.kind == "max_increase":
        return of.versus_original
    return of.auc if rule.at_fpr is None else of.tpr_at_fpr.get(rate_key(rule.at_fpr))


@settings(deadline=None, max_examples=200)
@given(found=st.lists(results(), max_size=4), low=st.lists(results(FIGURES.filter(lambda x: x <= 0.1)), max_size=3))
def test_a_pass_has_every_judged_upper_bound_within_the_limit(found: list[Result], low: list[Result]) -> None:
    for rule, outcome in zip(RULES[:3], judge(findings(*found, *low), [], POLICY).rules, strict=False):
        if outcome.outcome != "pass":
            continue
        judged = [one for one in (*found, *low) if not one.is_control]
        if rule.kind == "max_increase":
            judged = [one for one in judged if one.variants != ("original",)]
        assert judged
        for one in judged:
            bound = metric(rule, one)
            assert bound is not None
            assert bound.resolvable
            assert math.isfinite(bound.value)
            assert math.isfinite(bound.low)
            assert bound.high <= rule.limit


@settings(deadline=None, max_examples=200)
@given(found=st.lists(results(), max_size=5))
def test_a_fail_has_a_corrected_lower_bound_above_the_limit(found: list[Result]) -> None:
    for rule, outcome in zip(RULES[:3], judge(findings(*found), [], POLICY).rules, strict=False):
        if outcome.outcome == "fail":
            bounds = [metric(rule, one.simultaneous) for one in found if not one.is_control]
            assert any(bound is not None and bound.low > rule.limit for bound in bounds)


@settings(deadline=None, max_examples=200)
@given(found=st.lists(results(), max_size=5), compared=st.lists(artifacts(), max_size=4), data=st.data())
def test_the_verdict_does_not_depend_on_the_order_of_results(
    found: list[Result], compared: list[ArtifactResult], data: st.DataObject
) -> None:
    verdict = judge(findings(*found), compared, POLICY)
    shuffled = findings(*data.draw(st.permutations(found)))
    # As text, where NaN equals itself.
    assert repr(judge(shuffled, data.draw(st.permutations(compared)), POLICY)) == repr(verdict)


@settings(deadline=None, max_examples=200)
@given(
    found=st.lists(results(), max_size=4),
    compared=st.lists(artifacts(), max_size=3),
    control=results(control=True),
    copy=artifacts(control=True),
)
def test_a_control_changes_nothing(
    found: list[Result], compared: list[ArtifactResult], control: Result, copy: ArtifactResult
) -> None:
    verdict = judge(findings(*found), compared, POLICY)
    assert repr(judge(findings(*found, control), [*compared, copy], POLICY)) == repr(verdict)


@pytest.mark.parametrize("field", ["value", "low", "high", "level"])
@pytest.mark.parametrize("rule", RULES[:3], ids=lambda rule: rule.id)
@settings(deadline=None, max_examples=20)
@given(drawn=st.lists(results(control=False), min_size=1, max_size=4), data=st.data())
def test_nan_anywhere_is_never_a_pass(rule: GateRule, field: str, drawn: list[Result], data: st.DataObject) -> None:
    low = Estimate(0.05, 0.0, 0.06, 800, "delong")
    judged = [of_compressed(one, low) for one in drawn]
    policy = GateConfig(rules=(rule,))
    assert judge(findings(*judged), [], policy).outcome == "pass"
    place = data.draw(st.integers(0, len(judged) - 1))
    judged[place] = of_compressed(drawn[place], Estimate(**vars(low) | {field: math.nan}))
    assert judge(findings(*judged), [], policy).outcome != "pass"


def of_compressed(result: Result, estimate: Estimate) -> Result:
    """The result as one of a compressed variant, with this estimate for every judged figure."""
    figures: dict[str, Any] = {"auc": estimate, "tpr_at_fpr": {rate_key(0.01): estimate}, "versus_original": estimate}
    view = View("NR", "rmia", ("int8",), result.runtime)
    return replace(result, view=view, simultaneous=replace(result.simultaneous, **figures), **figures)
