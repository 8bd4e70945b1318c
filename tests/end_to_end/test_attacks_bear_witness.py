"""In a real audit no predicted leakage is smaller than what an attack of the same report shows, unless it says so.

The network learns labels that are tosses of a die: it can only remember them, and attacks tell its members by that.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.witnesses import beside_attacks
from harness.config import AuditConfig
from harness.results import MisFindings
from harness.store import Run
from tests.end_to_end.conftest import Cli
from tests.report.contradictions import contradictions

pytestmark = pytest.mark.slow

RECORDS, FEATURES, CLASSES = 1400, 16, 4
NOISE = """
name = "noise"
seed = 1

[data]
name = "csv"
data_dir = "noise.csv"
label = "y"
members = 200
nonmembers = 200
population = 100
calibration = 32

[model]
name = "mlp"
width = 64

[training]
epochs = 60
batch_size = 32
shadows = 1

[compression]
variants = ["original", "int8"]

[export]
runtimes = ["litert"]

[attack]
names = ["confidence", "modified-entropy-class"]

[mis]
quantizers = ["fp32", "int8", "int4"]
candidates = 6

[bench]
runs = 30
duration_s = 0.0

[[gate.rules]]
max = 0.999
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, edgeleak: Cli) -> Path:
    """A finished audit, with the generator of candidates that an audit has unless it names one."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(3)
    lines = [",".join([*(f"x{number}" for number in range(FEATURES)), "y"])]
    for record, label in zip(rng.normal(size=(RECORDS, FEATURES)), rng.integers(0, CLASSES, RECORDS), strict=True):
        lines.append(",".join([*(f"{value:.4f}" for value in record), f"c{label}"]))
    (folder / "noise.csv").write_text("\n".join(lines))
    (folder / "audit.toml").write_text(NOISE)
    done = edgeleak("audit", "audit.toml", "--run", "run", "-q", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def report(audited: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((audited / "report.json").read_text())
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
    rows = {row["quantizer"]: row for row in report["mis"]["quantizers"]}
    assert rows["int4"]["witness"] is None, "no variant of this audit is int4"
    for name, variant in (("fp32", "original"), ("int8", "int8")):
        one = rows[name]["witness"]
        bounds = {
            result["attack"]: 2 * result["simultaneous"]["balanced_accuracy"]["low"] - 1
            for result in report["attacks"]["results"]
            if (result["variants"], result["runtime"], result["adversary"]) == ([variant], "litert", "NR")
        }
        assert one["variant"] == variant
        assert bounds[one["attack"]] == max(bounds.values()) == one["advantage"]["low"]
        assert rows[name]["leakage"]["delta"]["low"] >= one["advantage"]["low"]


def test_the_page_the_summary_and_the_terminal_say_what_the_json_says(
    audited: Path, report: dict[str, Any], edgeleak: Cli
) -> None:
    shown = edgeleak("report", "audit.toml", "--run", "run", "--all", cwd=audited.parent)
    assert shown.returncode == 0, shown.stderr
    page, summary = ((audited / name).read_text() for name in ("report.html", "summary.md"))
    for text in (page, summary, " ".join(shown.stdout.split())):
        places = [text.find(f"{row['quantizer']}: predicted at most ") for row in report["mis"]["quantizers"]]
        flagged = ["contradicted_by_attack" in row["flags"] for row in report["mis"]["quantizers"]]
        assert [place >= 0 for place in places] == flagged
        assert "No attack was held against the prediction of int4" in text


def test_quantizers_stand_in_the_order_of_what_is_printed(report: dict[str, Any]) -> None:
    rows = report["mis"]["quantizers"]
    values = [row["leakage"]["delta"]["value"] for row in rows if row["rank"] is not None]
    assert values == sorted(values)
    assert all(row["mis_predicted"] is None or row["leakage"]["status"] == "ok" for row in rows)


def test_a_null_twin_has_no_witness(audited: Path) -> None:
    run = Run(audited, AuditConfig(name="noise", null=True))
    found = MisFindings.from_json(run.read_json("results/mis.json"))
    assert beside_attacks(run, found) == found
