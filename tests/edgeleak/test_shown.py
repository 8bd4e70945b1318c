"""What objects show of themselves: the sentence first, a table, and no text of a stranger that does anything."""

from __future__ import annotations

import html.parser
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeleak
from harness.attacks import Evaluation
from harness.errors import UnresolvedError, UsageError
from harness.policy import RuleOutcome, Verdict
from tests.edgeleak.tables import N, bundle
from tests.report import sample

HOSTILE = sample.HOSTILE


class Tags(html.parser.HTMLParser):
    """The elements of a piece of HTML, with their attributes, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


ALLOWED = {"div", "p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"}


def inert(text: str) -> Tags:
    """Check that HTML holds tables and sentences alone, whole and printable."""
    tags = Tags(text)
    assert tags.open == []
    assert tags.seen <= ALLOWED
    assert tags.attributes <= {"class", "style"}
    assert all(character.isprintable() for character in text)
    assert len(text) < 100_000
    return tags


@pytest.fixture(scope="module")
def found() -> edgeleak.ArrayFindings:
    one = bundle()
    return edgeleak.attack(**one.parts, attacks=("confidence", "sr2-lr", "rmia"), fprs=(0.1,), jobs=1)


def test_a_result_says_the_sentence_first_then_figures_then_what_did_not_run(found: edgeleak.ArrayFindings) -> None:
    lines = repr(found).splitlines()
    assert lines[0].startswith("Members can be told from non-members: the strongest attack (")
    assert any(line.startswith("Did not run: rmia: target/references: there are none") for line in lines)
    assert next(line for line in lines if line.startswith("sees")).split()[:4] == [
        "sees", "attack", "variants", "AUC",
    ]  # fmt: skip
    assert len(lines) < 12
    shown = inert(found._repr_html_())
    assert shown.texts[0] == lines[0]
    assert any("rmia" in text for text in shown.texts)


def test_a_result_has_frames_of_figures_and_of_scores(found: edgeleak.ArrayFindings) -> None:
    frame = found.frame()
    assert len(frame) == len(found.results) == 3
    assert frame["auc"].is_monotonic_decreasing
    assert (frame["auc_low"] <= frame["auc"]).all()
    assert (frame["auc"] <= frame["auc_high"]).all()
    assert found.strongest is not None
    assert frame["view"][0] == found.strongest.view.key
    assert {"tpr_at_fpr_0.1", "epsilon_lower", "balanced_accuracy"} <= set(frame)
    scores = found.score_frame()
    assert scores["id"].tolist() == list(bundle().ids)
    for view, values in found.scores.items():
        np.testing.assert_array_equal(scores[view], values)


def test_a_picture_of_curves_is_an_svg_of_its_own_and_an_image_in_a_notebook(found: edgeleak.ArrayFindings) -> None:
    picture = found.plot()
    root = ET.fromstring(picture.svg)  # noqa: S314 - drawn by this program
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for curve in found.curves.values():
        assert any(str(text) in curve.label for text in texts)
    assert not [element for element in root.iter() if element.tag.endswith(("script", "image", "use"))]
    shown = Tags(picture._repr_html_())
    assert (shown.seen, shown.attributes) == ({"img"}, {"alt", "src"})


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_scores_of_the_records_are_written_and_read_back_to_the_same_bits(
    found: edgeleak.ArrayFindings, tmp_path: Path, suffix: str
) -> None:
    path = found.save(tmp_path / f"scores{suffix}")
    assert path.stat().st_mode & 0o077 == 0, "scores tell who is a member"
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            table: Any = {key.removeprefix("scores/"): arrays[key] for key in arrays}
        names = ("ids", "labels", "membership")
    else:
        table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
        names = ("id", "label", "member")
    assert set(table) == {*names, *found.scores}
    for name, marks in zip(names, (found.ids, found.labels, found.membership), strict=True):
        np.testing.assert_array_equal(np.asarray(table[name]), marks)
    for view, values in found.scores.items():
        np.testing.assert_array_equal(np.asarray(table[view]), values)


def test_a_page_and_the_figures_are_written_from_arrays_alone(found: edgeleak.ArrayFindings, tmp_path: Path) -> None:
    page = found.save(tmp_path / "report.html").read_text()
    assert "Members can be told from non-members" in page
    assert page.count("<svg") >= 1
    assert "sr2-lr" in page
    assert json.loads(found.save(tmp_path / "found.json").read_text()) == found.to_json()


def test_a_file_is_not_written_over_without_being_told_to(found: edgeleak.ArrayFindings, tmp_path: Path) -> None:
    path = found.save(tmp_path / "scores.csv")
    with pytest.raises(UsageError, match=r"scores\.csv: is there already"):
        found.save(path)
    found.save(path, overwrite=True)
    with pytest.raises(UsageError, match=r"the suffix does not say what to write \(\.csv is scores of the records"):
        found.save(tmp_path / "scores.xlsx")
    with pytest.raises(UsageError, match="its folder does not exist"):
        found.save(tmp_path / "nowhere" / "scores.csv")


def test_no_id_is_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    frame = bundle().frame()
    bad = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", 'quote " comma, line']
    frame["id"] = [*bad, *(f"r{k}" for k in range(2 * N - len(bad)))]
    found = edgeleak.attack(frame, attacks=("confidence",), jobs=1)
    text = found.save(tmp_path / "scores.csv").read_text()
    assert not re.search(r'(^|,)"?[=+@]', text, re.MULTILINE)
    assert pd.read_csv(tmp_path / "scores.csv")["id"].tolist()[:4] == [f"'{one}" for one in bad[:4]]
    assert pd.read_parquet(found.save(tmp_path / "scores.parquet"))["id"].tolist()[:5] == bad, "no spreadsheet reads it"


def test_nothing_ran_is_said_with_what_each_attack_lacks() -> None:
    one = bundle()
    found = edgeleak.attack(**one.parts, attacks=("rmia", "lira"), jobs=1)
    assert found.results == ()
    assert found.strongest is None
    assert len(found.frame()) == 0
    assert repr(found).startswith("Nothing was measured: no attack has a result")
    assert "rmia, lira" in repr(found)
    assert inert(found._repr_html_()).texts[0].startswith("Nothing was measured")
    with pytest.raises(UnresolvedError, match="no attack ran"):
        found.plot()


def test_a_strangers_texts_are_inert_in_a_notebook(found: edgeleak.ArrayFindings) -> None:
    results = tuple(
        replace(row, view=replace(row.view, attack=HOSTILE, variants=(HOSTILE, "x" * 10_000)))
        for row in found.evaluation.results
    )
    hostile = replace(found, name=HOSTILE, evaluation=Evaluation(results, found.evaluation.skipped))
    inert(hostile._repr_html_())
    assert all(character.isprintable() for line in repr(hostile).splitlines() for character in line)
    report = edgeleak.Report.from_json(sample.hostile())
    inert(report._repr_html_())
    rules = (RuleOutcome(id=HOSTILE, name=HOSTILE, outcome="fail", reason=HOSTILE * 500),)
    inert(Verdict(rules)._repr_html_())
    inert(replace(edgeleak.Estimate(0.5, 0.4, 0.6, 10, HOSTILE))._repr_html_())


def test_reports_verdicts_and_estimates_show_what_they_hold() -> None:
    report = edgeleak.Report.from_json(sample.report())
    texts = inert(report._repr_html_()).texts
    assert texts[0].startswith("Members can be told from non-members")
    assert report.verdict is not None
    assert f"Verdict: {report.verdict.outcome}" in inert(report.verdict._repr_html_()).texts
    assert "no rule was judged" in inert(Verdict(())._repr_html_()).texts[0]
    assert str(edgeleak.Estimate(0.75, 0.7, 0.8, 400, "delong")) == "0.75 [0.7, 0.8] (0.95 level, n = 400, delong)"
    assert str(edgeleak.Estimate.unknown()) == "not known"
    unresolved = replace(edgeleak.Estimate.unknown(), n=40, resolvable=False, needed_n=1000)
    assert str(unresolved) == "not resolved with n = 40; needs n = 1000"
