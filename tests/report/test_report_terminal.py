"""The short of a report in the terminal, and the gate's verdict: their length, their width, and hostile names."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from harness.policy import Case, RuleOutcome, Verdict, Waiver
from harness.report import Report, headline, summary, verdict
from harness.types import Estimate, View
from tests.report import sample

WIDTHS = (60, 80, 120)
# Control characters, and marks that turn the direction of writing.
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printed(shown: RenderableType, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(shown)
    return stream.getvalue()


def short(report: dict[str, Any], width: int = 80, **more: Any) -> str:
    return printed(summary(Report.from_json(report), **more), width)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_short_begins_with_what_was_found_and_fits_its_width(width: int) -> None:
    text = short(sample.report(), width)
    assert words(text).startswith(words(headline(Report.from_json(sample.report())).text))
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= (36 if width < 80 else 31)
    assert "…" not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_every_file_that_ships_has_a_row_with_its_figures(width: int) -> None:
    text = short(sample.report(), width)
    for row in sample.report()["artifacts"]:
        lines = re.findall(rf"^ {re.escape(row['variant'])} .*$", text, re.MULTILINE)
        is_control = row.get("is_control", False)
        assert bool(lines) != is_control
    for line in re.findall(r"^ cluster-16 .*$", text, re.MULTILINE):
        assert ".640 [.580,.700]" in line
        assert "24.0%" in line
        assert "0.21" in line
    strongest = text[text.index("Strongest of each adversary") :]
    assert [line[:2] for line in strongest.splitlines()[1:4]] == ["NR", "SR", "MR"]


def test_a_rate_has_its_interval_where_there_is_room() -> None:
    assert "24.0% [18.0,30.0]" in short(sample.report(), 80)
    assert "24.0% [18.0,30.0]" not in short(sample.report(), 60)


def test_what_does_not_hold_is_named_with_its_reason_and_what_holds_by_name() -> None:
    report = sample.report()
    text = words(short(report, 120))
    for rule in report["gate"]["rules"]:
        if rule["outcome"] != "pass":
            assert f"{rule['outcome']} {rule['id']}: {rule['reason'][:100]}" in text
    report["gate"]["rules"][0]["reason"] = "because " * 100
    assert "because because" in short(report)
    assert len(short(report)) < len(short(sample.report())) + 400


def test_the_short_says_where_the_rest_is(tmp_path: Path) -> None:
    text = words(short(sample.report(), 200, files=(tmp_path / "report.json", tmp_path / "report.html")))
    assert f"All of it: {tmp_path / 'report.html'}, or edgeleak report --all" in text
    assert "6 attacks did not run" in text


def test_of_many_files_those_that_leak_most_are_shown() -> None:
    report = sample.report()
    results = report["attacks"]["results"]
    alone = next(row for row in results if row["adversary"] == "NR" and row["variants"] == ["original"])
    first = report["artifacts"][0]
    for number in range(40):
        name = f"variant-{number}"
        report["artifacts"].append(first | {"variant": name})
        results.append(alone | {"variants": [name]})
    text = short(report)
    assert len(text.splitlines()) <= 34
    assert re.search(r"and \d+ files that leak less", text)


def test_answers_alone_have_no_columns_of_nothing() -> None:
    text = short(sample.answers())
    assert "n/a" not in text
    assert "Strongest of each adversary" in text


def test_a_device_that_did_not_finish_is_named() -> None:
    report = sample.report()
    gone = {"name": "grpc://gone:50051", "status": "lost", "missing": ["mis"], "folder": "devices/gone"}
    report["devices"] = {"devices": [gone], "answers": [], "attacks": []}
    assert "grpc://gone:50051: lost: lacks mis" in words(short(report))


def test_an_empty_report_is_shown() -> None:
    assert "Nothing was measured" in short({})
    assert "All of it: edgeleak report --all" in short({})


@pytest.mark.parametrize("width", [20, 60, 200])
def test_no_text_of_a_report_steers_the_terminal(width: int) -> None:
    text = short(sample.hostile(), width)
    assert not STEERING.search(text)
    judged = Report.from_json(sample.hostile()).verdict
    assert judged is not None
    assert not STEERING.search(printed(verdict(judged, name="\x1b[2J"), width))


HOSTILE = "\x1b[31mred\x1b[0m [bold]b[/] \u202e" + "x" * 10_000


def case(variant: str, outcome: Any, *, waiver: Waiver | None = None, device: str = "") -> Case:
    view = View("NR", "rmia", (variant,), "litert", device)
    return Case(about=view, outcome=outcome, estimate=Estimate(0.91, 0.88, 0.93, 800, "delong"), waiver=waiver)


def judged(*cases: Case, **more: Any) -> Verdict:
    rule = RuleOutcome(
        id="auc", name="auc <= 0.85", outcome="fail", reason="3 exceed it", cases=cases, quantity="auc", limit=0.85
    )
    return Verdict((replace(rule, **more),), policy="standard", baseline="run 1.4")


def test_the_gate_names_every_culprit_with_its_figures_and_limit() -> None:
    cases = [case(f"variant-{number}", "fail") for number in range(60)]
    text = printed(verdict(judged(*cases, case("fine", "pass"))), 200)
    for number in range(60):
        assert f"fail NR rmia on variant-{number} (litert): auc 0.910 [0.880, 0.930] (n = 800, limit 0.85)" in text
    assert "fine" not in text
    assert "Policy: standard" in text
    assert "Baseline: run 1.4" in text


def test_the_gate_names_waivers_with_owner_and_date() -> None:
    def accepted(*, is_expired: bool) -> Waiver:
        return Waiver(owner="Ada", reason="known", expires="2030-01-31", is_expired=is_expired)

    cases = case("a", "fail", waiver=accepted(is_expired=False)), case("b", "fail", waiver=accepted(is_expired=True))
    text = printed(verdict(judged(*cases)), 200)
    assert re.search(r"waived NR rmia on a .*\n +by Ada until 2030-01-31: known", text)
    assert re.search(r"fail NR rmia on b .*\n +its waiver by Ada until 2030-01-31: known has expired", text)


def test_the_gate_says_warn_for_a_rule_that_only_warns() -> None:
    text = printed(verdict(judged(case("a", "fail"), severity="warn")), 200)
    assert text.startswith("PASS")
    assert "\nwarn auc: auc <= 0.85" in text


def test_the_gate_cuts_no_reason_and_shows_no_escape_of_a_device() -> None:
    reason = "because " * 100 + "END"
    text = printed(verdict(judged(case("a", "fail", device=HOSTILE), reason=reason)), 60)
    assert "END" in text
    assert text.count("because") == 100
    assert not STEERING.search(text)
    assert "[bold]b[/]" in text
    assert max(map(len, text.splitlines())) <= 60
    assert len(text) < 10_000


def test_a_case_without_a_figure_has_its_reason() -> None:
    bare = replace(case("a", "inconclusive"), estimate=None, reason="no result")
    assert "inconclusive NR rmia on a (litert): no result" in printed(verdict(judged(bare)), 200)


def test_a_verdict_read_from_json_is_shown_alike() -> None:
    one = judged(case("a", "fail"))
    again = Verdict.from_json(json.loads(json.dumps(one.to_json())))
    assert printed(verdict(again)) == printed(verdict(one))
