"""What all studies' pages are made with: compact pictures, tables and numbers, files that are whole."""

from __future__ import annotations

import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from harness.errors import StorageError
from harness.types import Estimate
from studies.kit import markdown, pictures
from studies.kit.pages import Picture, publish
from studies.kit.svg import compact

Points = list[tuple[float, float]]


def curves(figure: Figure) -> None:
    """Steps with a band, as of a ROC curve, on logarithmic axes whose labels have exponents."""
    ax = pictures.axes(figure, scale="log")
    x = np.geomspace(1e-4, 1.0, 200)
    y = np.maximum(np.floor(x**0.7 * 50) / 50, 1e-3)
    ax.fill_between(x, y / 2, y, step="post", alpha=0.2, linewidth=0)
    ax.step(x, y, where="post", linestyle="--", label="steps < band & more")
    pictures.guide(ax, 1e-4, 1.0, "equal")
    pictures.finish(ax, "A title", x="x", y="y")


def points(figure: Figure) -> None:
    """Markers with error bars, half of them over the edge of the axes."""
    ax = pictures.axes(figure)
    rng = np.random.default_rng(0)
    for marker, color in zip("os^", pictures.COLORS, strict=False):
        x, y = rng.normal(size=(2, 20))
        ax.errorbar(x, y, yerr=0.3, fmt=marker, color=color, label=marker)
    ax.set_xlim(0, 2)
    pictures.finish(ax, "Another", x="x", y="y")


def as_matplotlib_writes(draw: Callable[[Figure], None]) -> str:
    with mpl.rc_context({"svg.hashsalt": "edgeleak", "svg.fonttype": "none"}):
        figure = Figure()
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return re.sub("<!DOCTYPE[^>]*>", "", buffer.getvalue())


def elements(text: str, tag: str) -> list[ET.Element]:
    root = ET.fromstring(text)  # noqa: S314 - our own drawing
    return [element for element in root.iter() if element.tag.rpartition("}")[2] == tag]


def drawn(path: str) -> Points:
    """The corners of a path, in absolute coordinates; curves count by their ends."""
    x, y = 0.0, 0.0
    corners = []
    for command, arguments in re.findall(r"([MLQCHVz])([^MLQCHVz]*)", path):
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", arguments)]
        if command in "MLQCH":
            x = numbers[0] if command == "H" else numbers[-2]
        if command in "MLQCV":
            y = numbers[-1]
        corners.append((x, y))
    return corners


def distance(point: tuple[float, float], line: Points) -> float:
    """From a point to a line through several corners."""
    if len(line) == 1:
        return math.dist(point, line[0])
    starts, ends = np.array(line[:-1]), np.array(line[1:])
    along = ends - starts
    squared = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((np.array(point) - starts) * along).sum(axis=1) / squared, 0.0, 1.0)
    return float(np.hypot(*(starts + share[:, None] * along - point).T).min())


@pytest.mark.parametrize("draw", [curves, points])
def test_compact_lines_pass_through_every_corner_that_was_drawn(draw: Callable[[Figure], None]) -> None:
    before = as_matplotlib_writes(draw)
    after = compact(before)
    old, new = ([drawn(element.get("d", "")) for element in elements(text, "path")] for text in (before, after))
    old = [corners for corners in old if corners]  # an error bar beyond the axes has a path of nothing
    assert len(old) == len(new)
    for corners, line in zip(old, new, strict=True):
        assert max(distance(corner, line) for corner in corners) < 0.08
        assert max(distance(corner, corners) for corner in line) < 0.08
    assert sum(map(len, new)) <= sum(map(len, old))


@pytest.mark.parametrize("draw", [curves, points])
def test_compact_pictures_keep_their_words_marks_and_colours(draw: Callable[[Figure], None]) -> None:
    before = as_matplotlib_writes(draw)
    after = compact(before)
    words = [
        ["".join("".join(element.itertext()).split()) for element in elements(text, "text")] for text in (before, after)
    ]
    assert words[0] == words[1]
    assert len(elements(before, "use")) == len(elements(after, "use"))
    for pattern in (r"#[0-9a-f]{6}\b", r"stroke-dasharray: ?[\d., ]+", r"opacity: ?[\d.]+"):
        old, new = ({match.replace(" ", "") for match in re.findall(pattern, text)} for text in (before, after))
        assert old == new
    names = {element.get("id") for tag in ("path", "clipPath") for element in elements(after, tag)} - {None}
    assert names == set(re.findall(r"(?:href=\"|url\()#(\w+)", after))
    assert len(after) < len(before) / 2


def test_compact_text_stays_as_it_is() -> None:
    once = pictures.svg(points)
    assert compact(once) == once
    assert pictures.svg(points) == once


def test_a_table_sets_numbers_to_the_right() -> None:
    lines = markdown.table(("name", "kind", "n"), [("a", "b", 1)], text=2).splitlines()
    assert lines == ["| name | kind | n |", "| --- | --- | ---: |", "| a | b | 1 |"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "0.123 [0.100, 0.150]"),
        ({"digits": 2, "sign": True}, "+0.12 [+0.10, +0.15]"),
        ({"digits": 1, "percent": True}, "12.3% [10.0%, 15.0%]"),
    ],
)
def test_an_interval_stands_beside_its_value(options: dict[str, bool], text: str) -> None:
    assert markdown.interval(Estimate(0.1234, 0.1, 0.15, 9, "test"), **options) == text


def test_an_estimate_that_n_cannot_give_says_what_it_needs() -> None:
    unresolved = Estimate(math.nan, 0.0, 1.0, 50, "test", resolvable=False, needed_n=1000)
    assert markdown.interval(unresolved) == "cannot be resolved (n = 50, needs 1000)"
    assert markdown.interval(None) == markdown.interval(Estimate.unknown()) == markdown.number(None) == "-"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.0, 3, "0"), (1234.5, 3, "1.23e+03"), (0.00012345, 2, "1.2e-04"), (0.5, 3, "0.5"), (math.inf, 3, "-")],
)
def test_numbers_keep_their_significant_digits(value: float, digits: int, text: str) -> None:
    assert markdown.number(value, digits) == text


def test_values_of_the_seeds_stand_side_by_side() -> None:
    assert markdown.values([0.5, math.nan, -0.25], sign=True) == "+0.500 -0.250"


def test_a_page_lies_beside_its_pictures(tmp_path: Path) -> None:
    page, data = tmp_path / "docs" / "study.md", tmp_path / "run" / "findings.json"
    picture = Picture("roc", "A curve", "<svg/>")
    files = publish(
        page,
        markdown.paragraphs("# Title", "", picture.markdown(page)),
        findings={"n": 1},
        data=data,
        pictures=[picture],
    )
    assert files == (page, page.with_name("study-roc.svg"), data)
    assert page.read_text() == "# Title\n\n![A curve](study-roc.svg)\n"
    assert files[1].read_text() == "<svg/>"
    assert json.loads(data.read_text()) == {"n": 1}


def test_without_a_place_for_the_findings_no_page_is_written(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        publish(tmp_path / "page.md", "text", findings={}, data=tmp_path / "run" / "findings.json")
    assert not (tmp_path / "page.md").exists()
