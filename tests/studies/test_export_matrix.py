"""The export matrix on one small network: real files, a real agent, reasons where there is no file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.errors import ConfigError
from studies.export_matrix.page import page
from studies.export_matrix.study import conduct

CNN = ["--architecture", "cnn", "--variant", "original", "--variant", "int4", "--variant", "prune-0.8"]
CNN += ["--runtime", "litert", "--runtime", "onnx"]

Cells = dict[tuple[str, str], dict[str, Any]]


class Matrix(NamedTuple):
    folder: Path
    cells: Cells


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "studies.export_matrix", "-q"]
    command += ["--run", str(folder / "run"), "--out", str(folder / "page.md")]
    return subprocess.run([*command, *args], capture_output=True, text=True, check=False, timeout=500)


def by_place(cells: Sequence[dict[str, Any]]) -> Cells:
    return {(cell["variant"], cell["runtime"]): cell for cell in cells}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = tmp_path_factory.mktemp("matrix")
    done = run(folder, *CNN, "--json")
    assert done.returncode == 0, done.stderr
    return Matrix(folder, by_place(json.loads(done.stdout)["cells"]))


@pytest.mark.slow
def test_every_cell_is_a_measured_file_or_a_reason(matrix: Matrix) -> None:
    cells = dict(matrix.cells)
    assert len(cells) == 6
    missing = cells.pop(("int4", "onnx"))
    assert missing["status"] == "unsupported"
    assert "4-bit" in missing["reason"]
    for (variant, runtime), cell in cells.items():
        assert cell["status"] == "ok"
        suffix = {"litert": ".tflite", "onnx": ".onnx"}[runtime]
        file = matrix.folder / "run" / "cnn" / "artifacts" / "target" / f"{variant}{suffix}"
        assert file.stat().st_size == cell["size_bytes"] > cell["zip_bytes"] > 0
        assert cell["n"] == 800
    for runtime in ("litert", "onnx"):
        assert cells["original", runtime]["max_abs_difference"] < 1e-4
        assert cells["original", runtime]["flips"] == 0
        assert cells["prune-0.8", runtime]["share_zeros"] == pytest.approx(0.8, abs=0.01)
    assert min(cells["int4", "litert"]["bits"]) == 4
    text = (matrix.folder / "page.md").read_text()
    assert "100.0%" in text
    assert str(matrix.folder) not in text


@pytest.mark.slow
def test_a_second_run_keeps_finished_cells_and_shows_a_failure_as_a_cell(matrix: Matrix) -> None:
    folder = matrix.folder
    target = folder / "run" / "cnn"
    kept = target / "artifacts" / "target" / "original.tflite"
    before = kept.stat().st_mtime_ns
    for lost in (target / "artifacts" / "target").glob("prune-0.8.tflite*"):
        lost.unlink()
    (target / "cells" / "prune-0.8-litert.json").unlink()
    weights = target / "models" / "target" / "prune-0.8.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    done = run(folder, *CNN)
    assert done.returncode == 0, done.stderr
    assert kept.stat().st_mtime_ns == before
    again = by_place(json.loads((folder / "run" / "matrix.json").read_text())["cells"])
    failed = again.pop(("prune-0.8", "litert"))
    assert failed["status"] == "failed"
    assert "prune-0.8.safetensors: the weights cannot be read" in failed["reason"]
    assert again == {key: matrix.cells[key] for key in again}
    assert "**failed**" in (folder / "page.md").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["lenet"]}, "architecture 'lenet' is not in the matrix"),
        ({"variants": ["original", "int3"]}, "int3"),
        ({"runtimes": ["coreml"]}, "coreml"),
    ],
)
def test_unknown_names_are_refused_before_anything_begins(
    tmp_path: Path, changes: dict[str, list[str]], message: str
) -> None:
    asked = {"architectures": ["cnn"], "variants": ["original"], "runtimes": ["litert"]} | changes
    with pytest.raises(ConfigError, match=message):
        conduct(tmp_path / "run", out=tmp_path / "page.md", device="local", jobs=1, progress=lambda *_: None, **asked)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_doubtful_cell_is_marked_and_not_counted() -> None:
    cell: dict[str, Any] = {"architecture": "cnn", "variant": "int8", "runtime": "litert", "status": "ok"}
    cell |= {"size_bytes": 2048, "zip_bytes": 1024, "max_abs_difference": 0.5, "largest_logit": 5.0, "n": 100}
    cell |= {"accuracy": 0.9, "share_zeros": 0.0, "distinct_values": 255, "bits": [8]}
    sound, doubtful = cell | {"flips": 3}, cell | {"flips": 40, "runtime": "onnx"}
    text = page({"runtimes": ["litert", "onnx"], "cells": [sound, doubtful]})
    assert "of which 2 export, load and answer, and 1 (50.0%) agree" in text
    assert "60.0% (!)" in text
    assert "97.0% |" in text
