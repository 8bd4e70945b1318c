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
from harness.subject.last_layer import deployed_layers, read
from harness.types import Artifact, FloatArray
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
    assert found["generator"] == config.mis_generator
    assert [row["quantizer"] for row in found["quantizers"]] == list(config.mis.quantizers)
    for row in found["quantizers"]:
        assert row["generator"] == config.mis_generator
        assert row["k"] == config.mis.candidates
        assert row["n_eval"] == 400
    return {row["quantizer"]: row for row in found["quantizers"]}, files


def _asked(folder: Path) -> set[str]:
    """Candidates that a device was asked about, `candidate-000/int8`."""
    places = (folder / "run" / "answers.zarr" / "mis").glob("*/*/litert/zarr.json")
    return {f"{p.parents[2].name}/{p.parents[1].name}" for p in places}


def test_flips_are_three_files_a_few_codes_apart(edgeleak: Cli, tmp_path: Path) -> None:
    rows, files = _done(
        edgeleak, tmp_path, 'candidates = 3\ngenerator = "flips"\nquantizers = ["sign", "ternary-0.9", "int8"]'
    )
    for quantizer, mine in files.items():
        assert len({artifact.sha256 for artifact in mine}) == 3
        assert rows[quantizer]["k_eff"] == 3
        assert rows[quantizer]["status"] != "single_candidate"
        assert rows[quantizer]["regime"] == "local"  # a few codes of hundreds decide next to nothing
        assert 0 < rows[quantizer]["leakage"]["delta"]["high"] < 1
        deployed, *others = (export.read_weights(artifact.path, "litert") for artifact in mine)
        for other in others:
            moved = sum(int((other[name] != codes).sum()) for name, codes in deployed.items())
            assert 1 <= moved <= 4  # several codes may move at once
        levels = {"sign": 2, "ternary-0.9": 3}.get(quantizer)
        if levels is not None:
            assert all(len(np.unique(codes)) == levels for codes in deployed.values())
    assert len(_asked(tmp_path)) == 9


def test_calibration_reaches_static_scales_and_nothing_else(edgeleak: Cli, tmp_path: Path) -> None:
    rows, files = _done(edgeleak, tmp_path, 'candidates = 3\ngenerator = "calibration"\nquantizers = ["int8", "fp32"]')
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


def test_the_default_reads_the_last_layer_of_every_file(edgeleak: Cli, tmp_path: Path) -> None:
    rows, files = _done(edgeleak, tmp_path, 'candidates = 6\nquantizers = ["int4", "fp32", "int8"]')
    leakages = {name: row["leakage"] for name, row in rows.items()}
    assert {one["law"] for one in leakages.values()} == {"coordinates"}
    assert {one["delta"]["n"] for one in leakages.values()} == {5}  # refits; the trained layer itself is none
    values = [leakages[name]["delta"]["value"] for name in ("int4", "int8", "fp32")]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1
    assert rows["int4"]["comparisons"]["int8"]["verdict"] != "leaks more"
    assert rows["fp32"]["comparisons"]["int4"]["verdict"] != "safer"
    assert len({artifact.sha256 for artifact in files["int4"]}) == rows["int4"]["k_eff"] == 6
    held = read(Run(tmp_path / "run", load(tmp_path / "audit.toml")))
    assert held.refits.shape == (5, 10, held.features.shape[1] + 1)
    assert held.features.shape[0] == 120
    for quantizer, mine in files.items():
        layers = deployed_layers(mine[1:], held.refits)
        for artifact, layer, floats in zip(mine[1:], layers, held.refits, strict=True):
            assert _interpreters(artifact, layer[:, :-1]), quantizer
            side = {"fp32": None, "int8": 127, "int4": 7}[quantizer]
            step = 0.0 if side is None else np.abs(floats[:, :-1]).max(axis=1, keepdims=True) / side
            assert (np.abs(layer - floats)[:, :-1] <= 0.51 * step).all()


def _interpreters(artifact: Artifact, layer: FloatArray) -> bool:
    """Whether the interpreter that answers holds this layer: as floats, or as codes times its own scales."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(artifact.path), num_threads=1)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_tensor_details():
        if tuple(tensor["shape"]) != layer.shape or tensor["dtype"] not in (np.float32, np.int8):
            continue
        held, scales = interpreter.get_tensor(tensor["index"]), tensor["quantization_parameters"]["scales"]
        if held.size == layer.size:
            means = held.astype(np.float64) * (scales[:, None] if len(scales) else 1.0)
            if np.allclose(means, layer, rtol=1e-6, atol=0.0):
                return True
    return False
