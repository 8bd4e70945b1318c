"""A lost agent or an interrupt: exit 3 with a next step, and a rerun that equals an undisturbed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Cli, agent, ended, files, start, wait_for

pytestmark = pytest.mark.slow


def test_an_agent_killed_while_collecting_is_named_and_a_rerun_goes_on(
    finished: Path, small: Path, copied: Path, edgeleak: Cli
) -> None:
    with agent() as mine:
        port = mine.port
        running = start("collect", small, "--run", copied, "--device", mine.url)
        wait_for(lambda: bool(files(copied)))
        mine.end(signal.SIGKILL)
        killed = time.monotonic()
        _, said = ended(running)
        took = time.monotonic() - killed
    assert running.returncode == 3
    assert took < 10
    last = said.strip().splitlines()[-1]
    assert f"grpc://127.0.0.1:{port}" in last
    assert "rerun the same command" in last
    kept = files(copied)
    assert 0 < len(kept) < len(files(finished))

    with agent(port) as mine:
        done = edgeleak("collect", small, "--run", copied, "--device", mine.url)
        assert done.returncode == 0, done.stderr
    collected = {name: data for name, data in files(finished).items() if not name.startswith("mis/")}
    assert files(copied) == collected
    assert all(collected[name] == data for name, data in kept.items())


# What a stage makes, and how one sees from outside that it has begun making it; of attacks the fits and the scores.
MADE = {
    "train": "models/**/*.safetensors",
    "export": "artifacts/target/prune-*.[tp]*e",
    "collect": "answers.zarr/audit/**/c/*/0",
    "bench": "results/bench.json",
    "attack": "[fs]*.zarr/**/c/0",
    "mis": "answers.zarr/mis/**/c/*/0",
}


def _has(folder: Path, pattern: str) -> bool:
    try:
        return any(folder.glob(pattern))
    except FileNotFoundError:  # a folder that is looked into was replaced meanwhile
        return False


@pytest.mark.parametrize("stage", MADE)
def test_a_stage_interrupted_anywhere_resumes_to_the_same_files(
    finished: Path, small: Path, edgeleak: Cli, tmp_path: Path, stage: str
) -> None:
    pattern = MADE[stage]
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / "stages" / f"{stage}.json").unlink()
    (folder / "results" / f"{stage}.json").unlink()
    for path in list(folder.glob(pattern)):
        path.unlink()
    running = start(stage, small, "--run", folder)
    if stage == "bench":
        time.sleep(2.5)  # too quick to be caught in the act; some moment of the command has to do
    else:
        wait_for(lambda: _has(folder, pattern))
    os.killpg(running.pid, signal.SIGINT)
    pressed = time.monotonic()
    _, said = ended(running)
    took = time.monotonic() - pressed
    if running.returncode != 0:  # else the stage was over before the interrupt came, and nothing is to be resumed
        assert running.returncode == 3, said
        assert took < 10
        assert "the same command resumes" in said
        assert "Traceback" not in said
        assert not (folder / "stages" / f"{stage}.json").exists()

    done = edgeleak(stage, small, "--run", folder)
    assert done.returncode == 0, done.stderr
    remade, undisturbed = ({p.relative_to(f): p.read_bytes() for p in f.glob(pattern)} for f in (folder, finished))
    if stage != "bench":
        assert remade == undisturbed
    if stage in ("attack", "mis"):
        results = (json.loads((f / "results" / f"{stage}.json").read_text()) for f in (folder, finished))
        assert next(results) == next(results)


def test_an_interrupt_before_anything_began_is_one_line(small: Path, tmp_path: Path) -> None:
    running = start("audit", small, "--run", tmp_path / "run")
    # numpy is among the first to be loaded; scikit-learn and the rest take another second.
    wait_for(lambda: "numpy" in Path(f"/proc/{running.pid}/maps").read_text())
    os.killpg(running.pid, signal.SIGINT)
    _, said = ended(running)
    assert running.returncode == 3, said
    assert said.strip().splitlines() == ["edgeleak: interrupted (the same command resumes; finished work is kept)"]


# The interrupt comes upon a library that holds a lock, which makes an error of its own of it.
UPON_A_LOCK = """
import os, signal, sys
import harness.cli

def app(**_):
    try:
        os.kill(os.getpid(), signal.{signal})
    except KeyboardInterrupt:
        raise RuntimeError("cannot release un-acquired lock")

harness.cli.main(app)
"""


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_becomes_another_error_is_an_interrupt(signal: str) -> None:
    code = UPON_A_LOCK.format(signal=signal)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stderr == "edgeleak: interrupted (the same command resumes; finished work is kept)\n"


# The interrupt comes upon a library that leaves its lock taken, as a condition does between taking it and its block.
UPON_A_TAKEN_LOCK = """
import os, signal, sys, threading
import harness.cli

def app(**_):
    lock = threading.Lock()
    try:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        lock.acquire()

harness.cli.main(app)
"""


def test_an_interrupt_that_leaves_a_lock_taken_still_ends_the_command() -> None:
    command = [sys.executable, "-c", UPON_A_TAKEN_LOCK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stderr == "edgeleak: interrupted (the same command resumes; finished work is kept)\n"


def test_no_process_is_left_behind(small: Path, copied: Path) -> None:
    running = start("collect", small, "--run", copied)
    wait_for(lambda: bool(files(copied)))
    os.killpg(running.pid, signal.SIGTERM)
    ended(running)
    assert running.returncode == 3
    import psutil

    mine = [p for p in psutil.process_iter(["cmdline", "environ"]) if str(copied) in " ".join(p.info["cmdline"] or [])]
    assert mine == []
