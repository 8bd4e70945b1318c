"""The pictures: curves are step functions down to one false positive, labels stay apart, any name can be drawn."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.report import ArtifactRow, Curve, Report
from harness.report.pictures import Picture, _labels, leakage, roc
from harness.report.pictures._axes import Axis
from tests.report import sample


def rows(report: dict[str, Any]) -> tuple[ArtifactRow, ...]:
    return Report.from_json(report).artifact_rows()


def roc_of(curves: dict[str, Curve]) -> Picture:
    picture = roc(curves)
    assert picture is not None
    return picture


def leakage_of(report: dict[str, Any]) -> Picture:
    picture = leakage(rows(report))
    assert picture is not None
    return picture


def curve(fpr: list[float], tpr: list[float], n: int = 10, **more: Any) -> Curve:
    return Curve("c", np.array(fpr), np.array(tpr), more.get("low"), more.get("high"), n, n)


def test_steps_hold_until_the_next_threshold() -> None:
    steps = curve([0.0, 0.0, 0.1, 0.3, 1.0], [0.0, 0.2, 0.4, 0.9, 1.0]).steps()
    assert steps.x.tolist() == [0.1, 0.3, 1.0]
    assert steps.y.tolist() == [0.4, 0.9, 1.0]


def test_a_curve_without_a_low_threshold_starts_at_what_holds_there() -> None:
    steps = curve([0.0, 0.5, 1.0], [0.3, 0.6, 1.0]).steps()
    assert steps.x.tolist() == [0.1, 0.5, 1.0]
    assert steps.y.tolist() == [0.3, 0.6, 1.0]
    assert curve([0.5, 1.0], [0.6, 1.0]).steps().y.tolist() == [0.0, 0.6, 1.0]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(2, 1_000_000), st.randoms())
def test_steps_are_the_best_tpr_at_or_below_each_rate(rates: list[float], n: int, random: Any) -> None:
    fpr = sorted(rates)
    tpr = sorted(random.random() for _ in fpr)
    steps = curve(fpr, tpr, n).steps()
    assert steps.x[0] == 1 / n
    assert steps.x[-1] == 1
    for x, y in zip(steps.x, steps.y, strict=True):
        assert y == max((t for f, t in zip(fpr, tpr, strict=True) if f <= x * (1 + 1e-12)), default=0.0)


def test_a_long_curve_is_thinned_without_being_bent() -> None:
    n = 200_000
    fpr = np.arange(n + 1) / n
    long = Curve("c", fpr, np.sqrt(fpr), fpr, np.sqrt(fpr), n, n)
    steps = long.steps()
    assert len(steps.x) <= 400
    # Exact at the drawn rates, which lie evenly on the logarithmic axis: off by less than one threshold.
    assert np.all(steps.y <= np.sqrt(steps.x) + 1e-9)
    assert np.all(steps.y >= np.sqrt(np.maximum(steps.x - 1.01 / n, 0)))
    assert len(roc_of({"c": long}).svg) < 100_000


@pytest.mark.parametrize("n", [3, 400, 5000])
def test_a_thinned_curve_is_drawn_alike_and_comes_back_from_json(n: int) -> None:
    whole = sample.curves(1, n)["curve-0"]
    thin = whole.thinned()
    again = Curve.from_json(json.loads(json.dumps(thin.to_json())))
    assert len(thin.fpr) <= 400
    assert roc_of({"c": whole}).svg == roc_of({"c": thin}).svg == roc_of({"c": again}).svg
    bare = sample.curves(2, n)["curve-1"]
    assert Curve.from_json(bare.to_json()).low is None


@pytest.mark.parametrize(
    "damage",
    [
        {"fpr": None},
        {"tpr": "0.5"},
        {"fpr": [0.0, None, 1.0]},
        {"low": [0.0, float("nan"), 1.0]},
        {"n_members": 0},
        {"n_nonmembers": None},
    ],
)
def test_a_damaged_curve_is_refused(damage: dict[str, Any]) -> None:
    node = curve([0.0, 0.5, 1.0], [0.0, 0.6, 1.0]).to_json()
    Curve.from_json(node)
    with pytest.raises(InputError, match="curve 'c'"):
        Curve.from_json(node | damage)


@pytest.mark.parametrize(
    ("fpr", "tpr", "more"),
    [
        ([0.0, 1.0], [0.0], {}),
        ([], [], {}),
        ([0.0, 1.1], [0.0, 1.0], {}),
        ([0.0, float("nan")], [0.0, 1.0], {}),
        ([1.0, 0.0], [0.0, 1.0], {}),
        ([0.0, 1.0], [0.0, 1.0], {"low": np.array([0.0])}),
        ([0.0, 1.0], [0.0, 1.0], {"n": 0}),
    ],
)
def test_a_broken_curve_is_named(fpr: list[float], tpr: list[float], more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="curve 'c'"):
        curve(fpr, tpr, **more)


def test_the_curve_is_drawn_where_it_belongs() -> None:
    """The diagonal ends in both corners, and a curve on the diagonal's points touches it: read back from the SVG."""
    root = ET.fromstring(roc_of({"c": curve([0.0, 0.1, 1.0], [0.0, 0.1, 1.0])}).svg)  # noqa: S314
    lines = [p.get("d", "") for p in root.iter("path") if p.get("clip-path")]
    points = [np.array([list(map(float, p)) for p in re.findall(r"[ML] ([\d.]+) ([\d.]+)", d)]) for d in lines]
    diagonal, steps = points[-2], points[-1]
    assert diagonal[0] == pytest.approx(steps[0])
    assert diagonal[-1] == pytest.approx(steps[-1])
    # A step goes right first, then up: after the first vertex the height is unchanged.
    assert steps[1][1] == pytest.approx(steps[0][1])


@pytest.mark.parametrize("count", [1, 7, 30])
def test_many_curves_differ_by_more_than_colour(count: int) -> None:
    picture = roc_of(sample.curves(count, n=20))
    signs = [(entry.color, entry.dashes) for entry in picture.legend]
    assert len(signs) == count
    assert len(set(signs)) == min(count, 24)


def test_no_curves_no_picture() -> None:
    assert roc({}) is None
    assert leakage(()) is None


def test_every_artifact_is_drawn_or_named() -> None:
    report = sample.report()
    picture = leakage_of(report)
    assert "cluster-16 (executorch)" in picture.notes[-1]
    names = [(row.artifact.variant, row.artifact.runtime) for row in rows(report)]
    for variant, runtime in names:
        if (variant, runtime) != ("cluster-16", "executorch"):
            assert f"{variant} on {runtime}: " in picture.svg


def test_few_variants_are_named_and_crowds_are_numbered() -> None:
    report = sample.report()
    few = [a for a in report["artifacts"] if a["runtime"] == "litert" and a["variant"] in ("original", "cluster-16")]
    words = ET.fromstring(leakage_of(report | {"artifacts": few}).svg).itertext()  # noqa: S314
    assert {"original", "cluster-16"} <= set(words)
    crowd = leakage_of(report)
    assert crowd.notes[0].startswith("Numbers: 1 original, 2 prune-0.6, ")
    assert {"1", "2", "6"} <= set(ET.fromstring(crowd.svg).itertext())  # noqa: S314


@pytest.mark.parametrize(
    "name", ["$\\frac{$", "_hidden", "模型", "🙂" * 50, "a<b>&\"'", sample.HOSTILE, "", "x" * 10_000]
)
def test_any_name_can_be_drawn(name: str) -> None:
    # One artifact alone: there is room for its name, and it is not numbered.
    report = sample.report()
    report["artifacts"] = report["artifacts"][:1]
    report["artifacts"][0] |= {"variant": name, "runtime": name}
    report["attacks"]["results"][0] |= {"variants": [name], "runtime": name}
    picture = leakage_of(report)
    assert picture.notes == ()
    words = "".join(text.text or "" for text in ET.fromstring(picture.svg).iter("text"))  # noqa: S314
    # A control character becomes a sign that is visible; every other letter is written as it is.
    assert name[:5] in words
    base = sample.curves(1)["curve-0"]
    named = Curve(name, base.fpr, base.tpr, base.low, base.high, 400, 400)
    ET.fromstring(roc_of({name: named}).svg)  # noqa: S314


@pytest.mark.parametrize("p50", [[1, 1], [1, 10**12], [5_000_000, 6_000_000], [-4, 0]])
def test_any_latency_can_be_drawn(p50: list[int]) -> None:
    report = sample.report()
    for artifact, value in zip(report["artifacts"][1:], p50 * 6, strict=False):
        artifact["latency"] = {"p50_ns": {"value": value, "low": None, "high": value}}
    ET.fromstring(leakage_of(report).svg)  # noqa: S314


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 300)), max_size=12))
def test_labels_get_one_box_each_and_say_what_they_cover(spots: list[tuple[float, float]]) -> None:
    names = [f"name-{i}" for i in range(len(spots))]
    bounds = _labels.Box(0, 0, 300, 300)
    boxes, covered = _labels.place(spots, names, font_points=8, obstacles=[], bounds=bounds)
    assert len(boxes) == len(spots)
    pairs = [a.shared(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert (covered < 1e-6) == (sum(pairs) < 1e-6 and all(b.shared(bounds) > b.area - 1e-6 for b in boxes))


def test_a_lone_label_stands_right_of_its_point() -> None:
    bounds = _labels.Box(0, 0, 300, 300)
    (box,), covered = _labels.place([(100, 100)], ["ab"], font_points=10, obstacles=[], bounds=bounds)
    assert covered == 0
    assert box.left > 100
    assert box.centre[1] == pytest.approx(100)


def test_a_wide_script_gets_a_wider_box() -> None:
    bounds = _labels.Box(0, 0, 300, 300)
    narrow, wide = (
        _labels.place([(100, 100)], [name], font_points=10, obstacles=[], bounds=bounds)[0][0]
        for name in ("ab", "模型")
    )
    assert wide.right - wide.left == 2 * (narrow.right - narrow.left)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis("x", 0.42, 0.68), (0.45, 0.5, 0.55, 0.6, 0.65)),
        (Axis("x", 0, 0.12), (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12)),
        (Axis("x", 0.0025, 1, log=True), (0.01, 0.1, 1.0)),
        (Axis("x", 0.1, 1, log=True), (0.1, 0.2, 0.5, 1.0)),
        (Axis("x", 1e-6, 1e7, log=True), (1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6)),
    ],
)
def test_ticks_are_round_and_few(axis: Axis, expected: tuple[float, ...]) -> None:
    assert axis.ticks() == pytest.approx(expected)


@given(st.floats(1e-9, 1e9), st.floats(1.001, 1e12), st.booleans())
@example(1.000000001, 1.001, True)  # a tick just below the axis
def test_ticks_lie_on_the_axis(low: float, ratio: float, log: bool) -> None:
    axis = Axis("x", low, low * ratio, log=log)
    shares = axis.shares(axis.ticks() + axis.small_ticks())
    assert len(axis.ticks()) <= 14
    assert ((shares > -1e-6) & (shares < 1 + 1e-6)).all()
    assert axis.shares([low, low * ratio]).tolist() == pytest.approx([0, 1])


def test_a_curve_of_few_records_is_described_where_it_is_known() -> None:
    svg = roc_of({"c": curve([0.0, 0.5, 1.0], [0.0, 0.4, 1.0], n=2)}).svg
    assert "c: 40.0% of members at 50.0% false positives." in svg
    roc_of({"c": curve([0.0, 1.0], [0.0, 1.0], n=1)})
