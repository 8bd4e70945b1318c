"""Parts of the records and privacy in a report: the page, the text, and names that a user wrote."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.report import Report, findings, write
from harness.results import (
    CanaryBound,
    CanaryFindings,
    PrivacyBound,
    PrivacyFindings,
    Simultaneous,
    Slice,
    SlicedView,
    SliceFindings,
    SliceResult,
)
from harness.types import Estimate, TprEstimate, View
from tests.report.sample import HOSTILE
from tests.report.test_report_page import Page

VIEW = View("NR", "rmia", ("original",), "litert")
PAIR = View("SR", "sr2-rf", ("original", "int8"), "litert")


def estimate(value: float, half: float, *, level: float = 0.95) -> Estimate:
    return Estimate(value, value - half, value + half, 80, "delong-logit", level)


def part(column: str, value: str, auc: float, half: float = 0.05) -> SliceResult:
    unresolved = TprEstimate(math.nan, 0.0, 1.0, 80, "binomial-mixture", 0.95, False, 1000, fpr=0.01)
    rates: dict[str, Estimate] = {"0.01": unresolved}
    of = Slice(column, value, 40, 41)
    return SliceResult(of, estimate(auc, half / 2), rates, estimate(auc, half, level=0.999), rates)


def report(*, value: str = "3", column: str = "sex") -> Report:
    whole = estimate(0.6, 0.03, level=0.999)
    views = (
        SlicedView(VIEW, "shadows", whole, (part("class", value, 0.62), part(column, value, 0.61))),
        SlicedView(PAIR, "shadows", whole, (part("class", value, 0.9), part(column, value, 0.6))),
    )
    small = (Slice(column, value, 3, 4),)
    bound = Estimate(0.4, 0.4, math.inf, 800, "conditional-binomial", 0.975)
    canaries = CanaryFindings(
        200, 96, 0.6, "", (CanaryBound(VIEW, bound), CanaryBound(PAIR, Estimate.unknown(), f"too few {value}"))
    )
    return Report(
        name="parts",
        slices=SliceFindings(25, views, small, {"litert": Simultaneous(10, 0.95, 0.995, 2.8, 2.8)}),
        privacy=PrivacyFindings(1e-5, 0.95, (PrivacyBound(VIEW, bound, bound, Estimate.unknown()),), canaries),
    )


def page_of(one: Report, folder: Path) -> Page:
    (path,) = write(one, curves={}, folder=folder, formats=("html",))
    return Page(path.read_text())


def test_a_report_with_parts_and_privacy_is_read_back_whole(tmp_path: Path) -> None:
    write(report(), curves={}, folder=tmp_path)
    node = json.loads((tmp_path / "report.json").read_text())
    again = Report.from_json(node)
    for key in ("slices", "privacy"):
        assert again.to_json()[key] == node[key] == report().to_json()[key] is not None


def test_the_page_shows_each_value_in_the_view_in_which_it_certainly_leaks_most(tmp_path: Path) -> None:
    text = page_of(report(), tmp_path).text
    assert "Leakage by class on litert" in text
    assert "0.900 [0.850, 0.950]" in text
    assert "0.620" not in text, "the other view's lower end is smaller"
    assert "0.610 [0.560, 0.660]" in text
    assert "Leaks most of all parts: class 3 (40 members, 41 non-members), AUC 0.900 [0.850, 0.950]" in text
    assert "Too few to measure: fewer than 25 members or non-members" in text
    assert "needs n ≥ 1000" in text
    assert "all 10 figures of all parts and views at once in 95% of audits" in text


def test_the_page_shows_bounds_with_their_delta_and_how_many_canaries_there_were(tmp_path: Path) -> None:
    text = page_of(report(), tmp_path).text
    assert "200 canaries, of which 96 were trained on; no other figure of this report has them." in text
    assert "ε at least, δ = 1e-05" in text
    assert "≥ 0.40" in text
    assert "too few 3" in text
    refused = CanaryFindings(20, 9, 0.8, "Too few for a bound: insert at least 50.")
    one = report()
    assert one.privacy is not None
    text = page_of(replace(one, privacy=replace(one.privacy, canaries=refused)), tmp_path).text
    assert "Too few for a bound: insert at least 50." in text


def test_a_report_without_parts_says_nothing_of_them(tmp_path: Path) -> None:
    text = page_of(Report(name="plain"), tmp_path).text
    assert "parts of the records" not in text
    assert "Differential privacy" not in text


def test_what_a_user_wrote_into_a_column_is_cleaned_and_escaped(tmp_path: Path) -> None:
    write(report(value=HOSTILE, column=HOSTILE), curves={}, folder=tmp_path)
    html = (tmp_path / "report.html").read_text()
    plain = Page(html)
    assert plain.tags["script"] == 1, "the page's own"
    assert not [character for character in html if character in "\x1b\x07\u202e"]


def test_a_terminal_names_the_part_that_leaks_most_and_nothing_that_is_not_certain() -> None:
    def shown(one: Report) -> str:
        console = Console(width=400, no_color=True)
        with console.capture() as capture:
            console.print(findings(one))
        return capture.get()

    line = "Leaks most of all parts: class 3"
    assert line in shown(report())
    one = report()
    assert one.slices is not None
    unsure = tuple(replace(view, whole=estimate(0.6, 0.4)) for view in one.slices.views)
    assert line not in shown(replace(one, slices=replace(one.slices, views=unsure)))
