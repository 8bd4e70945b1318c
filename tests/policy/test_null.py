"""Null twins: broken calibration fails, and a figure that is not known never passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.policy import judge_null, judge_pooled
from harness.results import NullSummary, PooledNull

POOLED = PooledNull(audits=3, tests=240, misses=12, level=0.95, null_share=0.05, null_quantile=0.12, p_value=0.4)


def summary(**figures: float | None) -> NullSummary | None:
    whole: dict[str, float | None] = {
        "attacks": 80,
        "miss_share": 0.04,
        "null_quantile": 0.2,
        "p_value": 0.4,
        "max_z_p_value": 0.3,
    }
    return NullSummary.from_json(whole | figures)


@pytest.mark.parametrize(("p", "q", "outcome"), [(0.4, 0.3, "pass"), (0.001, 0.3, "fail"), (0.5, 0.001, "fail")])
def test_null_twin(p: float, q: float, outcome: str) -> None:
    verdict = judge_null(summary(p_value=p, max_z_p_value=q))
    assert verdict.outcome == outcome
    assert verdict.rules[0].id == "null-twin"
    assert "4.0% of 80 intervals miss 0.5 where chance allows up to 20.0%" in verdict.rules[0].reason


@pytest.mark.parametrize("figure", ["p_value", "max_z_p_value", "miss_share", "null_quantile"])
def test_a_null_twin_with_an_unknown_figure_is_inconclusive(figure: str) -> None:
    assert judge_null(summary(**{figure: None})).outcome == "inconclusive"
    assert judge_null(summary(**{figure: 7.0})).outcome == "inconclusive"


def test_an_unknown_figure_never_hides_a_broken_null_twin() -> None:
    assert judge_null(summary(p_value=None, max_z_p_value=0.001)).outcome == "fail"


def test_a_null_twin_without_attacks_is_inconclusive() -> None:
    assert judge_null(None).outcome == "inconclusive"
    assert judge_null(summary(attacks=0)).outcome == "inconclusive"


@pytest.mark.parametrize(
    ("p", "outcome"), [(0.4, "pass"), (0.01, "pass"), (0.009, "fail"), (float("nan"), "inconclusive")]
)
def test_pooled_null_twins(p: float, outcome: str) -> None:
    verdict = judge_pooled(replace(POOLED, p_value=p))
    assert verdict.outcome == outcome
    assert "5.0% of 240 intervals of 3 audits" in verdict.rules[0].reason


def test_pooled_null_twins_without_attacks_are_inconclusive() -> None:
    assert judge_pooled(replace(POOLED, tests=0, misses=0)).outcome == "inconclusive"
