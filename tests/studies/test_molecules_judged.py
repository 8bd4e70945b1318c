"""How the molecules study judges: taus, intervals over tasks, verdicts on generators and claims."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, ttest_1samp

from harness.types import Estimate
from studies.mis_molecules.agreement import over_tasks, tau
from studies.mis_molecules.attacker import ATTACKERS
from studies.mis_molecules.case import ORDERS
from studies.mis_molecules.claims import claims
from studies.mis_molecules.judged import judged, taus_by_representation
from studies.mis_molecules.pairs import CLAIMS, CRITERIA
from studies.mis_molecules.predictions import GENERATORS

Row = dict[str, Any]


def test_tau_is_that_of_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        key, table = rng.integers(5, size=9).astype(float), rng.integers(6, size=(3, 9)).astype(float)
        expected = [kendalltau(key, row).statistic for row in table]
        assert tau(key, table) == pytest.approx(expected)
    assert tau(np.zeros(4), np.arange(4.0)[None])[0] == 0.0  # no order agrees with none
    unprobed = np.array([math.nan, 1.0, 2.0, 3.0])
    assert tau(unprobed, np.array([[9.0, 1, 2, 3]]))[0] == pytest.approx(3 / math.sqrt(6 * 3))


def test_interval_over_tasks_is_students() -> None:
    values = [0.3, 0.5, 0.1, 0.4]
    found = over_tasks(values, level=0.9)
    expected = ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert (found.low, found.high, found.n) == pytest.approx((expected.low, expected.high, 4))
    assert over_tasks([0.9, 1.0, math.nan], level=0.95, within=(-1, 1)).high == 1.0
    assert not over_tasks([0.4, math.nan], level=0.95).resolvable


def estimate(value: float, low: float, high: float) -> Row:
    return Estimate(value, low, high, 64, "made").to_json()


def case_of(task: str, *, taus: dict[str, float], gaps: dict[str, float], predicted: float, measured: float) -> Row:
    """A case with one quantizer with codes and one without."""
    rows = [
        {
            "quantizer": name,
            "is_finite": name == "sign",
            "predicted": {
                generator: {"delta": estimate(predicted, 0.9 * predicted, 1.1 * predicted), "status": "ok"}
                for generator in GENERATORS
            },
            "attack": dict.fromkeys(ATTACKERS, estimate(measured, 0.9 * measured, 1.1 * measured)),
        }
        for name in ("sign", "float")
    ]
    answers = [
        {
            "claim": claim,
            "quantizer": name,
            "other": other,
            "by": {
                criterion: {"gap": gaps.get(other, 0.1), "answer": "safer" if gaps.get(other, 0.1) > 0 else "less safe"}
                for criterion in CRITERIA
            },
        }
        for claim, (name, others) in CLAIMS.items()
        for other in others
    ]
    return {
        "task": task,
        "representation": "both",
        "taus": {order: {"value": taus.get(order, 0.5)} for order in ORDERS},
        "rows": rows,
        "answers": answers,
    }


def cases_of(noise: float, **changes: Any) -> list[Row]:
    """Seven tasks; values move by the noise from one to the next."""
    moves = noise * np.array([-1.0, 1.0, -0.5, 0.5, -0.2, 0.2, 0.0])
    whole: dict[str, Any] = {"taus": {}, "gaps": {}, "predicted": 0.1, "measured": 0.1} | changes
    return [
        case_of(
            f"task {i}",
            taus={order: value + move for order, value in whole["taus"].items()},
            gaps={other: value + move for other, value in whole["gaps"].items()},
            predicted=whole["predicted"],
            measured=whole["measured"],
        )
        for i, move in enumerate(moves)
    ]


@pytest.mark.parametrize(
    ("own", "noise", "verdict"), [(0.9, 0.05, "better"), (0.1, 0.05, "worse"), (0.6, 0.3, "not resolved")]
)
def test_an_order_beats_a_baseline_only_where_the_paired_difference_is_resolved(
    own: float, noise: float, verdict: str
) -> None:
    rows = {row["order"]: row for row in judged(cases_of(noise, taus={"coordinates": own}), level=0.95)}
    against = rows["coordinates"]["against"]["bits"]
    assert against["verdict"] == verdict
    assert against["difference"]["value"] == pytest.approx(own - 0.5)
    assert against["difference"]["level"] > 0.99  # corrected for the orders that are judged
    assert rows["bits"]["against"] == {}
    table = taus_by_representation(cases_of(noise, taus={"coordinates": own}), level=0.95)
    assert table["both"]["coordinates"]["value"] == pytest.approx(own)


def test_a_prediction_is_contradicted_where_the_attackers_interval_lies_above_it() -> None:
    rows = {row["order"]: row for row in judged(cases_of(0.0, predicted=0.05, measured=0.1), level=0.95)}
    assert rows["refits"]["codes"]["contradicted"] == rows["refits"]["codes"]["count"] == 7
    assert rows["refits"]["codes"]["ratio"] == pytest.approx([0.5, 0.5, 0.5])
    assert rows["refits"]["floats"]["count"] == 7  # apart
    assert "codes" not in rows["r"]
    rows = {row["order"]: row for row in judged(cases_of(0.0, predicted=0.09, measured=0.1), level=0.95)}
    assert rows["refits"]["codes"]["contradicted"] == 0  # the intervals overlap


def test_what_was_not_probed_is_counted_and_compared_with_nothing() -> None:
    cases = cases_of(0.0)
    nothing = Estimate(math.nan, 0.0, 1.0, 64, "made", resolvable=False).to_json()
    for case in cases:
        case["rows"][0]["predicted"]["trajectory"] = {"delta": nothing, "status": "single_candidate"}
    codes = next(row for row in judged(cases, level=0.95) if row["order"] == "trajectory")["codes"]
    assert (codes["unprobed"], codes["contradicted"], codes["ratio"]) == (7, 0, None)


def verdict_of(cases: list[Row], claim: str = "sparse") -> Row:
    return next(row for row in claims(cases, level=0.95) if (row["claim"], row["criterion"]) == (claim, "trained"))


def test_a_claim_about_all_others_holds_only_against_each_of_them() -> None:
    held = verdict_of(cases_of(0.02, gaps={"sign": 0.05}))
    assert (held["verdict"], held["closest"]) == ("holds", "sign")
    assert held["tasks"] == {"holds": 7, "does not hold": 0, "not resolved": 0}
    close = verdict_of(cases_of(0.2, gaps={"sign": 0.05}))
    assert (close["verdict"], close["closest"]) == ("not resolved", "sign")
    refuted = verdict_of(cases_of(0.02, gaps={"uniform-2": -0.1}))
    # In shares of the 0.1 that the attacker reaches on the float.
    assert (refuted["verdict"], refuted["closest"], refuted["gap"]["value"]) == (
        "does not hold",
        "uniform-2",
        pytest.approx(-1.0),
    )


def test_tasks_without_a_gap_are_left_out_and_counted() -> None:
    cases = cases_of(0.01, gaps={"sign": 0.2})
    for case in cases[:3]:
        for row in case["answers"]:
            row["by"]["trained"] = {"gap": None, "answer": "not resolved"}
    found = verdict_of(cases, "sign")
    assert found["gap"]["n"] == 4
    assert found["tasks"]["not resolved"] == 3
