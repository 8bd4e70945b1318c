"""What a stage found is the same after it was written down and read back, whatever it found."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.results import (
    ArtifactResult,
    AttackFindings,
    Comparison,
    Increase,
    Latency,
    Leakage,
    Measures,
    MisFindings,
    NullSummary,
    Parity,
    QuantizerMis,
    Result,
    Simultaneous,
    Skipped,
    Witness,
)
from harness.types import Adversary, Estimate, TprEstimate, View, rate_key

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,8}", fullmatch=True)
TEXTS = st.text(max_size=12)
COUNTS = st.integers(0, 2**40)
FINITE = st.floats(-1e12, 1e12)
# What a file calls null, a figure that is not known.
FIGURES = FINITE | st.just(math.nan)
RATES = st.floats(0, 1)
LEVELS = st.sampled_from([0.9, 0.95, 0.99])
NODES = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(0, 99) | FINITE | TEXTS, max_size=3)


def same(one: Any, other: Any) -> bool:
    """Equality in which NaN equals NaN, also within types that are compared by identity."""
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        names = [field.name for field in dataclasses.fields(one)]
        return type(one) is type(other) and all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return bool(one == other)


def written(value: Any) -> Any:
    """The JSON of a result as a file would give it back; a file holds no NaN."""
    return json.loads(json.dumps(value.to_json(), allow_nan=False))


def survives(value: Any) -> bool:
    return same(value, type(value).from_json(written(value)))


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    """Known figures, and the statement that n cannot give one."""
    resolvable = draw(st.booleans())
    return Estimate(
        value=draw(FINITE) if resolvable else math.nan,
        low=draw(FIGURES),
        high=draw(FIGURES),
        n=draw(COUNTS),
        method=draw(TEXTS),
        level=draw(LEVELS),
        resolvable=resolvable,
        needed_n=None if resolvable else draw(st.none() | COUNTS),
    )


@st.composite
def rates(draw: st.DrawFn) -> TprEstimate:
    plain = draw(estimates())
    return TprEstimate(
        **dataclasses.asdict(plain),
        fpr=draw(RATES),
        false_positives=draw(COUNTS),
        threshold=draw(FINITE | st.just(math.inf)),
        at_threshold=(draw(FIGURES), draw(FIGURES)),
        tied=draw(RATES),
    )


UNKNOWN_TOO = estimates() | st.builds(Estimate.unknown)
VIEWS = st.builds(
    View,
    adversary=st.sampled_from(get_args(Adversary)),
    attack=NAMES,
    variants=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    runtime=st.sampled_from(["", "litert", "onnx"]),
    device=st.sampled_from(["", "local", "grpc://127.0.0.1:50051"]),
)
MEASURES: dict[str, st.SearchStrategy[Any]] = {
    "auc": UNKNOWN_TOO,
    "balanced_accuracy": UNKNOWN_TOO,
    "epsilon_lower": UNKNOWN_TOO,
    "tpr_at_fpr": st.dictionaries(RATES.map(rate_key), rates(), max_size=2),
    "versus_original": st.none() | estimates(),
}
RESULTS = st.builds(
    Result,
    **MEASURES,
    view=VIEWS,
    trained_on=st.sampled_from(["shadows", "members"]),
    n_members=COUNTS,
    n_nonmembers=COUNTS,
    simultaneous=st.builds(Measures, **MEASURES),
    versus_attack=st.none() | NAMES,
    is_control=st.booleans(),
    threshold=FIGURES,
    shadow_auc=FIGURES,
    design_effect=st.floats(1.0, 5.0),
    references=COUNTS,
    chosen=st.dictionaries(NAMES, TEXTS | FINITE | COUNTS, max_size=3),
    cut_note=TEXTS,
)
INCREASES = st.builds(
    Increase,
    view=VIEWS,
    against=NAMES,
    difference=UNKNOWN_TOO,
    simultaneous=UNKNOWN_TOO,
    is_control=st.booleans(),
)
CORRECTIONS = st.builds(Simultaneous, figures=COUNTS, level=FIGURES, pointwise=FIGURES, z=FIGURES, bonferroni_z=FIGURES)
SKIPPED = st.builds(Skipped, VIEWS, TEXTS)
SUMMARIES = st.builds(
    NullSummary,
    attacks=COUNTS,
    n_members=COUNTS,
    n_nonmembers=COUNTS,
    level=FIGURES,
    permutations=COUNTS,
    missing=st.lists(TEXTS, max_size=3).map(tuple),
    miss_share=FIGURES,
    null_share=FIGURES,
    null_quantile=FIGURES,
    p_value=FIGURES,
    max_z=FIGURES,
    critical_z=FIGURES,
    max_z_p_value=FIGURES,
    holds=st.booleans(),
)
PARITIES = st.builds(Parity, FINITE, COUNTS, st.integers(1, 2**40), TEXTS)
LATENCIES = st.builds(
    Latency,
    p50_ns=estimates(),
    p95_ns=UNKNOWN_TOO,
    runs=COUNTS,
    throttled=st.booleans(),
    batch_size=st.integers(1, 64),
    threads=st.integers(1, 64),
    p90_ns=st.none() | estimates(),
    p99_ns=st.none() | estimates(),
    rounds=st.integers(1, 64),
    throttled_because=st.lists(TEXTS, max_size=2).map(tuple),
    ratio=st.none() | estimates(),
    not_compared=TEXTS,
    cold_load_ns=st.none() | COUNTS,
    first_inference_ns=st.none() | COUNTS,
    peak_bytes=st.none() | COUNTS,
    added_bytes=st.none() | COUNTS,
)
ARTIFACTS = st.builds(
    ArtifactResult,
    variant=NAMES,
    runtime=st.sampled_from(["", "litert"]),
    is_control=st.booleans(),
    sha256=TEXTS,
    size_bytes=st.none() | COUNTS,
    zip_bytes=st.none() | COUNTS,
    share_zeros=st.none() | RATES,
    weights=st.lists(NODES, max_size=2).map(tuple),
    outputs=TEXTS,
    accuracy_members=st.none() | estimates(),
    accuracy_nonmembers=st.none() | estimates(),
    parity=st.none() | PARITIES,
    latency=st.none() | LATENCIES,
    telemetry=st.dictionaries(NAMES, NODES, max_size=2),
)
LEAKAGES = st.builds(
    Leakage,
    estimates(),
    st.tuples(FIGURES, FINITE | st.just(-math.inf), FINITE),
    TEXTS,
    TEXTS,
    st.none() | COUNTS,
    FIGURES,
    st.none() | estimates(),
)
COMPARISONS = st.builds(Comparison, estimates())
WITNESSES = st.builds(Witness, TEXTS, TEXTS, TEXTS, estimates())


@st.composite
def quantizers(draw: st.DrawFn) -> QuantizerMis:
    """One that was probed, or one of a single candidate: its r is infinite and not resolvable."""
    n_eval, method, level = draw(COUNTS), draw(st.sampled_from(["gauss", "chernoff"])), draw(LEVELS)
    if draw(st.booleans()):
        r = Estimate(draw(FINITE), draw(FIGURES), draw(FIGURES), n_eval, method, level)
    else:
        r = Estimate(math.inf, 0.0, math.inf, n_eval, method, level, resolvable=False)
    return QuantizerMis(
        quantizer=draw(NAMES),
        n=draw(st.integers(0, 2**20)),
        method=method,
        r=r,
        r_naive=draw(FIGURES),
        r_chernoff=draw(FIGURES),
        r_floor=draw(FIGURES),
        leakage=draw(LEAKAGES),
        k=draw(COUNTS),
        k_eff=draw(COUNTS),
        n_eval=n_eval,
        regime=draw(st.sampled_from(["tail", "moderate", "local"])),
        status=draw(TEXTS),
        flags=draw(st.lists(TEXTS, max_size=2).map(tuple)),
        rank_probabilities=draw(st.lists(RATES, max_size=3).map(tuple)),
        differences=draw(st.dictionaries(NAMES, estimates(), max_size=2)),
        comparisons=draw(st.dictionaries(NAMES, COMPARISONS, max_size=2)),
        witness=draw(st.none() | WITNESSES),
    )


EVERY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "Estimate": estimates(),
    "TprEstimate": rates(),
    "View": VIEWS,
    "Measures": st.builds(Measures, **MEASURES),
    "Result": RESULTS,
    "Skipped": SKIPPED,
    "NullSummary": SUMMARIES,
    "Increase": INCREASES,
    "Simultaneous": CORRECTIONS,
    "AttackFindings": st.builds(
        AttackFindings,
        st.lists(RESULTS, max_size=2).map(tuple),
        st.lists(SKIPPED, max_size=2).map(tuple),
        st.none() | SUMMARIES,
        st.lists(INCREASES, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from(["", "litert", "onnx"]), CORRECTIONS, max_size=2),
    ),
    "Parity": PARITIES,
    "Latency": LATENCIES,
    "ArtifactResult": ARTIFACTS,
    "Leakage": LEAKAGES,
    "Comparison": COMPARISONS,
    "Witness": WITNESSES,
    "QuantizerMis": quantizers(),
    "MisFindings": st.builds(
        MisFindings, st.lists(quantizers(), max_size=2).map(tuple), COUNTS, COUNTS, TEXTS, st.sampled_from(["", "onnx"])
    ),
}


@pytest.mark.parametrize("name", EVERY_TYPE)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_result_survives_its_file(name: str, data: st.DataObject) -> None:
    value = data.draw(EVERY_TYPE[name])
    assert type(value).__name__ == name
    assert survives(value)


@pytest.mark.parametrize("value", [None, "0.5", [], {}, {"low": 0.1}, math.nan, True])
def test_where_there_is_no_value_there_is_no_estimate(value: object) -> None:
    assert Estimate.from_json(value) is None
    assert TprEstimate.from_json(value) is None


def test_a_number_alone_is_an_estimate_without_an_interval() -> None:
    estimate = Estimate.from_json(0.5)
    assert estimate is not None
    assert (estimate.value, estimate.n, estimate.is_known) == (0.5, 0, True)
    assert math.isnan(estimate.low)
    assert not estimate.holds(0.5), "an interval that is not known holds nothing"


def test_that_n_cannot_say_is_an_answer() -> None:
    estimate = Estimate.from_json({"value": None, "resolvable": False, "needed_n": 1000})
    assert estimate is not None
    assert estimate.is_known
    assert estimate.needed_n == 1000
    assert not Estimate.unknown().is_known


def test_infinity_is_written_as_unknown_and_never_as_a_number() -> None:
    """A lower bound has no upper end."""
    bound = Estimate(0.5, 0.5, math.inf, 10, "search")
    again = Estimate.from_json(written(bound))
    assert again is not None
    assert (again.value, again.low) == (0.5, 0.5)
    assert math.isnan(again.high)


@given(NODES | st.none() | st.integers() | TEXTS)
def test_whatever_a_file_holds_can_be_read_and_written_again(node: object) -> None:
    holder = node if isinstance(node, Mapping) else {"results": node, "artifacts": node, "r": node, "p50_ns": node}
    for value in (
        Measures.from_json(holder), ArtifactResult.from_json(holder), Leakage.from_json(holder),
        QuantizerMis.from_json(holder), MisFindings.from_json(holder), AttackFindings.from_json(holder),
    ):  # fmt: skip
        json.dumps(value.to_json(), allow_nan=False)


def test_a_rate_of_which_half_is_missing_can_be_written_again() -> None:
    rate = TprEstimate.from_json({"value": 0.5})
    assert rate is not None
    json.dumps(rate.to_json(), allow_nan=False)


@pytest.mark.parametrize("key", ["results", "skipped", "increases"])
def test_a_row_that_names_no_attack_is_refused(key: str) -> None:
    """The gate judges these: a row that is left out would be a limit that nothing breaks."""
    with pytest.raises(InputError, match="adversary"):
        AttackFindings.from_json({key: [{"attack": "rmia"}]})


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 10**400, [], {}, True])
def test_what_an_attack_chose_is_a_text_or_a_finite_number(value: object) -> None:
    result = Result.from_json({"adversary": "NR", "attack": "rmia", "chosen": {"a": 0.3, "b": "lr", "c": value}})
    assert result.chosen == {"a": 0.3, "b": "lr"}


def test_a_correction_of_correlated_figures_says_how_much_shorter_its_intervals_are() -> None:
    assert Simultaneous(100, 0.95, 0.998, z=3.0, bonferroni_z=4.0).gain == 0.25
    assert Simultaneous(0, math.nan, math.nan, math.nan, math.nan).gain == 0.0
