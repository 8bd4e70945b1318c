"""All of a report in the terminal: nothing of the verdict is cut, nothing from a device steers the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.report import Report, _clean, _format, _increases, details, findings
from harness.report.writers import html, json
from harness.results import Increase
from harness.types import Estimate, TprEstimate, View
from tests.report import sample


def shown(report: dict[str, Any], width: int = 80, *, color: bool = False, **more: Any) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(details(Report.from_json(report), **more))
    return stream.getvalue()


def words(text: str) -> str:
    """The text without frames and line breaks."""
    return " ".join(re.sub("[│╭╮╰╯─━|+]", " ", text).split())


@pytest.mark.parametrize("width", [80, 200])
def test_the_verdict_is_whole_and_nothing_is_too_wide(width: int) -> None:
    report = sample.report()
    report["gate"]["rules"][0]["reason"] = "because " * 100 + "x" * 300 + " END"
    text = shown(report, width)
    verdict = text[: text.index("╰")]
    assert "FAIL digits" in words(verdict)
    assert verdict.count("because") == 100
    assert verdict.count("x") >= 300
    assert "END" in verdict
    assert "not-worse: no variant" in words(verdict)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 200])
def test_every_number_is_on_one_line(width: int) -> None:
    text = shown(sample.report(), width)
    assert ".610 [.550,.670]  .632 [.572,.692]" in text
    assert ".05 [.025,.1]" in text
    for row in sample.report()["artifacts"]:
        assert row["variant"] in text


def test_a_name_is_broken_at_its_hyphens() -> None:
    report = sample.report()
    for row in report["artifacts"]:
        if row["variant"] == "int8-ptq":
            row["variant"] = "int8-dynamic"
    text = shown(report, 80)
    assert re.search(r"^ *int8- ", text, re.MULTILINE)
    assert re.search(r"^ *dynamic +$", text, re.MULTILINE)
    assert "int8-dynamic" in shown(report, 200)


def test_it_names_what_to_read_next(tmp_path: Path) -> None:
    text = shown(sample.report(), 200, files=(tmp_path / "report.html",))
    assert str(tmp_path / "report.html") in text
    assert "6 attacks did not run:\n- lira (6 views): lira needs reference models; train shadows or give" in text
    assert "permuted-labels" not in text


@pytest.mark.parametrize("width", [20, 80])
def test_a_device_cannot_steer_the_terminal(width: int) -> None:
    text = shown(sample.report(), width, color=True)
    # Colours that rich itself writes are the only escapes.
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\u202e" not in text
    assert "[red]x[/red]" in words(shown(sample.report(), 200))


def test_names_in_tables_are_no_markup() -> None:
    report = sample.report()
    report["artifacts"][0]["variant"] = "[/]"
    report["attacks"]["results"][0] |= {"attack": "[bold]b", "simultaneous": {"auc": sample.estimate(0.99)}}
    report["mis"]["quantizers"][0]["quantizer"] = "[/q]"
    text = shown(report, 200)
    assert "[/]" in text
    assert "[bold]b" in text
    assert "[/q]" in text


def test_null_calibration_names_what_chance_reaches() -> None:
    report = sample.report()
    del report["null_calibration"]["max_z_p_value"]
    report["null_calibration"] |= {"miss_share": 0.03, "p_value": 0.4}
    text = words(shown(report))
    assert "3.0% leave out 0.5; with the memberships shuffled, chance alone reaches 12.0% (p = 0.4)" in text
    assert "That is within chance" in text


@pytest.mark.parametrize(
    ("p_value", "max_z_p_value", "is_more"),
    [(0.4, 0.3, False), (0.06, 0.002, True), (0.01, 0.3, True), (0.04, 0.3, False), (0.04, None, True)],
)
def test_null_calibration_reads_both_tests_at_one_level(
    p_value: float, max_z_p_value: float | None, is_more: bool
) -> None:
    """Attacks that err together may all miss 0.5 by chance, and then their number says little."""
    report = sample.report()
    report["null_calibration"] |= {"p_value": p_value, "max_z_p_value": max_z_p_value}
    assert ("That is more than chance" in words(shown(report))) == is_more


@pytest.mark.parametrize("width", [80, 100])
def test_the_strongest_have_rates_in_per_cent_and_epsilon(width: int) -> None:
    text = shown(sample.report(), width)
    assert max(map(len, text.splitlines())) <= width
    strongest, rates = text[text.index("Strongest attacks") :].split("The same at low false-positive rates")
    assert re.search(r"^ NR +rmia +cluster-16 +litert +\.640 \[\.580,\.700\] +≥ 0\.21 *$", strongest, re.MULTILINE)
    assert re.search(r"^ NR +rmia +cluster-16 +litert +24\.0% \[18\.0,30\.0\] *$", rates, re.MULTILINE)
    # No attack has it, so it is no column.
    assert text.count("TPR at 1% FPR: needs n ≥ 1000") == text.count("needs n ≥ 1000") == 1


def test_a_rate_that_ties_hide_is_named_in_short() -> None:
    report = sample.report()
    rows = report["attacks"]["results"]
    report["attacks"]["results"] = [r for r in rows if r["attack"] == "gap" or r["variants"] == ["original"]]
    assert re.search(r"^ NR +gap +prune-0.8 +litert +75.0% tied *$", shown(report), re.MULTILINE)


def test_many_rates_are_spread_over_tables() -> None:
    report = sample.report()
    for row in report["attacks"]["results"]:
        rates = row["simultaneous"]["tpr_at_fpr"]
        row["tpr_at_fpr"] = row["simultaneous"]["tpr_at_fpr"] = dict.fromkeys(("0.1", "0.05", "0.02"), rates["0.1"])
    text = shown(report)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("The same at low false-positive rates") == 2
    assert all(f"TPR at {rate} FPR" in text for rate in ("10%", "5%", "2%"))


@pytest.mark.parametrize("width", [80, 100])
def test_increases_are_answered_in_words(width: int) -> None:
    text = shown(sample.report(), width)
    table = text[text.index("Does a view leak more than the original alone?") : text.index("Of 8 views")]
    rows = [line.split() for line in table.splitlines()]
    assert ["int8-ptq", "litert", "+.020", "[-.030,+.070]", "not", "resolved", "rmia", "rmia"] in rows
    assert ["prune-0.6", "litert", "-.120", "[-.170,-.070]", "less", "rmia", "rmia"] in rows
    assert len(re.findall(r"\] +more +mr-gbt +rmia", table)) == 2
    assert "finetuned" not in table, "a control does not ship"
    assert "2 leak more than the original alone and 2 leak less; for 4 these records do not say" in words(text)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.2, "more"), (-0.2, -0.01, "less"), (-0.1, 0.1, "not resolved"), (0.0, 0.1, "not resolved"),
        (float("nan"), 0.1, "not resolved"), (float("nan"), float("nan"), "not resolved"),
    ],
)  # fmt: skip
def test_only_an_interval_that_leaves_out_zero_is_an_answer(low: float, high: float, expected: str) -> None:
    plain, simultaneous = Estimate(0.05, 0.04, 0.06, 800, "m"), Estimate(0.05, low, high, 800, "m")
    view = View("NR", "rmia", ("int8",))
    increase = Increase(view=view, against="rmia", difference=plain, simultaneous=simultaneous, is_control=False)
    assert _increases.answer(increase) == expected


def test_it_says_what_was_chosen_which_cut_is_not_to_be_trusted_and_what_is_needed_to_repeat_it() -> None:
    text = words(shown(sample.supplied()))
    assert "rmia chose a = 0.3, gamma = 2 (on cluster-16, int8-ptq)" in text
    assert "Balanced accuracy of rmia is not to be trusted: of 2 shadows only one has references of its own" in text
    made = "edgeleak 0.1.0, seed 0, configuration c0ffeec0ffee, input dadadadadada, 1 more input, 2 reference models"
    assert f"Made by {made}" in text


@pytest.mark.parametrize(
    ("exposure", "expected"),
    [
        (
            {"answers": "label", "copies": 9, "queries": 10},
            "the top class alone of a record and of 9 disturbed copies.",
        ),
        ({"answers": "label", "copies": 1, "queries": 2}, "the top class alone of a record and of 1 disturbed copy."),
        ({"answers": "label", "copies": None, "queries": None}, "the top class alone."),
        ({"answers": "top-k", "top_k": 3, "copies": 0, "queries": 1}, "the 3 largest confidences alone."),
    ],
)
def test_an_app_that_shows_less_than_the_vector_is_named(exposure: dict[str, object], expected: str) -> None:
    report = sample.answers()
    report["data"]["exposure"] = exposure
    assert f"The attacks see {expected}" in words(shown(report))
    report["data"]["exposure"] = {"answers": "vector", "copies": 0, "queries": 1}
    assert "The attacks see" not in words(shown(report))


def test_all_intervals_together_make_one_promise() -> None:
    attacks = sample.answers()["attacks"]
    count = 170 + len(attacks["results"]) + len(attacks["increases"])
    text = words(shown(sample.answers()))
    promise = (
        f"All {count} intervals marked “at once” (of AUC, balanced accuracy, TPR, ε and differences) hold together"
    )
    assert f"{promise} in 95% of audits." in text
    assert "The correlation of the attacks makes those of AUC" in text
    report = sample.report()
    report["attacks"]["corrections"]["litert"] |= {"z": 3.72}
    assert "On litert" in shown(report)
    assert "too different to shorten Bonferroni's intervals (z 3.72)" in words(shown(report))


def test_null_twin_is_marked() -> None:
    assert "Null twin run: nobody is a member" in words(shown(sample.null_twin()))
    assert "Null twin" not in shown(sample.report())


def test_mis_is_ranked_by_the_predicted_leakage() -> None:
    text = shown(sample.report(), 120)
    table = text[text.index("MIS, the smallest predicted leakage first") :]
    names = re.findall(r"^ *[\d–]+ +(ternary|int8|int4|fp32|sign) ", table, re.MULTILINE)
    assert names == ["ternary", "int8", "int4", "fp32", "sign"]
    assert "not probed" in table


def test_mis_says_where_its_candidates_come_from_and_how_far_to_trust_it() -> None:
    text = words(shown(sample.report(), 120))
    assert "candidates by flips" in text
    assert "11 of 12" in text
    assert "(not_erm): the deployed file has a larger loss than the best of its candidates" in text


@pytest.mark.parametrize("width", [80, 120])
def test_mis_prints_the_ranks_that_the_comparisons_leave(width: int) -> None:
    table = shown(sample.report(), width).split("MIS, the smallest predicted leakage first")[1]
    ranks = dict(re.findall(r"^ *(\S+) +(ternary|int8|int4|fp32|sign) ", table, re.MULTILINE)[:5])
    assert list(ranks) == ["1", "2–3", "–"]
    assert re.search(r"^ *– +fp32 +≥ \.21 ", table, re.MULTILINE)


def test_mis_rate_may_be_an_estimate() -> None:
    report = sample.report()
    report["mis"]["quantizers"] = [{"quantizer": "q", "r": sample.estimate(0.25, 0.05)}]
    assert ".25 [.2,.3]" in shown(report)


def test_an_empty_report_has_no_verdict() -> None:
    assert "NO VERDICT" in shown({})
    assert "NO VERDICT" in shown(sample.report() | {"gate": {"rules": []}})


def test_findings_alone_have_no_verdict_and_no_artifacts() -> None:
    stream = io.StringIO()
    report = Report.from_json({key: sample.report()[key] for key in ("attacks", "null_calibration")})
    Console(file=stream, width=120).print(findings(report))
    text = stream.getvalue()
    assert "VERDICT" not in text
    assert "Strongest attacks" in text
    assert "Null calibration: Of 80 attacks" in text
    assert "MIS" not in text


def test_answers_alone_leave_out_what_they_never_had() -> None:
    text = shown(sample.answers(), 120)
    assert "n/a" not in text
    assert "Runtime" not in text
    assert "p50" not in text


def test_supplied_files_say_how_their_answers_were_read() -> None:
    text = words(shown(sample.supplied(), 120))
    assert "Answers of original (litert), original (executorch): logits: rows do not sum to one" in text
    assert "p50" not in text


@pytest.mark.parametrize("width", [20, 200])
def test_no_text_of_a_report_reaches_the_terminal_uncleaned(width: int) -> None:
    text = shown(sample.hostile(), width)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["value", "low", "high", "n", "level", "needed_n", "outcome", "rules", "results", "variants", "r", "quantizers"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_no_value_anywhere_breaks_it(data: st.DataObject) -> None:
    """One place of the report, at any depth, holds anything: terminal, page and JSON are still written."""
    report = sample.report()
    node: Any = report
    while True:
        key = data.draw(st.sampled_from(sorted(node)) if isinstance(node, dict) else st.integers(0, len(node) - 1))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(NODES)
    shown(report)
    typed = Report.from_json(report)
    html.render(typed, {})
    json.render(typed, {})


@given(st.text())
def test_clean_text_is_one_visible_line(text: str) -> None:
    clean = _clean.clean(text)
    assert clean
    assert clean.isprintable()
    assert len(clean) <= 240
    assert _clean.clean(clean) == clean


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.61, 0.57, 0.65, 800, "delong"), "0.610 [0.570, 0.650]"),
        (Estimate(0.61, float("nan"), 0.65, 800, "delong"), "0.610"),
        (Estimate(float("nan"), 0, 1, 9, "m", resolvable=False, needed_n=1000), "needs n ≥ 1000"),
        (Estimate(float("nan"), 0, 1, 9, "m", resolvable=False), "not resolvable"),
        (TprEstimate(float("nan"), 0, 1, 9, "m", resolvable=False, tied=0.75), "tied: 75.0% of non-members"),
        (TprEstimate(float("nan"), 0, 1, 9, "m", resolvable=False, needed_n=9, tied=0.75), "needs n ≥ 9"),
        (TprEstimate(0.5, 0.4, 0.6, 9, "m", tied=0.75), "0.500 [0.400, 0.600]"),
        (Estimate(float("nan"), 0, 1, 9, "m"), "n/a"),
        (None, "n/a"),
    ],
)
def test_intervals_in_words(estimate: Estimate | None, expected: str) -> None:
    assert _format.interval(estimate) == expected
    written = None if estimate is None else type(estimate).from_json(estimate.to_json())
    assert _format.interval(written) == expected


def test_units() -> None:
    assert [_format.duration(v) for v in (12, 1500, 2.5e6, 3e9)] == ["12 ns", "1.5 µs", "2.5 ms", "3 s"]
    assert [_format.bytes_text(v) for v in (0, 1023, 1536, 5 * 2**20, None)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 MiB",
        "n/a",
    ]
    assert [_format.percent(v) for v in (0.0, 0.0025, 0.5, 1.0)] == ["0.0%", "0.25%", "50.0%", "100.0%"]
    assert _format.at_least(Estimate(0.5, 0.21, float("inf"), 800, "m")) == "≥ 0.21"
