"""An audit of two hand-made files on many records, so that there is time to disturb it; and agents to run it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import Agent, Cli, agent, edgeleak
from tests.end_to_end.hand_made import litert_float
from tests.end_to_end.supplied import MEMBERS, OTHERS, images_of, linear_of

__all__ = ["agents", "audit_toml", "edgeleak", "undisturbed_run"]

N = 1500
TOML = """
name = "pooled"
seed = 3

[[artifact]]
variant = "original"
file = "original.tflite"

[[artifact]]
variant = "half"
file = "half.tflite"

[records]
members = "members.npz"
nonmembers = "nonmembers.npz"

[collect]
batch_size = 1

[attack]
names = ["confidence", "sr2-lr"]

[bench]
runs = 8
rounds = 8
duration_s = 0.0

[device.timeouts]
connect = 4
reconnect = 0.5

[[gate.rules]]
max = 0.99
"""


@pytest.fixture(scope="session")
def audit_toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pooled")
    linear = linear_of(0)
    litert_float(folder / "original.tflite", linear)
    litert_float(folder / "half.tflite", linear.halved())
    np.savez(folder / "members.npz", **images_of(linear, N, MEMBERS, 1))
    np.savez(folder / "nonmembers.npz", **images_of(linear, N, OTHERS, 2))
    path = folder / "audit.toml"
    path.write_text(TOML)
    return path


@pytest.fixture(scope="session")
def undisturbed_run(audit_toml: Path, edgeleak: Cli) -> Path:
    """The audit on one local agent; read it, do not change it."""
    folder = audit_toml.parent / "undisturbed"
    done = edgeleak("audit", audit_toml, "--run", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def agents() -> Iterator[Callable[[], Agent]]:
    """Starts one agent after the other, each in a process of its own, until the test ends."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(agent())
