"""Few evaluation records, or far more training records: a status says what is missing, no figure says safe."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from harness.errors import InputError
from harness.mis import QuantizerMis, estimate
from harness.types import FloatArray
from tests.mis.simulated import rivals

LAWS: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "near rivals": lambda rng, points: rivals(rng, [0.1, 0.2], points),
    "far rivals": lambda rng, points: rivals(rng, [3.0, 4.0], points),
    "no record prefers a rival": lambda rng, points: np.stack([np.zeros(points), 0.1 + rng.random(points)]),
}
NOTHING: dict[str, Callable[[FloatArray], FloatArray]] = {
    "one candidate": lambda x: x[None],
    "duplicates": lambda x: np.stack([x, x, x]),
    "rivals worse by a constant": lambda x: np.stack([x, x + 0.5, x + 2.0]),
    "constant rows": lambda x: np.stack([0.0 * x, 0.0 * x + 1.0]),
}


def one(losses: FloatArray, *, n: int) -> QuantizerMis:
    result = estimate({"q": losses}, n=n, draws=100)[0]
    row = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (row["mis_predicted"] is None) == (result.leakage.mis is None)
    return result


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("points", [4, 5, 10, 20, 29])
def test_fewer_than_thirty_records_say_how_many_are_needed(law: str, points: int) -> None:
    for n in (2, 100, 10**9):
        result = one(LAWS[law](np.random.default_rng(points), points), n=n)
        assert (result.leakage.status, result.leakage.mis) == ("too_few_records", None)
        assert result.leakage.needed_records is not None
        assert result.leakage.needed_records >= max(30, 0.96 * n)
        assert (result.leakage.delta.low, result.leakage.delta.high) == (0.0, 1.0)
        assert result.r.low == 0.0
        assert result.status in ("unresolved", "ref_not_minimiser")
        assert "few_points" in result.flags


def test_fewer_than_thirty_records_order_no_quantizers() -> None:
    rng = np.random.default_rng(0)
    for points, is_ordered in ((29, False), (30, True)):
        table = {"far": rivals(rng, [3.0], points), "near": rivals(rng, [0.1], points)}
        for result in estimate(table, n=100, draws=100):
            assert bool(result.differences) == bool(result.rank_probabilities) == is_ordered


@pytest.mark.parametrize("points", [1, 2, 3])
def test_too_few_records_for_a_spread_are_refused_with_the_number_needed(points: int) -> None:
    with pytest.raises(InputError, match=rf"losses/q: {points} evaluation record\(s\), at least 4 are needed"):
        one(np.zeros((2, points)), n=100)


def test_a_training_set_of_one_record_is_refused() -> None:
    with pytest.raises(InputError, match="n=1: the training set needs at least 2 records"):
        one(rivals(np.random.default_rng(0), [0.1], 100), n=1)


@pytest.mark.parametrize("law", NOTHING)
@pytest.mark.parametrize("points", [4, 400])
@pytest.mark.parametrize("n", [2, 100, 10**30])
def test_where_nothing_was_probed_no_figure_says_so(law: str, points: int, n: int) -> None:
    result = one(NOTHING[law](np.random.default_rng(3).standard_normal(points)), n=n)
    assert (result.leakage.mis, result.leakage.is_probed) == (None, False)
    assert (result.leakage.delta.low, result.leakage.delta.high) == (0.0, 1.0)
    assert (result.r.low, result.r.resolvable) == (0.0, False)
    assert result.status in ("single_candidate", "never_beaten")
    row = result.to_json()
    assert (row["mis_predicted"], row["r"], row["leakage"]["delta"]["value"]) == (None, None, None)  # type: ignore[index]


@pytest.mark.parametrize("n", [10**9, 10**12, 10**30])
def test_training_sets_beyond_a_thousand_million_give_no_figure_that_says_safe(n: int) -> None:
    for seed, gaps in enumerate(([0.0], [0.02, 0.05], [0.1] * 20, [0.5, 0.6])):
        result = one(rivals(np.random.default_rng(seed), gaps, 1000), n=n)
        assert result.leakage.mis is None
        assert result.leakage.status == "unresolved"
        assert result.leakage.needed_records == math.ceil(0.96 * n)
        assert "few_points" in result.flags
        assert not any(map(math.isnan, result.leakage.logs))
