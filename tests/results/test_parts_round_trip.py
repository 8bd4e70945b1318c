"""What was found of parts of the records, of single records and of privacy survives writing and reading."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.results import (
    CanaryBound,
    CanaryFindings,
    PrivacyBound,
    PrivacyFindings,
    RecordFindings,
    RecordReading,
    RecordResult,
    Slice,
    SlicedView,
    SliceFindings,
    SliceResult,
)
from harness.types import Estimate, View, rate_key
from tests.results.test_round_trip import (
    CORRECTIONS,
    COUNTS,
    FIGURES,
    NODES,
    RATES,
    TEXTS,
    UNKNOWN_TOO,
    VIEWS,
    rates,
    survives,
)

PARTS = st.builds(Slice, TEXTS, TEXTS, COUNTS, COUNTS)
BY_RATE = st.dictionaries(RATES.map(rate_key), rates(), max_size=2)
SLICED = st.builds(
    SlicedView,
    VIEWS,
    st.sampled_from(["shadows", "order"]),
    UNKNOWN_TOO,
    st.lists(st.builds(SliceResult, PARTS, UNKNOWN_TOO, BY_RATE, UNKNOWN_TOO, BY_RATE), max_size=3).map(tuple),
)
FOUND: dict[str, st.SearchStrategy[Any]] = {
    "slices": st.builds(
        SliceFindings,
        COUNTS,
        st.lists(SLICED, max_size=2).map(tuple),
        st.lists(PARTS, max_size=2).map(tuple),
        st.dictionaries(TEXTS, CORRECTIONS, max_size=2),
    ),
    "records": st.builds(
        RecordFindings,
        st.lists(VIEWS, max_size=2).map(tuple),
        COUNTS,
        COUNTS,
        st.lists(
            st.builds(
                RecordResult,
                COUNTS,
                COUNTS,
                st.booleans(),
                st.lists(st.builds(RecordReading, FIGURES, UNKNOWN_TOO), max_size=2).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
    ),
    "privacy": st.builds(
        PrivacyFindings,
        FIGURES,
        FIGURES,
        st.lists(st.builds(PrivacyBound, VIEWS, UNKNOWN_TOO, UNKNOWN_TOO, UNKNOWN_TOO), max_size=2).map(tuple),
        st.none()
        | st.builds(
            CanaryFindings,
            COUNTS,
            COUNTS,
            FIGURES,
            TEXTS,
            st.lists(st.builds(CanaryBound, VIEWS, UNKNOWN_TOO, TEXTS), max_size=2).map(tuple),
        ),
    ),
}


@pytest.mark.parametrize("kind", FOUND)
@given(data=st.data())
@settings(max_examples=50)
def test_findings_survive_writing_and_reading(kind: str, data: st.DataObject) -> None:
    assert survives(data.draw(FOUND[kind]))


@given(NODES)
def test_any_object_is_read_and_what_it_lacks_is_unknown(node: dict[str, Any]) -> None:
    assert SliceFindings.from_json({"views": [node]}).views == ()
    assert PrivacyFindings.from_json({"bounds": [node]}).bounds == ()
    assert RecordFindings.from_json({"views": [node], "records": "none"}).records == ()
    for kind in (SlicedView, PrivacyBound, CanaryBound):
        with pytest.raises(InputError, match="names no attack"):
            kind.from_json(node)


def sliced(*aucs: tuple[float, float], whole: float = 0.6) -> SlicedView:
    """A view with slices of these lower ends and values."""
    results = tuple(
        SliceResult(Slice("class", str(k), 30, 30), Estimate.unknown(), {}, Estimate(value, low, math.nan, 60, "x"), {})
        for k, (low, value) in enumerate(aucs)
    )
    return SlicedView(View("NR", "rmia", ("original",)), "shadows", Estimate(whole, 0.5, whole, 99, "x"), results)


@pytest.mark.parametrize(
    ("slices", "value"),
    [
        ([(0.55, 0.9)], None),
        ([(0.61, 0.7), (0.65, 0.68), (0.59, 0.99)], "1"),
        ([(math.nan, 0.9)], None),
        ([], None),
    ],
    ids=["its interval overlaps", "the largest lower end", "no interval", "no slice"],
)
def test_the_worst_slice_lies_above_the_whole_for_certain(slices: list[tuple[float, float]], value: str | None) -> None:
    worst = SliceFindings(25, (sliced(*slices),), (), {}).worst()
    assert (None if worst is None else worst[1].part.value) == value
