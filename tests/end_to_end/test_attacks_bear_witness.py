"""In a real audit no predicted leakage is smaller than what an attack of the same report shows, unless it says so."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from harness.audit.witnesses import beside_attacks
from harness.config import AuditConfig
from harness.results import MisFindings
from harness.store import Run
from tests.end_to_end.conftest import Cli
from tests.report.contradictions import contradictions


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((finished / "report.json").read_text())
    return found


def as_once_predicted(report: dict[str, Any]) -> dict[str, Any]:
    """The same report with the small leakage that was once printed, and nothing said of the attacks."""
    spoiled = copy.deepcopy(report)
    for row in spoiled["mis"]["quantizers"]:
        row["leakage"]["delta"] |= {"value": 1.2e-6, "low": 1e-7, "high": 2e-6, "resolvable": True}
        row["flags"], row["mis_predicted"] = [], 0.9999988
    return spoiled


def test_no_figure_of_a_real_report_is_contradicted_unsaid(report: dict[str, Any]) -> None:
    assert contradictions(report) == []
    told = contradictions(as_once_predicted(report))
    assert {text.split(":")[0] for text in told} == {"fp32", "int8"}, "the attacks of this audit do find something"


def test_every_quantizer_that_was_attacked_names_its_witness(report: dict[str, Any]) -> None:
    witnesses = {row["quantizer"]: row["witness"] for row in report["mis"]["quantizers"]}
    assert {name: one["variant"] for name, one in witnesses.items()} == {"fp32": "original", "int8": "int8"}
    for one in witnesses.values():
        bounds = {
            result["attack"]: 2 * result["simultaneous"]["balanced_accuracy"]["low"] - 1
            for result in report["attacks"]["results"]
            if (result["variants"], result["runtime"], result["adversary"]) == ([one["variant"]], "litert", "NR")
        }
        assert bounds[one["attack"]] == max(bounds.values()) == one["advantage"]["low"]


def test_the_page_the_summary_and_the_terminal_say_what_the_json_says(
    finished: Path, report: dict[str, Any], edgeleak: Cli
) -> None:
    page, summary = ((finished / name).read_text() for name in ("report.html", "summary.md"))
    terminal = " ".join(edgeleak("report", finished, "--details").stdout.split())
    for row in report["mis"]["quantizers"]:
        if "contradicted_by_attack" in row["flags"]:
            said = f"{row['quantizer']}: predicted at most "
            assert all(said in text for text in (page, summary, terminal))
    assert "Predicted leakage of quantizers (MIS)" in page


def test_a_null_twin_has_no_witness(finished: Path) -> None:
    run = Run(finished, AuditConfig(name="small", null=True))
    found = MisFindings.from_json(run.read_json("results/mis.json"))
    assert beside_attacks(run, found) == found
