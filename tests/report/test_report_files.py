"""The files of a report: whole, private, the same for the same input, and JSON that comes back as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError, StorageError
from harness.report import Report, write
from tests.report import sample
from tests.report.test_report_page import page_of


def test_same_input_same_bytes(tmp_path: Path) -> None:
    first, second = (
        [path.read_bytes() for path in write(Report.from_json(sample.report()), curves=sample.curves(), folder=folder)]
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second


def test_writing_a_report_loads_no_plotting_library_and_no_statistics(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.report import Report, write; "
        f"write(Report(name='x'), curves={{}}, folder=Path({str(tmp_path)!r})); print(sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    for heavy in ("matplotlib", "sklearn", "scipy.stats", "torch", "zarr", "grpc"):
        assert f"'{heavy}'" not in loaded


def test_showing_a_report_loads_no_template_engine() -> None:
    code = "import sys; from harness.report import summary, findings; print('jinja2' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.strip() == "False"


@pytest.mark.parametrize("kind", [sample.report, sample.null_twin, sample.supplied, sample.answers])
def test_json_comes_back_as_it_was(tmp_path: Path, kind: Callable[[], dict[str, Any]]) -> None:
    report = kind()
    (path,) = write(Report.from_json(report), curves={}, folder=tmp_path, formats=("json",))
    assert json.loads(path.read_text(encoding="ascii")) == report
    assert b"\x1b" not in path.read_bytes()


@pytest.mark.parametrize("node", [None, [], "report", 3])
def test_what_is_no_object_is_no_report(node: object) -> None:
    with pytest.raises(InputError, match="expected a JSON object"):
        Report.from_json(node)


@pytest.mark.parametrize("row", [{}, {"attack": "rmia"}, {"adversary": "XR", "attack": "rmia"}, {"attack": 3}, None])
def test_a_result_that_names_no_attack_is_left_out(tmp_path: Path, row: object) -> None:
    report = sample.report()
    count = len(report["attacks"]["results"])
    report["attacks"]["results"].insert(1, row)
    report["attacks"]["skipped"] = [row]
    shown = Report.from_json(report)
    assert len(shown.attacks.results) == count
    assert shown.attacks.skipped == ()
    page_of(report, tmp_path)


def test_json_has_no_nan(tmp_path: Path) -> None:
    (path,) = write(
        Report(config={"a": float("nan"), "b": (1, float("inf"))}), curves={}, folder=tmp_path, formats=("json",)
    )
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["config"] == {"a": None, "b": [1, None]}


def test_what_json_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="report/device/path"):
        write(Report(device={"path": tmp_path}), curves={}, folder=tmp_path)
    timings: Any = {1: 2.0}
    with pytest.raises(InputError, match="report/timings"):
        write(Report(timings=timings), curves={}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_are_whole_private_and_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        paths = write(Report.from_json(sample.report()), curves={}, folder=folder)
    assert [p.name for p in paths][:2] == ["report.json", "report.html"]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert {p.stat().st_mode & 0o777 for p in paths} == {0o600}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        write(Report.from_json(sample.report()), curves={}, folder=tmp_path / "file")
