"""The agent as a process: its one line, its exit statuses, what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from protos import PROTOCOL_VERSION
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, run_agent

# An alarm stands for the order, because a timer can place it within microseconds of the wait's beginning.
ORDERED_AT_ANY_MOMENT = """
import os, signal
from device_agent.cli import _orders_to_stop

orders = _orders_to_stop(False)
signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
for k in range(5000):
    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (k % 60 + 1))
    os.read(orders, 1)
"""


def test_an_order_to_stop_is_never_lost_nor_hangs_the_agent() -> None:
    """An order that comes just when the agent begins to wait must not be lost, nor hang it."""
    subprocess.run([sys.executable, "-c", ORDERED_AT_ANY_MOMENT], check=True, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_agent_prints_one_line_and_leaves_nothing_behind(
    number: signal.Signals, exported: Exported, tmp_path: Path
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "device_agent.cli"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+\n", line)
        (store,) = tmp_path.glob("edgeleak-agent-*")
        assert store.stat().st_mode & 0o777 == 0o700
        (worker,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert not store.exists()
    assert not worker.is_running()


def test_runtimes_print_nothing_on_the_agents_stdout(start_agent: Callable[..., Agent], exported: Exported) -> None:
    agent = start_agent()
    digests = [agent.upload(exported.path(name)) for name in ("net.tflite", "net.pte")]
    agent.invoke(digests, [{"args_0": exported.images}])
    agent.process.terminate()
    rest, _ = agent.process.communicate(timeout=20)
    assert rest == ""


def test_the_worker_ends_with_a_killed_agent(agent: Agent) -> None:
    worker = agent.worker()
    agent.process.kill()
    worker.wait(10)


def test_a_killed_agents_store_is_removed_by_the_next(
    start_agent: Callable[..., Agent], exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    killed, living = start_agent(), start_agent()
    killed.upload(exported.path("net.tflite"))
    stored = living.upload(exported.path("net.tflite"))
    assert len(list(tmp_path.glob("edgeleak-agent-*"))) == 2
    killed.process.kill()
    killed.process.wait(20)
    start_agent()
    assert len(list(tmp_path.glob("edgeleak-agent-*"))) == 2
    assert len(list(tmp_path.glob("edgeleak-agent-*/complete/*/*.tflite"))) == 1
    assert living.invoke([stored], [{"args_0": exported.images}])


def test_the_agent_ends_with_its_stdin() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "device_agent.cli", "--exit-on-stdin-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.168.1.4:5000", "device.example:5000", "127.0.0.1"])
def test_addresses_other_than_loopback_are_refused(address: str) -> None:
    process = run_agent("--listen", address)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (4, "")
    assert err.count("\n") == 1
    assert address in err
    assert "TLS" in err


def test_a_taken_port_is_one_line_that_names_the_address(agent: Agent) -> None:
    second = run_agent("--listen", agent.target)
    out, err = second.communicate(timeout=20)
    assert (second.returncode, out) == (3, "")
    assert err.count("\n") == 1
    assert agent.target in err


def test_an_unknown_option_is_a_usage_error() -> None:
    process = run_agent("--lissten", "x")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 4
    assert err.count("\n") == 1


def test_help_has_an_example_and_version_a_number() -> None:
    shown = [run_agent(option).communicate(timeout=20)[0] for option in ("--help", "--version")]
    assert "edgeleak-agent --listen 127.0.0.1:50051" in shown[0]
    assert re.fullmatch(r"edgeleak-agent \d+\.\d+\.\d+\S*\n", shown[1])


def test_the_agent_describes_its_device(agent: Agent) -> None:
    info = agent.stub.GetDeviceInfo(agent_pb2.GetDeviceInfoRequest(), timeout=10)
    assert info.protocol_version == PROTOCOL_VERSION
    assert info.pid == agent.process.pid
    assert {r.provider.split()[0] for r in info.runtimes} == {"ai-edge-litert", "executorch", "torch", "onnxruntime"}
    assert info.telemetry.worker_resident_bytes > 0
    assert info.memory_total_bytes > info.telemetry.memory_available_bytes > 0


def test_health_and_reflection_are_served(agent: Agent) -> None:
    service = "edgeleak.v1.AgentService"
    health = health_pb2_grpc.HealthStub(agent.channel)
    assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status == 1
    reflection = reflection_pb2_grpc.ServerReflectionStub(agent.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = reflection.ServerReflectionInfo(iter([request]), timeout=10)
    assert service in {s.name for s in answer.list_services_response.service}


def test_a_stores_files_survive_and_altered_ones_are_dropped(
    start_agent: Callable[..., Agent], exported: Exported, tmp_path: Path
) -> None:
    first = start_agent("--store", str(tmp_path / "store"))
    stored = first.upload(exported.path("net.tflite"))
    spoilt = first.upload(exported.path("baked.tflite"))
    first.process.terminate()
    first.process.wait(20)
    (path,) = (tmp_path / "store").glob(f"complete/*/{spoilt}.tflite")
    path.chmod(0o600)
    path.write_bytes(b"spoilt")
    path.chmod(0o400)
    second = start_agent("--store", str(tmp_path / "store"))
    listed = second.stub.ListArtifacts(agent_pb2.ListArtifactsRequest(), timeout=10).artifacts
    assert [a.sha256 for a in listed] == [stored]
