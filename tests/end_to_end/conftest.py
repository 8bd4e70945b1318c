"""One small audit of each kind on real parts, made once: training, exports, supplied files, answers, a real agent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.attacks.bad_arrays import full_table, write
from tests.end_to_end import supplied as parts
from tests.end_to_end.supplied import Supplied

SMALL = """
name = "small"
seed = 1

[data]
members = 300
nonmembers = 300
population = 100

[model]
width = 8

[training]
epochs = 12
shadows = 1

[compression]
variants = ["original", "finetuned", "prune-0.6", "prune-0.9", "cluster-16", "int8", "fp16"]
finetune_epochs = 3

[collect]
batch_size = 16

[attack]
names = ["confidence", "modified-entropy-class", "posterior-lr", "rmia", "sr2-lr", "mr-gbt"]

[mis]
quantizers = ["fp32", "int8"]
generator = "trajectory"
candidates = 2

[bench]
runs = 30
duration_s = 0.0

[gate]
max_flip_share = 0.2

[[gate.rules]]
max = 0.95
"""

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, args)]


def start(*args: str | Path) -> subprocess.Popen[str]:
    """Start a command in a session of its own: an interrupt reaches all its processes, as Ctrl-C on a terminal does."""
    return subprocess.Popen(
        command(*args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )


def ended(running: subprocess.Popen[str], *, seconds: float = 60.0) -> tuple[str, str]:
    """What a started command said until its end; one that does not end is killed, and says where it stood."""
    try:
        return running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGABRT)  # faulthandler prints every thread's stack
        _, said = running.communicate()
        pytest.fail(f"{running.args!r} did not end within {seconds:g} s\n{said}")


@pytest.fixture(scope="session")
def edgeleak() -> Cli:
    """Run the command line in a process of its own, as a user would."""

    def run(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*args), cwd=cwd, capture_output=True, text=True, timeout=500, check=False)

    return run


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of the small audit."""
    path = tmp_path_factory.mktemp("small") / "audit.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def exported(small: Path, edgeleak: Cli) -> Path:
    """A run with everything trained and exported, nothing collected; copy it, do not change it."""
    folder = small.parent / "exported"
    for stage in ("train", "export"):
        done = edgeleak(stage, small, "--run", folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def finished(small: Path, exported: Path, edgeleak: Cli) -> Path:
    """A whole, undisturbed run; read it, do not change it."""
    folder = small.parent / "finished"
    shutil.copytree(exported, folder)
    done = edgeleak("audit", small, "--run", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A run of one's own with everything exported."""
    return Path(shutil.copytree(exported, tmp_path / "run"))


# What the audits of answers attack with: one attack of each adversary, and one that needs references.
ANSWERS_OPTIONS = ("--attack", "confidence", "--attack", "rmia", "--attack", "sr2-lr", "--attack", "mr-logistic")


@pytest.fixture(scope="session")
def answers_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arrays of a target and two shadows that leak, alone in their folder."""
    return write(tmp_path_factory.mktemp("answers") / "answers.npz", full_table())


@pytest.fixture(scope="session")
def answers_run(answers_file: Path, edgeleak: Cli) -> Path:
    """An undisturbed audit of the arrays, done in a folder that was empty; read it, do not change it."""
    folder = answers_file.parent
    done = edgeleak("audit", answers_file.name, *ANSWERS_OPTIONS, "--max-auc", "0.99", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs" / "answers"


@pytest.fixture(scope="session")
def supplied(tmp_path_factory: pytest.TempPathFactory) -> Supplied:
    """The parts of an audit of supplied files; read them, do not change them."""
    return parts.make(tmp_path_factory.mktemp("supplied"))


@pytest.fixture(scope="session")
def supplied_run(supplied: Supplied, edgeleak: Cli) -> Path:
    """An undisturbed audit of the supplied files; read it, do not change it."""
    folder = supplied.folder / "finished"
    done = edgeleak("audit", supplied.toml, "--run", folder)
    assert done.returncode == 1, done.stdout + done.stderr  # they leak more than its rule allows
    return folder


class Agent:
    """An agent that was started by hand, on a port of its own."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "device_agent.cli", "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.startswith("listening on 127.0.0.1:"), line
        self.port = int(line.rpartition(":")[2])
        self.url = f"grpc://127.0.0.1:{self.port}"

    def end(self, sign: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sign)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def agent(port: int = 0) -> Iterator[Agent]:
    started = Agent(port)
    try:
        yield started
    finally:
        started.end(signal.SIGKILL if started.process.poll() is None else signal.SIGTERM)


@pytest.fixture(scope="session")
def idle_agent() -> Iterator[str]:
    """The address of an agent that serves one command after the other, without the seconds that its start takes."""
    with agent() as started:
        yield started.url


def wait_for(condition: Callable[[], bool], *, seconds: float = 120.0) -> None:
    """Poll until something is so; fails the test when it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def answers(folder: Path) -> dict[str, bytes]:
    """Every collected array, by its place."""
    root = folder / "answers.zarr"
    places = sorted(p.parent for p in root.rglob("zarr.json"))
    return {str(p.relative_to(root)): np.asarray(zarr.open_array(p, mode="r")[:]).tobytes() for p in places}


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of every chunk of every answer array."""
    root = folder / "answers.zarr"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("c/*/0"))}


def group_of(process: subprocess.Popen[str]) -> int:
    return os.getpgid(process.pid)
