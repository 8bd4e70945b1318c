"""SAMIA in an audit: its noisy re-queries go to the real agent, resume, and give a result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.conftest import Cli, files

# Its run is its own: it need not wait for the others of this folder.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("noise")]

# Most records are audited or set aside, so that the shadow pool, on which SAMIA's networks train, is small.
CONFIG = """
name = "noisy"
seed = 1

[data]
members = 600
nonmembers = 600
population = 480

[model]
width = 4

[training]
epochs = 3
shadows = 1

[compression]
variants = ["original", "int8"]

[export]
runtimes = ["litert"]

[collect]
batch_size = 16

[attack]
names = ["confidence", "samia"]

[mis]
enabled = false

[bench]
runs = 5
duration_s = 0.0
"""
DRAWS = 10


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("noisy") / "audit.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def whole(noisy: Path, edgeleak: Cli) -> Path:
    """An undisturbed run; read it, do not change it."""
    folder = noisy.parent / "whole"
    done = edgeleak("audit", noisy, "--run", folder)
    assert done.returncode == 2, done.stdout + done.stderr  # no rules: nothing is passed
    return folder


def noise_of(run: Path) -> dict[str, Any]:
    """What the noisy copies were made with."""
    queries: dict[str, dict[str, Any]] = json.loads((run / "evidence.json").read_text())["queries"]
    return queries["noisy_copies"]


def test_samia_gives_a_result_for_every_variant(whole: Path) -> None:
    found = json.loads((whole / "report.json").read_text())["attacks"]
    assert found["skipped"] == []
    rows = {(row["attack"], *row["variants"]): row for row in found["results"]}
    assert set(rows) == {(attack, v) for attack in ("confidence", "samia") for v in ("original", "int8")}
    for row in rows.values():
        assert row["trained_on"] == "shadows"
        assert 0.0 < row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"] < 1.0


def test_target_and_shadow_are_asked_about_their_own_noisy_copies(whole: Path) -> None:
    answered = {tuple(Path(name).parts[:2]) for name in files(whole)}
    copies = {("audit", "target"), ("shadow", "shadow-0")}
    expected = {(f"{population}-noise-{draw:02}", model) for population, model in copies for draw in range(DRAWS)}
    assert {place for place in answered if "noise" in place[0]} == expected
    assert (noise_of(whole)["draws"], noise_of(whole)["seed"]) == (DRAWS, 1)


def test_noise_is_one_step_of_the_int8_file(whole: Path) -> None:
    """The step is worked out from the calibration records; here it is read from the file that was shipped."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(whole / "artifacts" / "target" / "int8.tflite"))
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    (border,) = interpreter.get_input_details()
    quantize = next(op for op in interpreter._get_ops_details() if border["index"] in op["inputs"])
    assert quantize["op_name"] == "QUANTIZE"
    step = tensors[int(quantize["outputs"][0])]["quantization"][0]
    assert noise_of(whole)["epsilon"] == pytest.approx(step, rel=0.02)


def test_noise_moves_the_int8_answers(whole: Path) -> None:
    """A change below the step would leave nearly all of them where they were."""
    import zarr

    root = whole / "answers.zarr"
    plain, moved = (
        np.asarray(zarr.open_array(root / p / "target/int8/litert", mode="r")[:]) for p in ("audit", "audit-noise-00")
    )
    assert (plain != moved).any(axis=1).mean() > 0.5


def test_noisy_copies_that_are_missing_are_asked_again_and_no_others(
    noisy: Path, whole: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / "stages" / "collect.json").unlink()
    lost = [p for p in (folder / "answers.zarr").iterdir() if p.name > "audit-noise-04"]
    assert len(lost) > DRAWS
    for place in lost:
        shutil.rmtree(place)
    kept = {p: p.stat().st_mtime_ns for p in (folder / "answers.zarr").rglob("c/*/0")}
    done = edgeleak("collect", noisy, "--run", folder)
    assert done.returncode == 0, done.stderr
    assert files(folder) == files(whole)
    assert kept == {p: p.stat().st_mtime_ns for p in kept}
