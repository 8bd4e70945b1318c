"""Losing the agent, or the user's patience: exit 3 with a next step, and a rerun that equals an undisturbed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Cli, agent, command, files, wait_for

pytestmark = pytest.mark.slow


def start(*args: str | Path) -> subprocess.Popen[str]:
    # A session of its own: an interrupt reaches all of its processes, as Ctrl-C on a terminal does.
    return subprocess.Popen(
        command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_agent_killed_while_collecting(finished: Path, small: Path, copied: Path, edgeleak: Cli) -> None:
    with agent() as mine:
        port = mine.port
        running = start("collect", small, "--run", copied, "--device", mine.url)
        wait_for(lambda: bool(files(copied)))
        mine.end(signal.SIGKILL)
        killed = time.monotonic()
        _, said = running.communicate(timeout=60)
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


@pytest.mark.parametrize("stage", ["train", "export", "collect", "bench", "attack", "mis"])
def test_interrupted_anywhere_then_resumed(
    finished: Path, small: Path, edgeleak: Cli, tmp_path: Path, stage: str
) -> None:
    order = ["train", "export", "collect", "bench", "attack", "mis"]
    folder = tmp_path / "run"
    if stage != "train":
        shutil.copytree(finished, folder)
        for later in order[order.index(stage) :]:
            (folder / "stages" / f"{later}.json").unlink()
        gone = {
            "export": "artifacts",
            "collect": "answers.zarr/audit",
            "attack": "scores.zarr",
            "mis": "answers.zarr/mis",
        }
        if stage in gone:
            shutil.rmtree(folder / gone[stage])
    running = start(stage, small, "--run", folder)
    began = {
        "train": lambda: any(folder.rglob("*.safetensors")),
        "export": lambda: any(folder.rglob("*.tflite")),
        "collect": lambda: any((folder / "answers.zarr").glob("audit/**/c/0/0")),
        "attack": lambda: True,
        "bench": lambda: True,
        "mis": lambda: any((folder / "answers.zarr").glob("mis/**/c/0/0")),
    }[stage]
    wait_for(began)
    if stage in ("attack", "bench"):
        time.sleep(2.0)  # nothing on disk tells that these have begun
    os.killpg(running.pid, signal.SIGINT)
    pressed = time.monotonic()
    _, said = running.communicate(timeout=60)
    took = time.monotonic() - pressed
    if running.returncode == 0:
        pytest.skip("the stage had finished before the interrupt came")
    assert running.returncode == 3, said
    assert took < 10
    assert "the same command resumes" in said
    assert "Traceback" not in said
    assert not (folder / "stages" / f"{stage}.json").exists()

    done = edgeleak("audit", small, "--run", folder, "--json")
    assert done.returncode == 0, done.stderr
    report, undisturbed = json.loads(done.stdout), json.loads((finished / "report.json").read_text())
    assert files(folder) == files(finished)
    assert report["attacks"] == undisturbed["attacks"]
    assert report["mis"] == undisturbed["mis"]


def test_no_process_is_left_behind(small: Path, copied: Path) -> None:
    running = start("collect", small, "--run", copied)
    wait_for(lambda: bool(files(copied)))
    os.killpg(running.pid, signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 3
    import psutil

    mine = [p for p in psutil.process_iter(["cmdline", "environ"]) if str(copied) in " ".join(p.info["cmdline"] or [])]
    assert mine == []
