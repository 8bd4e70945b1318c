"""Candidates on the whole way: made, exported, run by a real agent, and judged by what their files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import export
from harness.config import load
from harness.store import Run
from harness.subject.exported import candidates_of
from harness.types import Artifact
from tests.end_to_end.conftest import Cli

pytestmark = pytest.mark.slow

TINY = """
name = "tiny"
seed = 3

[data]
members = 120
nonmembers = 300
population = 100

[model]
width = 4

[training]
epochs = 6
shadows = 1

[compression]
variants = ["original"]

[export]
runtimes = ["litert"]

[mis]
candidates = 3
"""


def _done(edgeleak: Cli, folder: Path, mis: str) -> tuple[dict[str, dict[str, Any]], dict[str, list[Artifact]]]:
    """Rows and artifacts, by quantizer, of a tiny audit that came as far as the indicator."""
    path = folder / "audit.toml"
    path.write_text(TINY + mis)
    for stage in ("train", "export", "mis"):
        done = edgeleak(stage, path, "--run", folder / "run")
        assert done.returncode == 0, done.stderr
    config = load(path)
    run = Run(folder / "run", config)
    found = json.loads((run.folder / "results" / "mis.json").read_text())
    files: dict[str, list[Artifact]] = {}
    for artifact in candidates_of(run, config):
        files.setdefault(artifact.variant, []).append(artifact)
    assert found["generator"] == config.mis.generator
    assert [row["quantizer"] for row in found["quantizers"]] == list(config.mis.quantizers)
    for row in found["quantizers"]:
        assert row["generator"] == config.mis.generator
        assert row["k"] == 3
        assert row["n_eval"] == 400
    return {row["quantizer"]: row for row in found["quantizers"]}, files


def _asked(folder: Path) -> set[str]:
    """Candidates that a device was asked about, `candidate-000/int8`."""
    places = (folder / "run" / "answers.zarr" / "mis").glob("*/*/litert/zarr.json")
    return {f"{p.parents[2].name}/{p.parents[1].name}" for p in places}


def test_flips_are_three_files_with_one_code_apart(edgeleak: Cli, tmp_path: Path) -> None:
    rows, files = _done(edgeleak, tmp_path, 'generator = "flips"\nquantizers = ["sign", "ternary-0.9", "int8"]')
    for quantizer, mine in files.items():
        assert len({artifact.sha256 for artifact in mine}) == 3
        assert rows[quantizer]["k_eff"] == 3
        assert rows[quantizer]["status"] != "single_candidate"
        assert rows[quantizer]["regime"] == "local"  # one code of hundreds decides next to nothing
        assert 0 < rows[quantizer]["mis_predicted"] < 1
        deployed, *others = (export.read_weights(artifact.path, "litert") for artifact in mine)
        for other in others:
            assert sum(int((other[name] != codes).sum()) for name, codes in deployed.items()) == 1
        levels = {"sign": 2, "ternary-0.9": 3}.get(quantizer)
        if levels is not None:
            assert all(len(np.unique(codes)) == levels for codes in deployed.values())
    assert len(_asked(tmp_path)) == 9


def test_calibration_reaches_static_scales_and_nothing_else(edgeleak: Cli, tmp_path: Path) -> None:
    rows, files = _done(edgeleak, tmp_path, 'generator = "calibration"\nquantizers = ["int8", "fp32"]')
    assert len({artifact.sha256 for artifact in files["int8"]}) == 3
    calibrations = [artifact.provenance["calibration"] for artifact in files["int8"]]
    assert [c["n"] for c in calibrations] == [64, 32, 32]  # type: ignore[index]
    assert rows["int8"]["k_eff"] == 3
    assert rows["int8"]["status"] != "single_candidate"
    # Equal bytes are one candidate: asked once, and honestly not probed.
    assert len({artifact.sha256 for artifact in files["fp32"]}) == 1
    assert rows["fp32"]["k_eff"] == 1
    assert rows["fp32"]["status"] == "single_candidate"
    assert rows["fp32"]["r"] is None
    assert _asked(tmp_path) == {"candidate-000/fp32", *(f"candidate-{k:03}/int8" for k in range(3))}
