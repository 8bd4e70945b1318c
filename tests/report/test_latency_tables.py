"""Latency in the report: a table with intervals, what a ratio means, and nothing of an emulated device compared."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.report import Report, details, write
from harness.report._latency_tables import latency_table
from tests.report import sample

REASON = "the device is emulated: its latencies say nothing of hardware"


def shown(node: dict[str, Any], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(details(Report.from_json(node)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def page(node: dict[str, Any], folder: Path) -> str:
    write(Report.from_json(node), curves={}, folder=folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def emulated() -> dict[str, Any]:
    report = sample.report()
    report["device"]["emulated"] = True
    for artifact in report["artifacts"]:
        if artifact["latency"]:
            artifact["latency"] |= {"ratio": None, "not_compared": REASON}
    return report


def of_an_earlier_version() -> dict[str, Any]:
    report = sample.report()
    new = ("p90_ns", "p99_ns", "rounds", "throttled_because", "ratio", "not_compared")
    cold = ("cold_load_ns", "first_inference_ns", "peak_bytes", "added_bytes")
    for artifact in report["artifacts"]:
        for key in (*new, *cold):
            if artifact["latency"]:
                del artifact["latency"][key]
    return report


def cells(node: dict[str, Any]) -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
    table = latency_table(Report.from_json(node))
    assert table is not None
    rows = [[(cell.text, cell.note) for cell in row.cells] for row in table.rows]
    return {(row[0][0], row[1][0]): dict(zip(table.columns, row, strict=True)) for row in rows}


def test_the_table_has_all_of_a_files_latency() -> None:
    rows = cells(sample.report())
    assert ("cluster-16", "executorch") not in rows  # it was not timed
    assert rows["prune-0.8", "litert"] == {
        "Variant": ("prune-0.8", ""),
        "Runtime": ("litert", ""),
        "p50": ("72 µs [70 µs, 74 µs]", ""),
        "p90": ("130 µs [122 µs, 138 µs]", ""),
        "p95": ("140 µs [131 µs, 149 µs]", ""),
        "p99": ("needs n ≥ 368", ""),
        "p50 / original's": ("0.800 [0.650, 0.950], faster", ""),
        "Runs": ("100", "8 rounds"),
        "Threads and batch": ("1 thread, batch 1", ""),
        "Throttled": ("no", ""),
        "Cold load": ("3 ms", ""),
        "First inference": ("400 µs", ""),
        "Peak memory": ("90.0 MiB", ""),
        "of it, added": ("1.5 MiB", ""),
    }
    assert rows["original", "litert"]["p50 / original's"] == ("n/a", "")
    assert rows["int8-ptq", "litert"]["Throttled"] == ("yes", "later runs took 1.40 times as long as earlier ones")


@pytest.mark.parametrize(("ratio", "meaning"), [(1.5, "slower"), (0.5, "faster"), (1.05, "cannot be told apart")])
def test_a_ratio_says_what_follows_from_it(ratio: float, meaning: str) -> None:
    report = sample.report()
    report["artifacts"][1]["latency"]["ratio"] = sample.estimate(ratio, 0.1)
    assert cells(report)["prune-0.6", "litert"]["p50 / original's"][0].endswith(f", {meaning}")
    assert meaning in shown(report, 140)


def test_nothing_of_an_emulated_device_is_compared(tmp_path: Path) -> None:
    report = emulated() | {"mis": None}
    assert {row["p50 / original's"] for row in cells(report).values()} == {("not compared", REASON)}
    html, text = page(report, tmp_path), shown(report, 140)
    assert f"Not compared by latency: {REASON}." in text
    assert "so its latencies compare nothing" in html
    assert "Median latency, " not in html
    assert not re.search("faster|slower|cannot be told apart", text)
    assert "Median latency, " in page(sample.report(), tmp_path)


def test_a_report_of_an_earlier_version_shows_what_it_has() -> None:
    rows = cells(of_an_earlier_version())
    assert list(rows["original", "litert"]) == [
        "Variant", "Runtime", "p50", "p95", "Runs", "Threads and batch", "Throttled",
    ]  # fmt: skip
    assert rows["int8-ptq", "litert"]["Throttled"] == ("yes", "no sign was kept")
    text = " ".join(shown(of_an_earlier_version(), 140).split())
    assert "100 runs in 1 round, 1 thread, batch 1" in text
    assert "cold starts" not in text


def test_the_terminal_shows_percentiles_in_one_unit_with_their_intervals() -> None:
    text = shown(sample.report(), 140)
    assert "Latency on litert, µs (100 runs in 8 rounds, 1 thread, batch 1)" in text
    row = next(line for line in text.splitlines() if "prune-0.8" in line and "72.0 [70.0,74.0]" in line)
    assert "130 [122,138]" in row
    assert re.search(r"prune-0.8 +.80 \[.65,.95\] +3 ms +400 µs +90.0 MiB +faster", text)
    assert "the board may have throttled: later runs took 1.40 times as long as earlier ones." in text


def test_where_nothing_was_timed_there_is_no_table(tmp_path: Path) -> None:
    assert latency_table(Report.from_json(sample.supplied())) is None
    assert "<h2>Latency</h2>" not in page(sample.supplied(), tmp_path)
    assert "Latency, " not in shown(sample.supplied())


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_of_a_terminal_is_cut(width: int) -> None:
    assert all(len(line) <= width for line in shown(sample.report(), width).splitlines())
