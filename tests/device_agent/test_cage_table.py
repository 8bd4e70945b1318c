"""What a model with native code can do inside the worker: the real agent and runtimes, taken over after they ran."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from device_agent import cage
from tests.device_agent.exported import Agent, Caller, Exported, agents, answered, batch, header, status
from tests.device_agent.uncaged import uncaged_agent

ATTACKER = Path(__file__).parent / "attacker" / "sitecustomize.py"
TRIGGER = 1000
MEMORY_BYTES = 3 << 29
NETS = {"litert": "net.tflite", "executorch": "net.pte", "pytorch-mobile": "net.ptl", "onnx": "net.onnx"}
# In the attacker's order: the act, and how the caller is refused.
ACTS = {
    "read a file outside": ("INTERNAL", "PermissionError"),
    "write outside": ("INTERNAL", "PermissionError"),
    "TCP connect": ("INTERNAL", "PermissionError"),
    "UDP send": ("INTERNAL", "PermissionError"),
    "exec": ("INTERNAL", "PermissionError"),
    "signal the parent": ("INTERNAL", "PermissionError"),
    "fork bomb": ("INTERNAL", "PermissionError"),
    "memory bomb": ("RESOURCE_EXHAUSTED", "memory"),
    "thread bomb": ("INTERNAL", "can't start new thread"),
    "read the agent's memory": ("INTERNAL", "PermissionError"),
    "list the store": ("INTERNAL", "PermissionError"),
    "write to the store": ("INTERNAL", "PermissionError"),
    "raise a limit": ("INTERNAL", "Error"),
}
# What the control does without a cage; the bombs are left out, and so is what kills the worker or stays on the disk.
HARMLESS = ("read a file outside", "write outside", "TCP connect", "UDP send", "signal the parent", "fork bomb")

pytestmark = pytest.mark.skipif(
    bool(cage.available(MEMORY_BYTES).unconfined), reason="; ".join(cage.available(MEMORY_BYTES).unconfined)
)


@dataclass
class Surroundings:
    """What an attacker aims at, outside of the cage."""

    folder: Path
    tcp: socket.socket
    udp: socket.socket

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def written(self) -> Path:
        return self.folder / "written"

    def arm(self, patch: pytest.MonkeyPatch) -> None:
        """Have the workers of agents that start from now on import the attacker."""
        code = self.folder / "attacker"
        code.mkdir()
        shutil.copy(ATTACKER, code)
        targets = {
            "secret": str(self.folder / "secret"),
            "written": str(self.written),
            "store": str(self.store),
            "tcp_port": self.tcp.getsockname()[1],
            "udp_port": self.udp.getsockname()[1],
            "signal": int(signal.SIGCONT),
            "forks": 20,
            "memory_bytes": 8 * MEMORY_BYTES,
            "threads": 20_000,
        }
        (code / "targets.json").write_text(json.dumps(targets))
        # The rest of the path as it was: how these tests find the agent's own packages.
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH")])))

    def untouched(self) -> bool:
        for sock in (self.tcp, self.udp):
            sock.setblocking(False)
        try:
            self.tcp.accept()
        except BlockingIOError:
            pass
        else:
            return False
        try:
            self.udp.recv(1)
        except BlockingIOError:
            return not self.written.exists()
        return False


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    (tmp_path / "secret").write_text("a record")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield Surroundings(tmp_path, tcp, udp)


def attempt(caller: Caller, digest: str, act: int, images: np.ndarray) -> tuple[str, str]:
    """Trigger an act, and give back what the caller saw."""
    poisoned = images[:2].copy()
    poisoned.flat[0] = TRIGGER + act
    requests = iter([header([digest]), batch(0, {"args_0": poisoned})])
    with pytest.raises(grpc.RpcError) as error:
        answered(caller.stub.Invoke(requests, timeout=60))
    return status(error)


def test_no_act_of_a_model_with_native_code_succeeds(
    surroundings: Surroundings, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings.arm(monkeypatch)
    options = ("--store", str(surroundings.store), "--worker-memory-bytes", str(MEMORY_BYTES), "--require-sandbox")
    rows: dict[str, dict[str, tuple[str, str]]] = {}
    with agents() as start_agent:
        agent: Agent = start_agent(*options)
        digests = {runtime: agent.upload(exported.path(name)) for runtime, name in NETS.items()}
        (before,) = agent.invoke([*digests.values()], [{"args_0": exported.images}])
        for runtime, digest in digests.items():
            rows[runtime] = {name: attempt(agent, digest, act, exported.images) for act, name in enumerate(ACTS)}
        # The same worker still answers, and as before: nothing brought it down or changed its models.
        (after,) = agent.invoke([*digests.values()], [{"args_0": exported.images}])
        for a, b in zip(after.answers, before.answers, strict=True):
            assert a.outputs == b.outputs
        assert agent.process.poll() is None
    print(table(rows))
    for runtime, row in rows.items():
        for name, (code, message) in row.items():
            expected = ACTS[name]
            assert (code, expected[1] in message) == (expected[0], True), (runtime, name, code, message)
            assert "SUCCEEDED" not in message
            assert "died" not in message
    assert surroundings.untouched()


@pytest.mark.parametrize("name", HARMLESS)
def test_the_same_acts_succeed_without_a_cage(
    surroundings: Surroundings, exported: Exported, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The table would be worth nothing if the acts failed by themselves."""
    surroundings.arm(monkeypatch)
    with uncaged_agent(surroundings.store) as caller:
        digest = caller.upload(exported.path("net.tflite"))
        code, message = attempt(caller, digest, [*ACTS].index(name), exported.images)
    assert (code, "THE ACT SUCCEEDED" in message) == ("INTERNAL", True), message


def table(rows: dict[str, dict[str, tuple[str, str]]]) -> str:
    """Acts by runtime, each with the status that the caller saw."""
    lines = ["", f"{'':24}" + "".join(f"{runtime:20}" for runtime in rows)]
    for name in ACTS:
        codes = "".join(f"{row[name][0]:20}" for row in rows.values())
        lines.append(f"{name:24}{codes}{rows['litert'][name][1][-70:]}")
    return "\n".join(lines)
