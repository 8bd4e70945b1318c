"""The run folder: bound to one configuration, resumable, never silently wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from harness.config import AuditConfig, parse
from harness.errors import RunError
from harness.store import Run
from harness.types import Artifact, TensorSpec

CONFIG = parse({"name": "x"})
ORIGIN = "x86_64 ai-edge-litert 2.3.0"
N, BATCH = 500, 64


def artifact(sha256: str = "a" * 64) -> Artifact:
    spec = TensorSpec("args_0", "float32", (1, 8, 8))
    output = TensorSpec("output_0", "float32", (10,))
    return Artifact("target", "int8", "litert", Path("x.tflite"), sha256, 1, (spec,), output)


def fill(run: Run, answers: np.ndarray, first: int, last: int) -> int:
    sink = run.arrays.answers("audit", artifact(), n=N, batch=BATCH, origin=ORIGIN)
    sink.rewind(first)
    for number in range(first, last):
        sink.append(number, answers[number * BATCH : (number + 1) * BATCH])
    return sink.batches_done()


def test_answers_resume_at_a_chunk_border(tmp_path: Path) -> None:
    answers = np.random.default_rng(0).random((N, 10), dtype=np.float32)
    with Run.open(tmp_path / "run", CONFIG) as run:
        assert fill(run, answers, 0, 6) == 4  # two pending batches were never on disk
        with pytest.raises(RunError, match="incomplete"):
            run.arrays.read_answers("audit", artifact().key)
    with Run.open(tmp_path / "run", CONFIG) as run:
        assert fill(run, answers, 4, 8) == 8
        np.testing.assert_array_equal(run.arrays.read_answers("audit", artifact().key), answers)


def test_answers_of_other_bytes_are_dropped(tmp_path: Path) -> None:
    answers = np.random.default_rng(0).random((N, 10), dtype=np.float32)
    with Run.open(tmp_path / "run", CONFIG) as run:
        fill(run, answers, 0, 8)
        assert run.arrays.answers("audit", artifact("b" * 64), n=N, batch=BATCH, origin=ORIGIN).batches_done() == 0


def test_answers_of_another_kind_of_device_are_refused(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", CONFIG) as run:
        run.arrays.answers("audit", artifact(), n=N, batch=BATCH, origin=ORIGIN)
        with pytest.raises(RunError, match="this device is aarch64"):
            run.arrays.answers("audit", artifact(), n=N, batch=BATCH, origin="aarch64 ai-edge-litert 2.3.0")


def test_flipped_bit_is_found(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", CONFIG) as run:
        fill(run, np.ones((N, 10), dtype=np.float32), 0, 8)
        chunk = next((tmp_path / "run" / "answers.zarr").rglob("c/0/0"))
        data = bytearray(chunk.read_bytes())
        data[100] ^= 1
        chunk.write_bytes(data)
        with pytest.raises(RunError, match="damaged"):
            run.arrays.read_answers("audit", artifact().key)


def test_another_configuration_is_refused_and_named(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", CONFIG).__exit__()
    other = parse({"name": "x", "training": {"epochs": 30}})
    with pytest.raises(RunError, match=r"training\.epochs: 25 there, 30 now"):
        Run.open(tmp_path / "run", other)


def test_another_policy_is_welcome(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", CONFIG).__exit__()
    Run.open(tmp_path / "run", parse({"name": "x", "gate": {"rules": [{"max": 0.6}]}})).__exit__()


@pytest.mark.parametrize("content", ["{", '{"schema": "edgeleak.run/99"}', "[]"])
def test_damaged_manifest_is_an_error_of_ours(tmp_path: Path, content: str) -> None:
    Run.open(tmp_path / "run", CONFIG).__exit__()
    (tmp_path / "run" / "manifest.json").write_text(content)
    with pytest.raises(RunError):
        Run.open(tmp_path / "run", CONFIG)


def test_foreign_folder_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="not empty and not a run"):
        Run.open(tmp_path, CONFIG)
    with pytest.raises(RunError, match="not deleted"):
        Run.delete(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", CONFIG), pytest.raises(RunError, match="another process"):
        Run.open(tmp_path / "run", CONFIG)


def test_folder_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Run.open(tmp_path / "run", CONFIG) as run:
            assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
    finally:
        os.umask(old)


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", CONFIG) as run:
        run.write_json("results/a.json", {"kept": 1})
        with pytest.raises(ValueError, match="not JSON compliant"):
            run.write_json("results/a.json", {"kept": float("nan")})
        assert run.read_json("results/a.json") == {"kept": 1}
        assert [p.name for p in (tmp_path / "run" / "results").iterdir()] == ["a.json"]


def test_missing_stage_names_its_command(tmp_path: Path) -> None:
    config: AuditConfig = CONFIG
    with Run.open(tmp_path / "run", config) as run:
        with pytest.raises(RunError, match="run `edgeleak export` first"):
            run.require("export")
        run.finish("export", 1.5)
        run.require("export")
        assert run.timings() == {"export": 1.5}
