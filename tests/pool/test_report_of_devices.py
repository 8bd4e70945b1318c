"""The report of several devices: each has its tables, emulated ones are marked, and differences are shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.report import Report, details, write
from harness.results import AnswerDifference, AttackDifference, DeviceResult, DevicesFindings, Parity
from harness.types import Estimate
from tests.report import sample

PHONE, BOARD, GONE = "adb:PHONE", "ssh:pi", "ssh:gone"


def several() -> Report:
    """The sample report, found alike on an emulated phone and on a board; a third device was lost."""
    one = Report.from_json(sample.report())
    names = (PHONE, BOARD)
    results = [replace(r, view=replace(r.view, device=name)) for name in names for r in one.attacks.results]
    increases = [replace(i, view=replace(i.view, device=name)) for name in names for i in one.attacks.increases]
    return replace(
        one,
        device=None,
        artifacts=tuple(replace(row, device=name) for name in names for row in one.artifacts),
        attacks=replace(one.attacks, results=tuple(results), increases=tuple(increases), null=None),
        devices=DevicesFindings(
            (
                DeviceResult(name=PHONE, folder="devices/phone", device={"emulated": True, "machine": "aarch64"}),
                DeviceResult(name=BOARD, folder="devices/board", device={"machine": "aarch64"}),
                DeviceResult(name=GONE, folder="devices/gone", missing=("mis",), reason="\x1b[2Jlost <b>", losses=3),
            ),
            (AnswerDifference("int8", "litert", BOARD, PHONE, Parity(2.5e-3, 2, 800, PHONE)),),
            (
                AttackDifference(
                    replace(results[0].view, device=BOARD), PHONE, Estimate(0.021, -0.01, 0.052, 800, "paired-delong")
                ),
            ),
        ),
    )


def shown(report: Report) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(details(report))
    return " ".join(console.export_text().split())


def test_the_report_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    (path,) = write(several(), curves={}, folder=tmp_path, formats=("json",))
    report = json.loads(path.read_text())
    assert Report.from_json(report).to_json() == report
    assert [one["status"] for one in report["devices"]["devices"]] == ["finished", "finished", "lost"]


def test_the_page_has_each_device_and_marks_the_emulated_one(tmp_path: Path) -> None:
    (path,) = write(several(), curves={}, folder=tmp_path, formats=("html",))
    page = path.read_text()
    assert f">{PHONE} (emulated)</th>" in page
    assert f"{PHONE}: an emulated phone, whose latencies are not those of hardware." in page
    assert f"1 of 3 devices did not finish ({GONE})." in page
    assert f"Bring {GONE} back and run the same command again" in page
    assert 'href="devices/phone/report.html"' in page
    assert 'href="devices/gone/report.html"' not in page
    assert "lost: lacks mis" in page
    assert "\x1b" not in page
    assert "lost <b>" not in page
    assert "2.5e-03" in page
    assert "+0.021 [-0.010, +0.052]" in page
    assert "no file and no device is ranked by them" in page
    # A picture that ranks files by latency would mix the phone's with the board's.
    assert "Leakage against latency" not in page
    assert "Latencies of several devices are not drawn" in page


def test_a_terminal_has_each_device_and_the_largest_differences() -> None:
    text = shown(several())
    assert f"{PHONE} (emulated)" in text
    assert "lost: lacks mis" in text
    assert f"{BOARD} against {PHONE}: confidences differ by up to 2.5e-03 (int8 on litert)" in text
    assert "at most 2 of 800 top-1 classes" in text
    assert f"+0.021 [-0.010, +0.052] (NR rmia on original (litert, {BOARD}))" in text


def test_one_device_of_several_is_reported_as_if_it_were_the_only_one() -> None:
    one, alone = Report.from_json(sample.report()), several().of_device(BOARD)
    assert [row.artifact for row in alone.artifact_rows()] == [row.artifact for row in one.artifact_rows()]
    assert [r.view for r in alone.strongest()] == [r.view for r in one.strongest()]
    assert alone.devices is None
