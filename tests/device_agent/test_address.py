"""Where the agent listens: what an address is, and a socket that is its owner's alone and replaces nobody's."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from device_agent import address
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("127.0.0.1:0", True),
        ("localhost:50051", True),
        ("[::1]:1", True),
        ("0.0.0.0:50051", False),
        ("board.example:50051", False),
        ("unix:/run/edgeleak/agent.sock", True),
    ],
)
def test_an_address_is_local_or_not(text: str, local: bool) -> None:
    parsed = address.parse(text)
    assert parsed is not None
    assert parsed.local is local
    assert parsed.target == text


@pytest.mark.parametrize(
    "text",
    ["", "50051", ":50051", "host:", "host:65536", "::1:50051", "unix:", "unix:relative.sock", "unix:/" + 107 * "x"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert address.parse(text) is None


@contextmanager
def listening(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "device_agent.cli", "--listen", f"unix:{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"listening on unix:{path}\n"
            yield process
        finally:
            process.kill()


def answers(path: Path) -> int:
    with grpc.insecure_channel(f"unix:{path}") as channel:
        stub = agent_pb2_grpc.AgentServiceStub(channel)  # type: ignore[no-untyped-call]
        return int(stub.GetDeviceInfo(agent_pb2.GetDeviceInfoRequest(), timeout=20).pid)


def test_an_agent_on_a_socket_answers_its_owner_alone_and_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with listening(path) as process:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert answers(path) == process.pid
        process.terminate()
        assert process.wait(20) == 0
    assert not path.exists()


def test_a_second_agent_does_not_take_the_socket_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with listening(path) as process:
        command = [sys.executable, "-m", "device_agent.cli", "--listen", f"unix:{path}"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 3
        assert f"another process listens at {path}" in second.stderr
        assert answers(path) == process.pid


def test_the_socket_of_a_killed_agent_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with listening(path) as process:
        process.kill()
        process.wait(20)
        assert path.exists()
    with listening(path) as process:
        assert answers(path) == process.pid


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    parsed = address.parse(f"unix:{path}")
    assert parsed is not None
    with pytest.raises(address.AddressTakenError, match="is no socket"), parsed.bound():
        pytest.fail("bound")
    assert path.read_text() == "mine"


def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    parsed = address.parse(f"unix:{path}")
    assert parsed is not None
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        with pytest.raises(address.AddressTakenError, match="another process listens"), parsed.bound():
            pytest.fail("bound")
    assert path.exists()
