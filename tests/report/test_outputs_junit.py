"""junit.xml, read by what reads JUnit files: a testcase for each device, variants and rule; what is open is no pass."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import junitparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.policy import Outcome, Severity
from harness.report import Report
from harness.report.writers import junit
from tests.report import judged


def cases(report: Report) -> dict[tuple[str, str, str], Any]:
    """Testcases by suite, class and name, as junitparser reads them."""
    read = junitparser.JUnitXml.fromstring(junit.render(report, {}).encode())
    return {(str(suite.name), one.classname, one.name): one for suite in read for one in suite}


def properties(element: Any) -> dict[str, str]:
    return {one.get("name"): one.get("value") for one in element._elem.iter("property")}


def only(found: dict[Any, Any], *words: str) -> Any:
    """The one testcase whose suite, class and name hold these words."""
    (one,) = (case for key, case in found.items() if all(word in " | ".join(key) for word in words))
    return one


def test_a_file_on_a_device_is_a_testcase_of_each_rule() -> None:
    found = cases(judged.example())
    shown = [
        (suite.rpartition(" ")[2], where.partition(".")[2], name.partition(":")[0]) for suite, where, name in found
    ]
    assert shown == [
        ("board", "int4 on litert, board", "auc"),
        ("board", "int8 on litert, board", "auc"),
        ("board", "prune on litert, board", "auc"),
        ("pixel", "int8 on litert, pixel", "auc"),
        ("pixel", "prune on litert, pixel", "auc"),
        ("pixel", "int8 on litert, pixel", "parity"),
        ("release", "the audit as a whole", "device-2"),
    ]  # fmt: skip


def test_what_fails_is_a_failure_and_what_is_not_decided_an_error() -> None:
    found = cases(judged.example())
    (failure,) = only(found, "int8 on litert, pixel", "auc").result
    assert isinstance(failure, junitparser.Failure)
    assert failure.type == "gate-failed"
    assert "(the worst of 2 results here)" in failure.message
    (error,) = only(found, "prune on litert, board", "auc").result
    assert isinstance(error, junitparser.Error)
    assert error.type == "inconclusive"
    assert only(found, "prune on litert, pixel", "auc").is_passed


def test_what_is_accepted_and_what_only_warns_is_skipped_with_the_reason() -> None:
    found = cases(judged.example())
    (waived,) = only(found, "int8 on litert, board", "auc").result
    assert isinstance(waived, junitparser.Skipped)
    assert "waived until 2099-01-01 by ada: known since 1.2" in waived.message
    (warned,) = only(found, "parity").result
    assert isinstance(warned, junitparser.Skipped)
    assert warned.message.startswith("warning: ")


def test_an_expired_waiver_fails_and_says_so() -> None:
    (failure,) = only(cases(judged.example()), "int4 on litert, board").result
    assert isinstance(failure, junitparser.Failure)
    assert "the waiver of ada: known since 1.2 expired on 2020-01-01" in failure.message


def test_the_message_names_the_attack_and_the_records_that_decide() -> None:
    view = judged.seen("original", "int8", attack="sr2-rf")
    one = replace(judged.case(view, "fail", against="rmia", part="class 3"), reason="0.7 is above 0.6")
    (found,) = cases(judged.report(judged.rule("auc", [one]))).values()
    assert found.result[0].message == (
        "gate-failed: SR sr2-rf on original + int8 (litert) against rmia, class 3: 0.7 is above 0.6"
    )
    assert properties(found)["part"] == "class 3"


def test_a_lost_device_is_an_error() -> None:
    (error,) = only(cases(judged.example()), "device-2").result
    assert isinstance(error, junitparser.Error)
    assert "phone lacks attack" in error.message


def test_the_figures_that_decide_are_properties() -> None:
    found = properties(only(cases(judged.example()), "int8 on litert, pixel", "auc"))
    assert found == {
        "rule": "auc", "severity": "fail", "outcome": "fail", "quantity": "auc", "limit": "0.6", "estimate": "0.71",
        "low": repr(0.71 - 0.02), "high": repr(0.71 + 0.02), "n": "800", "level": "0.95", "method": "delong-score",
        "cases": "2", "device": "pixel", "runtime": "litert", "variants": "int8", "adversary": "NR", "attack": "rmia",
    }  # fmt: skip


def test_several_attacks_are_decided_by_the_worst_that_nobody_accepted() -> None:
    int8 = judged.seen("int8")
    rule = judged.rule(
        "auc",
        [
            judged.case(replace(int8, attack="waived"), "fail", 0.9, judged.ACCEPTED),
            judged.case(replace(int8, attack="open"), "inconclusive", 0.6),
            judged.case(replace(int8, attack="holds"), "pass", 0.5),
        ],
    )
    (one,) = cases(judged.report(rule)).values()
    assert properties(one)["attack"] == "open"
    assert isinstance(one.result[0], junitparser.Error)


@pytest.mark.parametrize(
    "report",
    [
        replace(judged.report(), verdict=None),
        judged.report(),
        judged.report(judged.rule("auc", [judged.case(judged.seen("int8"), "pass")], outcome="inconclusive")),
        judged.report(judged.rule("auc", [judged.case(judged.seen("int8"), "inconclusive")], outcome="fail")),
    ],
    ids=["not judged", "no rules", "a rule that no case explains", "a failure that no case explains"],
)
def test_what_nothing_explains_is_no_pass(report: Report) -> None:
    found = list(cases(report).values())
    assert [one for one in found if one.is_error or one.is_failure]


OUTCOMES = st.sampled_from(get_args(Outcome))
CASES = st.builds(
    judged.case,
    st.sampled_from([judged.seen("int8"), judged.seen("original", "int8"), judged.of_file("prune", device="pixel")]),
    OUTCOMES,
    st.none() | st.floats(0, 1),
    st.sampled_from([None, judged.ACCEPTED, judged.EXPIRED]),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.lists(CASES, max_size=4), st.sampled_from(get_args(Severity)), OUTCOMES), max_size=3))
def test_a_file_without_failure_or_error_is_that_of_a_pass(drawn: list[tuple[list[Any], Severity, Outcome]]) -> None:
    rules = [
        judged.rule(f"rule-{number}", own, severity, **({} if own else {"outcome": outcome}))
        for number, (own, severity, outcome) in enumerate(drawn)
    ]
    report = judged.report(*rules)
    root = ElementTree.fromstring(junit.render(report, {}))  # noqa: S314 - our own text
    assert report.verdict is not None
    counted = {name: int(root.get(name, "")) for name in ("tests", "failures", "errors", "skipped")}
    tags = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    assert counted == {name: len(list(root.iter(tag))) for name, tag in tags.items()}
    assert (counted["failures"] + counted["errors"] == 0) == (report.verdict.outcome == "pass")


@pytest.mark.parametrize(("report", "code"), [(judged.example(), 1), (judged.report(judged.rule("auc")), 0)])
def test_a_reader_of_junit_files_agrees_with_the_verdict(report: Report, code: int, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(junit.render(report, {}))
    command = [sys.executable, "-m", "junitparser", "verify", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code
