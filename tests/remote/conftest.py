"""An ssh server of the tests' own, on loopback, and a home folder that is nobody's."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_START_SECONDS = 20.0


@dataclass(frozen=True)
class Server:
    """An ssh server.

    Args:
        address: as ``ssh:`` takes it.
        home: the home folder of whoever logs in.
        folder: with the keys, and the server's configuration.
    """

    address: str
    home: Path
    folder: Path


@pytest.fixture
def board(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that lets this user in by a key; ssh is made to use that key by a wrapper on the path."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if sshd is None:
        pytest.skip("sshd is not installed (Debian: apt-get install openssh-server)")
    folder = tmp_path_factory.mktemp("s")
    home = folder / "home"
    home.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if os.getuid() == 0:
        # Where sshd drops its rights; the package's own service makes it.
        Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f'ForceCommand HOME={home} exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    known = folder / "known"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    ssh = shutil.which("ssh")
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f"#!/bin/sh\nexec {ssh} -F none -i {folder}/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes "
        f'-o UserKnownHostsFile={known} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    log = (folder / "log").open("wb")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        _await(port, server)
        yield Server(f"{getpass.getuser()}@127.0.0.1:{port}", home, folder)
    finally:
        end_agent(home / ".edgeleak")
        server.terminate()
        server.wait()
        log.close()


def end_agent(folder: Path) -> None:
    """End the agent of a folder, where a test left one there."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "agent.pid").read_text())
        if str(folder) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGTERM)


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"sshd did not start on port {port}")


@dataclass(frozen=True)
class Fake:
    """The fake adb.

    Args:
        folder: of its rules and calls, and ``/data/local/tmp`` of its phone.
    """

    folder: Path

    def answers(self, *rules: dict[str, object]) -> None:
        """Answer by these rules from now on; see `tests.remote.fake_adb`."""
        (self.folder / "rules.json").write_text(json.dumps(rules))

    def calls(self) -> list[str]:
        """Every call so far, without the choice of the device."""
        lines = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [" ".join(call[2:] if call[0] == "-s" else call) for call in lines]


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """An adb that answers as the test says."""
    folder = tmp_path_factory.mktemp("a")
    binary = folder / "adb"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {Path(__file__).parent}/fake_adb.py "$@"\n')
    binary.chmod(0o755)
    (folder / "calls").touch()
    monkeypatch.setenv("ADB", str(binary))
    monkeypatch.setenv("FAKE_ADB", str(folder))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    made = Fake(folder)
    made.answers()
    yield made
    end_agent(folder / "edgeleak")
