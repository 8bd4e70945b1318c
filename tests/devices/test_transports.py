"""The ways to reach an agent: their forms, what each says where nothing answers, and the agent on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
import pytest

from harness.devices import FakeAgent, Timeouts, check_url, open_device, transports
from harness.devices.transports import Connection, Form
from harness.devices.transports._connection import ChannelOptions, Refusal
from harness.errors import DeviceUnavailableError, ProtocolError, UsageError
from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from tests.device_agent.exported import Exported
from tests.devices.streams import START


@pytest.mark.parametrize(
    "url",
    [
        "",
        "locale",
        "grpc://",
        "grpc://host",
        "http://127.0.0.1:1",
        "grpc://h:x",
        "grpc://h:1/x",
        "grpc://[::1",
        "grpc://@h:1",
        "grpc://A@h:1",
        "grpc://a@b@h:1",
        "grpc://h:0",
        "grpc://h:65536",
        "grpc://h:1\n",
        "GRPC://h:1",
        " local",
    ],
)
def test_addresses_of_no_known_form_are_usage_errors(url: str) -> None:
    with pytest.raises(UsageError, match="write local, or grpc://HOST:PORT"):
        open_device(url)
    with pytest.raises(UsageError):
        check_url(url)


def test_addresses_of_a_known_form_pass_without_contact() -> None:
    for url in ("local", "grpc://127.0.0.1:1", "grpc://[::1]:50051", "grpc://localhost:65535"):
        check_url(url)


def test_every_form_has_a_line_of_help_and_no_two_take_one_address() -> None:
    lines = transports.help_text().split("; ")
    assert len(lines) == len(transports.FORMS)
    for form, line in zip(transports.FORMS, lines, strict=True):
        assert line == f"{form.written}: {form.help}"
    for url in ("local", "grpc://127.0.0.1:1", "grpc://pi@127.0.0.1:1"):
        assert sum(form.pattern.fullmatch(url) is not None for form in transports.FORMS) == 1


def test_the_option_of_the_command_line_names_every_form() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "query", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )
    for form in transports.FORMS:
        assert form.written.lower() in done.stdout.lower()


def test_a_new_transport_is_a_module_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way to an agent by its name, as a phone by its serial number: the row is all that the rest needs."""
    agent = FakeAgent(lambda _, inputs: inputs["x"])
    closed: list[str] = []

    class Named:
        start_hint = "plug it in"
        resume_hint = "plug it in again"
        purge_on_close = False

        def __init__(self, name: str) -> None:
            self._name = name
            self.target = agent.url.removeprefix("grpc://")

        def channel(self, options: ChannelOptions) -> grpc.Channel:
            return grpc.insecure_channel(self.target, options=options)

        def refusal(self, error: grpc.RpcError) -> Refusal | None:
            return None

        def alive(self) -> bool:
            return True

        def restore(self) -> None:
            pass

        def close(self) -> None:
            closed.append(self._name)

    def named(selector: re.Match[str], *, timeouts: Timeouts) -> Connection:
        assert timeouts == START
        return Named(selector["name"])

    row = Form("name:NAME", re.compile("name:(?P<name>[a-z]+)"), "an agent with a name", named)
    monkeypatch.setattr(transports, "FORMS", (*transports.FORMS, row))
    check_url("name:fred")
    assert transports.help_text().endswith("name:NAME: an agent with a name")
    with pytest.raises(UsageError, match=r"or grpc://NAME@HOST:PORT, or adb:SERIAL, .*, or name:NAME"):
        check_url("name:")
    with agent, open_device("name:fred", timeouts=START) as device:
        assert (device.url, device.info().hostname) == ("name:fred", "fake")
    assert closed == ["fred"]
    with pytest.raises(DeviceUnavailableError, match="plug it in"):
        open_device("name:fred", timeouts=START)
    assert closed == ["fred", "fred"]


def test_nobody_listening_says_how_to_start_an_agent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DeviceUnavailableError, match="edgeleak-agent --listen") as error:
            open_device(url, timeouts=Timeouts(connect=2.0))
    assert url in str(error.value)


def test_something_that_never_answers_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeviceUnavailableError):
            open_device(url, timeouts=Timeouts(connect=1.0))


@pytest.mark.parametrize(("version", "side"), [(99, "this host"), (0, "the agent")])
def test_another_protocol_version_names_the_side_to_upgrade(version: int, side: str) -> None:
    class Other(agent_pb2_grpc.AgentServiceServicer):
        def GetDeviceInfo(self, request: object, context: object) -> agent_pb2.GetDeviceInfoResponse:  # noqa: N802
            return agent_pb2.GetDeviceInfoResponse(protocol_version=version)

    server = grpc.server(ThreadPoolExecutor(1))
    agent_pb2_grpc.add_AgentServiceServicer_to_server(Other(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ProtocolError, match=f"version {version}.*upgrade edgeleak on {side}"):
            open_device(f"grpc://127.0.0.1:{port}")
    finally:
        server.stop(0).wait()


def test_another_service_is_a_protocol_error() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ProtocolError, match="not an edgeleak agent"):
            open_device(f"grpc://127.0.0.1:{port}")
    finally:
        server.stop(0).wait()


def test_a_local_agent_and_its_files_end_with_a_killed_host(tmp_path: Path) -> None:
    code = (
        "import sys, harness.devices as d; x = d.open_device('local', timeouts=d.Timeouts(connect=60));"
        "print(x.info().pid, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True, env=environment) as host:
        assert host.stdout is not None
        agent = psutil.Process(int(host.stdout.readline()))
        host.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        agent.wait(20)
    assert not list(tmp_path.glob("edgeleak-local-*/edgeleak-agent-*"))


def test_a_local_agent_leaves_nothing_behind(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_device("local", timeouts=START) as device:
        pid = device.info().pid
        device.deploy(exported.artifact("net.tflite"))
        assert list(tmp_path.iterdir())
    assert not psutil.pid_exists(pid)
    assert list(tmp_path.iterdir()) == []
    device.close()


def test_a_local_agent_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DeviceUnavailableError, match="exit status 1") as error:
        open_device("local")
    assert "run edgeleak-agent by hand" in str(error.value)


def test_a_local_agent_that_is_too_slow_says_where_to_allow_more_time() -> None:
    with pytest.raises(DeviceUnavailableError, match=r"not ready within 0\.001 s .*\[device\.timeouts\]"):
        open_device("local", timeouts=Timeouts(connect=0.001))
