"""What `edgeleak doctor` calls a failure: what breaks the thing that was asked for, and nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import doctor
from harness.doctor import Check, Purpose, examine

PACKAGES = ("torch", "ai-edge-litert", "executorch", "litert-torch")


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture
def nobody() -> str:
    """An address of this computer where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"grpc://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation of the core alone."""
    monkeypatch.setattr(doctor, "_version", lambda _package: None)


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize(("purpose", "broken"), [("arrays", set()), ("train", set(PACKAGES))])
def test_packages_that_are_not_installed_break_only_what_needs_them(
    nobody: str, purpose: Purpose, broken: set[str]
) -> None:
    checks = by_name(examine(nobody, purpose=purpose))
    assert {name for name in PACKAGES if checks[name].breaks} == broken
    assert "not installed: needed for training" in checks["torch"].found
    assert "not installed: needed for .tflite files" in checks["ai-edge-litert"].found
    assert "[litert]" in checks["ai-edge-litert"].advice or "ai-edge-litert" in checks["ai-edge-litert"].advice


def test_an_absent_agent_breaks_files_and_not_arrays_and_is_said_to_refuse(nobody: str) -> None:
    for purpose in ("arrays", "files"):
        agent = by_name(examine(nobody, purpose=purpose))["agent"]
        assert (agent.ok, agent.breaks) == (False, purpose == "files")
        assert "the connection is refused, so no agent listens there" in agent.found
        assert "within" not in agent.found
        assert "start an agent on this computer with: edgeleak-agent --listen 127.0.0.1:" in agent.advice


def test_a_named_device_must_answer(nobody: str) -> None:
    asked = [sys.executable, "-m", "harness", "doctor", "--json", "--device", nobody]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    (agent,) = (check for check in json.loads(done.stdout) if check["name"] == "agent")
    assert (agent["ok"], agent["required"]) == (False, True)


def test_adb_and_the_browser_break_nothing_but_a_phone(
    nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = by_name(examine(nobody, purpose="arrays"))
    assert (checks["adb"].found, checks["adb"].breaks) == ("not installed: needed for phones", False)
    assert (checks["browser"].found, checks["browser"].breaks) == ("not installed: needed for report.pdf", False)
    assert by_name(examine(nobody, purpose="phone"))["adb"].breaks


def test_no_server_of_adb_is_started_to_look_for_one(
    nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    (tmp_path / "adb").write_text(f"#!/bin/sh\n/bin/touch {called}\n")
    (tmp_path / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", nobody.rpartition(":")[2])
    assert "its server does not run" in by_name(examine(nobody, purpose="arrays"))["adb"].found
    assert not called.exists()


def test_the_packages_of_an_extra_are_those_of_the_extras_that_it_names() -> None:
    packages = doctor._requirements("litert")
    assert '"ai-edge-litert' in packages
    assert '"grpcio-health-checking' in packages, "of the extra agent, which litert names"
    assert "edgeleak[" not in packages
