"""summary.md: the first sentence first, tables that a reader of Markdown reads, and below GitHub's limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from harness.errors import StorageError
from harness.report import Report, headline
from harness.report.github import annotation_lines, append_summary
from harness.report.writers import summary
from harness.report.writers._markdown import fitted
from tests.report import judged, sample

LIMIT = 1024 * 1024


def tables(text: str) -> dict[str, list[list[str]]]:
    """The tables by the heading above them, as rows of texts; the first has none."""
    found: dict[str, list[list[str]]] = {}
    heading, cell = "", False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "inline" and token.level == 1:
            heading = token.content if token.map else heading
        if token.type == "table_open":
            found[heading] = []
        elif token.type == "tr_open":
            found[heading].append([])
        elif token.type in ("td_open", "th_open"):
            cell = True
        elif token.type == "inline" and cell:
            cell = False
            shown = "".join(child.content for child in token.children or ())
            found[heading][-1].append(shown)
    return found


def test_it_begins_with_what_was_found() -> None:
    report = judged.example()
    lines = summary.render(report, {}).splitlines()
    assert lines[0] == "## edgeleak: release"
    assert lines[2].replace("&#91;", "[").replace("&#93;", "]") == headline(report).text


def test_every_rule_is_a_row_with_its_figure_limit_and_n() -> None:
    rule = judged.rule("auc", [judged.case(judged.seen("int8"), "fail")], estimate=judged.estimate(0.7))
    found = tables(summary.render(judged.report(rule), {}))
    rules = next(rows for rows in found.values() if rows[0][0] == "Rule")
    assert rules[1] == ["the rule auc", "fail", "0.700 [0.680, 0.720]", "0.6", "800", "auc is fail"]


def test_what_does_not_hold_what_was_accepted_and_what_was_lost_have_tables() -> None:
    found = tables(summary.render(judged.example(), {}))
    opened = found["What does not hold"][1:]
    assert [(row[0], row[2]) for row in opened] == [
        ("int4 on litert, board", "fails"),
        ("int8 on litert, pixel", "fails"),
        ("prune on litert, board", "is not decided"),
        ("the audit as a whole", "is not decided"),
        ("int8 on litert, pixel", "warns"),
    ]
    waivers = [row[3:] for row in found["Waivers"][1:]]
    assert waivers == [["ada", "known since 1.2", "2099-01-01"], ["ada", "known since 1.2", "2020-01-01 (expired)"]]
    assert found["Devices that did not finish"][1:] == [["phone", "attack", "it went away"]]


def test_a_waiver_is_shown_where_something_else_at_its_place_is_open() -> None:
    view = judged.seen("int8")
    cases = [judged.case(view, "fail"), judged.case(replace(view, attack="lira"), "fail", waiver=judged.ACCEPTED)]
    found = tables(summary.render(judged.report(judged.rule("auc", cases)), {}))
    assert [row[0] for row in found["Waivers"][1:]] == ["int8 on litert"]


def test_every_file_that_ships_is_a_row() -> None:
    report = Report.from_json(sample.report())
    rows = tables(summary.render(report, {}))["Files"][1:]
    assert [(row[0].removesuffix(" (control)"), row[1]) for row in rows] == [
        (one.variant, one.runtime) for one in report.artifacts
    ]


def test_an_audit_without_a_verdict_says_so() -> None:
    assert "**No verdict: nothing was judged**" in summary.render(replace(judged.report(), verdict=None), {})


@cache
def many(count: int) -> Report:
    """A report with so many findings, each with a long reason."""
    cases = [
        replace(judged.case(judged.seen(f"variant-{number}"), "fail"), reason="why " * 900) for number in range(count)
    ]
    return judged.report(judged.rule("auc", cases))


def test_a_long_summary_is_cut_after_a_row_and_says_so() -> None:
    text = summary.render(many(260), {})
    assert len(text.encode()) <= 900_000
    assert len(text.encode()) > 890_000
    assert text.endswith("\n\n*This summary is cut here: report.json of the run holds the rest.*\n")
    assert text.splitlines()[-4].endswith(" |")
    assert headline(many(260)).found[:40] in text


def test_text_is_cut_between_lines_and_never_inside_a_character() -> None:
    text = "ä" * 40 + "\n" + "ö" * 40 + "\n"
    for room in range(0, 200):
        cut = fitted(text, room)
        assert len(cut.encode()) <= room
        assert cut in ("", text) or cut.startswith(("\n\n*This", "ä" * 40 + "\n\n\n*This"))


def test_the_summary_is_appended_to_what_the_step_has_written(tmp_path: Path) -> None:
    place = tmp_path / "summary.md"
    place.write_text("# before")
    append_summary(judged.example(), place)
    assert place.read_text().startswith("# before\n\n## edgeleak: release\n")


@pytest.mark.parametrize("before", [0, 1000, 200_000, LIMIT - 5000, LIMIT - 100])
def test_the_step_stays_below_the_limit_above_which_all_of_it_is_dropped(before: int, tmp_path: Path) -> None:
    place = tmp_path / "summary.md"
    place.write_text("x" * before)
    if before > LIMIT - 1000:
        with pytest.raises(StorageError, match="no summary has room"):
            append_summary(many(260), place)
        assert place.stat().st_size == before
        return
    append_summary(many(260), place)
    assert before < place.stat().st_size <= LIMIT
    assert "is cut here" in place.read_text()[-100:]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"{tmp_path}: cannot be written"):
        append_summary(judged.example(), tmp_path)


def test_what_does_not_hold_is_annotated_at_its_line() -> None:
    lines = annotation_lines(judged.example())
    assert [line.partition("::")[2].partition("::")[0] for line in lines] == [
        "error file=audit.toml,line=7,title=edgeleak%3A the rule auc",
        "error file=audit.toml,line=7,title=edgeleak%3A the rule auc",
        "error file=audit.toml,line=7,title=edgeleak%3A the rule auc",
        "error title=edgeleak%3A the rule device-2",
        "warning file=audit.toml,line=12,title=edgeleak%3A the rule parity",
    ]
    assert "::not decided: prune on litert, board" in lines[2]


def test_an_audit_that_passes_has_no_annotation() -> None:
    assert annotation_lines(judged.report(judged.rule("auc", [judged.case(judged.seen("int8"), "pass")]))) == ()


@pytest.mark.parametrize(
    ("count", "last"), [(10, "::variant-9 on"), (11, "::2 more findings"), (40, "::31 more findings")]
)
def test_no_more_than_ten_of_a_kind_are_annotated_and_the_last_says_how_many_more(count: int, last: str) -> None:
    lines = annotation_lines(many(count))
    assert len(lines) == 10
    assert last in lines[-1]
    assert all(len(line) < 1500 for line in lines)
