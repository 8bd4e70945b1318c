"""gate.sarif is valid SARIF 2.1.0, points at the policy's lines, and knows a finding again in the next run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sarif_kit import validation_errors

from harness.report import Report
from harness.report.writers import sarif
from harness.results import DevicesFindings
from tests.report import judged


def log(report: Report) -> Any:
    """The one run of a valid log."""
    whole = json.loads(sarif.render(report, {}))
    # The schema that the standard publishes, as a package ships it.
    assert validation_errors(whole) == []
    (run,) = whole["runs"]
    return run


def by_place(run: Any) -> dict[tuple[str, str], Any]:
    return {
        (one["ruleId"], one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]): one for one in run["results"]
    }


def test_the_schema_refuses_what_is_no_log() -> None:
    whole = json.loads(sarif.render(judged.example(), {}))
    whole["runs"][0]["results"][0]["level"] = "fatal"
    assert validation_errors(whole)


def test_a_result_is_what_does_not_hold_and_nothing_else() -> None:
    found = by_place(log(judged.example()))
    assert {place: (one["level"], one["properties"]["outcome"]) for place, one in found.items()} == {
        ("auc", "int4 on litert, board"): ("error", "fail"),
        ("auc", "int8 on litert, board"): ("note", "fail"),
        ("auc", "int8 on litert, pixel"): ("error", "fail"),
        ("auc", "prune on litert, board"): ("error", "inconclusive"),
        ("parity", "int8 on litert, pixel"): ("warning", "fail"),
        ("device-2", "the audit as a whole"): ("error", "inconclusive"),
    }
    assert found["auc", "prune on litert, board"]["message"]["text"].startswith("Not decided: ")
    assert all(one["kind"] == "fail" for one in found.values())


def test_a_result_points_at_the_line_of_its_rule() -> None:
    found = by_place(log(judged.example()))
    place = found["parity", "int8 on litert, pixel"]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "audit.toml", "uriBaseId": "SRCROOT"}, "region": {"startLine": 12}}
    fallback = found["device-2", "the audit as a whole"]
    assert fallback["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "audit.toml"
    assert fallback["message"]["text"].endswith("(the rule is written in no file)")


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("ci/policy.toml", "ci/policy.toml"),
        ("ci\\release policy.toml", "ci/release%20policy.toml"),
        ("./a/../ä#?.toml", "%C3%A4%23%3F.toml"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("/home/x/audit.toml", "file:///home/x/audit.toml"),
        ("x" * 5000, "audit.toml"),
    ],
)
def test_a_file_is_named_as_a_uri(file: str, uri: str) -> None:
    rule = judged.rule("auc", [judged.case(judged.seen("int8"), "fail")], file=file)
    (one,) = log(judged.report(rule))["results"]
    assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_what_is_accepted_is_suppressed_with_who_and_why_and_an_expired_waiver_is_not() -> None:
    found = by_place(log(judged.example()))
    (suppression,) = found["auc", "int8 on litert, board"]["suppressions"]
    assert suppression == {
        "kind": "external", "status": "accepted", "justification": "ada: known since 1.2 (until 2099-01-01)",
    }  # fmt: skip
    assert found["auc", "int4 on litert, board"]["suppressions"] == []


def test_a_finding_keeps_its_fingerprint_when_figures_attack_and_line_change() -> None:
    def fingerprints(attack: str, value: float, line: int, *variants: str) -> Any:
        one = judged.case(judged.seen(*variants, attack=attack), "fail", value)
        (found,) = log(judged.report(judged.rule("auc", [one], line=line)))["results"]
        return found["partialFingerprints"]

    assert fingerprints("rmia", 0.7, 7, "int8") == fingerprints("lira", 0.8, 99, "int8")
    assert fingerprints("rmia", 0.7, 7, "int8") != fingerprints("rmia", 0.7, 7, "int4")


def test_findings_of_one_line_have_fingerprints_of_their_own() -> None:
    run = log(judged.example())
    for key in ("edgeleak/v1", "primaryLocationLineHash"):
        prints = [one["partialFingerprints"][key] for one in run["results"]]
        assert len(set(prints)) == len(prints) == 6


def test_every_rule_is_described_whether_it_holds_or_not() -> None:
    run = log(judged.report(judged.rule("auc", [judged.case(judged.seen("int8"), "pass")])))
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["shortDescription"]["text"]) == ("auc", "the rule auc")
    assert run["results"] == []
    for one in log(judged.example())["results"]:
        assert one["ruleIndex"] == [rule["id"] for rule in log(judged.example())["tool"]["driver"]["rules"]].index(
            one["ruleId"]
        )


@pytest.mark.parametrize(
    ("report", "code", "successful"),
    [
        (judged.report(judged.rule("auc")), 0, True),
        (judged.report(judged.rule("auc", [judged.case(judged.seen("int8"), "fail")])), 1, True),
        (judged.report(judged.rule("auc", [judged.case(judged.seen("int8"), "inconclusive")])), 2, True),
        (judged.example(), 1, False),
        (replace(judged.report(), verdict=None), None, False),
    ],
    ids=["pass", "fail", "inconclusive", "a device lost", "not judged"],
)
def test_the_invocation_has_the_exit_code_of_the_verdict(report: Report, code: int | None, successful: bool) -> None:
    (invocation,) = log(report)["invocations"]
    assert invocation.get("exitCode") == code
    assert invocation["executionSuccessful"] is successful
    assert bool(invocation.get("toolExecutionNotifications")) == bool((report.devices or DevicesFindings()).lost)


def test_a_log_has_an_error_unless_the_verdict_is_a_pass() -> None:
    for report in (replace(judged.report(), verdict=None), judged.report()):
        assert [one["level"] for one in log(report)["results"]] == ["error"]
