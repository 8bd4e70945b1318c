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
from harness.report import Curve, Report
from harness.report._files import FileRow, files_of, together_of
from harness.report.pictures import Picture, Tradeoffs, _labels, dots, roc, scale, tradeoffs
from harness.report.pictures._axes import Axis
from tests.report import sample


def files(report: dict[str, Any]) -> tuple[FileRow, ...]:
    return files_of(Report.from_json(report))


def roc_of(curves: dict[str, Curve]) -> Picture:
    picture = roc(curves)
    assert picture is not None
    return picture


def dots_of(report: dict[str, Any], limit: float | None = None) -> Picture:
    typed = Report.from_json(report)
    picture = dots(files_of(typed), together_of(typed), limit)
    assert picture is not None
    return picture


def tradeoffs_of(report: dict[str, Any], *, emulated: bool = False) -> Tradeoffs:
    drawn = tradeoffs(files(report), no_latency="emulated: its latencies compare nothing." if emulated else "")
    assert drawn is not None
    return drawn


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter("text")]  # noqa: S314


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
    points = [np.array([list(map(float, p)) for p in re.findall(r"[ML]([\d.]+) ([\d.]+)", d)]) for d in lines]
    diagonal, steps = points[-2], points[-1]
    assert diagonal[0] == pytest.approx(steps[0])
    assert diagonal[-1] == pytest.approx(steps[-1])
    # A step goes right first, then up: after the first vertex the height is unchanged.
    assert steps[1][1] == pytest.approx(steps[0][1])


@pytest.mark.parametrize(("count", "drawn"), [(1, 1), (4, 4), (7, 4), (30, 4)])
def test_at_most_four_curves_are_drawn_and_they_differ_by_more_than_colour(count: int, drawn: int) -> None:
    picture = roc_of(sample.curves(count, n=20))
    signs = [(entry.color, entry.dashes) for entry in picture.legend]
    assert len(signs) == len(set(signs)) == len({dashes for _, dashes in signs}) == drawn
    assert picture.notes == (() if count <= 4 else (f"{count - 4} more curves are not drawn.",))


def test_of_several_runtimes_the_one_with_the_largest_area_is_drawn_and_its_curves_are_named() -> None:
    base = list(sample.curves(3, n=50).values())
    keys = [f"{runtime} {name}" for runtime in ("litert", "executorch") for name in ("MR", "NR", "NR original")]
    # The largest area lies on the second runtime.
    curves = dict(zip(keys, [base[0], base[0], base[0], base[2], base[1], base[0]], strict=True))
    picture = roc_of(curves)
    assert picture.legend[0].text.startswith("MR: attack 2")
    assert {"MR", "NR", "NR original"} <= set(texts(picture.svg))
    assert picture.notes == ("3 more curves are not drawn.",)


def test_nothing_to_draw_is_no_picture() -> None:
    assert roc({}) is None
    assert dots((), (), 0.6) is None
    assert scale((), None) is None
    assert tradeoffs(()) is None


def test_the_dot_plot_has_a_row_a_variant_the_limit_and_the_original_and_no_control() -> None:
    picture = dots_of(sample.report(), limit=0.7)
    words = texts(picture.svg)
    assert [word for word in words if word in (*sample.VARIANTS, "several together")] == [
        "original", "original", "prune-0.6", "prune-0.8", "int8-ptq", "cluster-16", "several together",
    ]  # fmt: skip
    assert {"limit 0.7", "guessing"} <= set(words)
    assert "finetuned" not in picture.svg
    assert "limit" not in " ".join(texts(dots_of(sample.report()).svg))
    assert "hold for all attacks at once" in picture.caption
    assert [entry.text for entry in picture.legend][:2] == ["litert", "executorch"]


def test_every_mark_of_the_dot_plot_lies_where_its_auc_is() -> None:
    """Read back from the picture: the ticks give the axis, and the marks lie on it."""
    report = sample.report()
    picture = dots_of(report)
    root = ET.fromstring(picture.svg)  # noqa: S314
    ticks = {
        float(t.text or ""): float(t.get("x", "")) for t in root.iter("text") if re.fullmatch(r"0\.\d+", t.text or "")
    }
    (low, left), *_, (high, right) = sorted(ticks.items())
    places = [p.get("transform", "") for p in root.iter("path") if p.get("transform")]
    aucs = [low + (high - low) * (float(re.findall(r"[\d.]+", at)[0]) - left) / (right - left) for at in places]
    typed = Report.from_json(report)
    shown = [r for row in files_of(typed) if not row.is_control for r in (row.alone, row.paired) if r is not None]
    shown += [row.alone for row in together_of(typed) if row.alone is not None]
    assert sorted(aucs) == pytest.approx(sorted(r.headline.value for r in shown), abs=2e-3)


def test_many_devices_share_one_mark_a_row_and_the_picture_says_so() -> None:
    report = sample.report()
    report["artifacts"] = []
    results = [row for row in report["attacks"]["results"] if row["runtime"] == "litert" and row["adversary"] == "NR"]
    report["attacks"]["results"] = [row | {"device": f"d{k}"} for k in range(5) for row in results]
    picture = dots_of(report)
    assert picture.notes == ("Each row has the strongest of 5 runtimes and devices.",)
    marks = [p for p in ET.fromstring(picture.svg).iter("path") if p.get("transform")]  # noqa: S314
    assert len(marks) == 5, "five variants that ship"


def test_every_file_is_drawn_against_size_accuracy_and_latency_or_counted() -> None:
    drawn = tradeoffs_of(sample.report())
    assert [picture.title for picture in drawn.pictures] == [
        "Leakage against size", "Leakage against accuracy", "Leakage against latency",
    ]  # fmt: skip
    assert drawn.notes == ("1 of 10 files have no latency or no AUC and are not drawn against it.",)
    assert drawn.numbers == "Numbers: 1 original, 2 prune-0.6, 3 prune-0.8, 4 int8-ptq, 5 cluster-16."
    for picture in drawn.pictures:
        assert {"1", "2", "3", "4", "5"} <= set(texts(picture.svg))
    assert "cluster-16 on executorch: " in drawn.pictures[0].svg
    assert "cluster-16 on executorch: " not in drawn.pictures[2].svg


def test_nothing_is_drawn_against_the_latency_of_an_emulated_device() -> None:
    drawn = tradeoffs_of(sample.report(), emulated=True)
    assert [picture.title for picture in drawn.pictures] == ["Leakage against size", "Leakage against accuracy"]
    assert any("its latencies compare nothing" in note for note in drawn.notes)


@pytest.mark.parametrize(
    "name", ["$\\frac{$", "_hidden", "模型", "🙂" * 50, "a<b>&\"'", sample.HOSTILE, "", "x" * 10_000]
)
def test_any_name_can_be_drawn(name: str) -> None:
    report = sample.report()
    report["artifacts"] = report["artifacts"][:2]
    report["artifacts"][0] |= {"variant": name, "runtime": name}
    report["attacks"]["results"][0] |= {"variants": [name], "runtime": name}
    words = "".join(texts(dots_of(report).svg))
    # A control character becomes a sign that is visible; every other letter is written as it is.
    assert name[:5] in words
    assert tradeoffs_of(report).numbers.startswith(f"Numbers: 1 {name[:5]}" if name else "Numbers: 1 n/a")
    base = sample.curves(1)["curve-0"]
    named = Curve(name, base.fpr, base.tpr, base.low, base.high, 400, 400)
    ET.fromstring(roc_of({name: named}).svg)  # noqa: S314


@pytest.mark.parametrize("p50", [[1, 1], [1, 10**12], [5_000_000, 6_000_000], [-4, 0], [10**30, 1]])
def test_any_latency_and_any_size_can_be_drawn(p50: list[int]) -> None:
    report = sample.report()
    for artifact, value in zip(report["artifacts"][1:], p50 * 6, strict=False):
        artifact |= {"latency": {"p50_ns": {"value": value, "low": None, "high": value}}, "size_bytes": value}
    for picture in tradeoffs_of(report).pictures:
        ET.fromstring(picture.svg)  # noqa: S314


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
