"""What a campaign disturbs: a real agent in a process of its own, in one of several surroundings, behind a link."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from harness.devices import pairing
from tests.campaigns.link import Link

__all__ = ["STORE_BYTES", "Rig", "UnavailableError", "environment_of_pairings"]

# The store of an agent whose disk is small, bytes: the small models fit, a padded one does not.
STORE_BYTES = 1024**2
_NAME = "rig"


class UnavailableError(Exception):
    """This machine does not allow such surroundings; the message says why."""


class Rig:
    """An agent that can be killed, stopped, cut off and started again at the same address.

    Args:
        surroundings: ``plain``; ``tmpfs`` or ``fsize``, where the disk is small; ``clock``, where clocks jump; or
            ``veth``, where it stands behind a network of its own.
        folder: scratch space.

    Raises:
        UnavailableError: this machine does not allow them.
    """

    def __init__(self, surroundings: str, folder: Path) -> None:
        self.surroundings = surroundings
        self._folder = folder / surroundings
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = (self._folder / "agent.log").open("ab")
        self._prefix: list[str] = []
        self._options = ["--listen", "127.0.0.1:0", "--store", str(self._folder / "store"), "--batch-seconds", "5"]
        self._undo = contextlib.ExitStack()
        self._timers: list[threading.Timer] = []
        self.link: Link | None = None
        self.process: subprocess.Popen[bytes] | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self._undo.close)
            getattr(self, f"_prepare_{surroundings}")()
            port = self.start()
            if surroundings != "veth":
                self.link = Link(port)
                self.url = f"grpc://127.0.0.1:{self.link.port}"
            undo.pop_all()

    def start(self) -> int:
        """Start the agent; its port."""
        command = [*self._prefix, sys.executable, "-m", "device_agent.cli", *self._options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise UnavailableError(f"the agent does not start in {self.surroundings}: see {self._log.name}")
        port = int(line.rpartition(":")[2])
        if self.link is not None:
            self.link.target = port
        return port

    def kill(self) -> None:
        """Kill the agent; its worker ends with it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something after a while, beside whatever goes on; `recover` waits for it."""
        timer = threading.Timer(seconds, action)
        timer.start()
        self._timers.append(timer)

    def forget_artifacts(self) -> None:
        """Remove what a killed agent had stored."""
        shutil.rmtree(self._folder / "store", ignore_errors=True)

    def workers(self) -> list[int]:
        """Process ids of the workers, the spare one included."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.process.pid).children()]
        return []

    def signal_workers(self, number: signal.Signals) -> None:
        """Send a signal to all workers."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def signal_agent(self, number: signal.Signals) -> None:
        """Send a signal to the agent alone."""
        assert self.process is not None
        self.process.send_signal(number)

    def jump(self, *, wall_seconds: float = 0.0, monotonic_seconds: float = 0.0) -> None:
        """Move the agent's clocks by so much from where they are."""
        path = self._folder / "clock"
        wall, monotonic = struct.unpack("<qq", path.read_bytes())
        moved = struct.pack("<qq", wall + int(wall_seconds * 1e9), monotonic + int(monotonic_seconds * 1e9))
        with path.open("r+b") as file:
            file.write(moved)

    def network(self, state: str) -> None:
        """Set the host's end of the pair of interfaces ``up`` or ``down``."""
        _run("ip", "link", "set", self._interface, state)

    def recover(self) -> None:
        """Undo every disturbance, and see that an agent runs."""
        self._join()
        assert self.process is not None
        if self.link is not None:
            self.link.heal()
        if self.surroundings == "veth":
            self.network("up")
        if self.process.poll() is None:
            self.signal_agent(signal.SIGCONT)
            self.signal_workers(signal.SIGCONT)
        else:
            self.start()

    def close(self) -> None:
        """End everything that was started and made."""
        self._join()
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self.link is not None:
            self.link.close()
        self._undo.close()
        self._log.close()

    def _join(self) -> None:
        while self._timers:
            self._timers.pop().join()

    def _prepare_plain(self) -> None:
        return

    def _prepare_tmpfs(self) -> None:
        (self._folder / "store").mkdir(exist_ok=True)
        mount = f'mount -t tmpfs -o size={STORE_BYTES},mode=700 none "$0"'
        if subprocess.run(["unshare", "-m", "sh", "-c", mount, self._folder / "store"], check=False).returncode:
            raise UnavailableError("no file system may be mounted here")
        self._prefix = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', str(self._folder / "store")]

    def _prepare_fsize(self) -> None:
        if shutil.which("prlimit") is None:
            raise UnavailableError("there is no prlimit here")
        self._prefix = ["prlimit", f"--fsize={STORE_BYTES}"]

    def _prepare_clock(self) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise UnavailableError("there is no C compiler here, so no clock of an agent can be moved")
        library, source = self._folder / "clock.so", Path(__file__).with_name("clock.c")
        _run(compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source))
        (self._folder / "clock").write_bytes(bytes(16))
        self._prefix = ["env", f"LD_PRELOAD={library}", f"CAMPAIGN_CLOCK={self._folder / 'clock'}"]

    def _prepare_veth(self) -> None:
        number = os.getpid() % 16384
        # Of the block for tests between networks, RFC 2544: four addresses a process.
        net, first = f"198.18.{number // 64}", number % 64 * 4
        host, agent = f"{net}.{first + 1}", f"{net}.{first + 2}"
        namespace, self._interface, peer = f"edgeleak-{number}", f"elh{number}", f"ela{number}"
        try:
            _run("ip", "netns", "add", namespace)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnavailableError("network namespaces cannot be made here") from error
        self._undo.callback(subprocess.run, ["ip", "netns", "delete", namespace], check=False)
        try:
            _run("ip", "link", "add", self._interface, "type", "veth", "peer", "name", peer, "netns", namespace)
        except subprocess.CalledProcessError as error:
            raise UnavailableError("pairs of network interfaces cannot be made here") from error
        self._undo.callback(subprocess.run, ["ip", "link", "delete", self._interface], check=False, capture_output=True)
        _run("ip", "address", "add", f"{host}/30", "dev", self._interface)
        _run("ip", "link", "set", self._interface, "up")
        inside = ["ip", "netns", "exec", namespace]
        _run(*inside, "ip", "address", "add", f"{agent}/30", "dev", peer)
        _run(*inside, "ip", "link", "set", peer, "up")
        _run(*inside, "ip", "link", "set", "lo", "up")
        made = pairing.pair(_NAME, [agent], out=self._folder)
        self._prefix = inside
        self._options[1] = f"{agent}:50051"
        self._options += ["--pairing", str(made.device_file)]
        self.url = f"grpc://{agent}:50051"


@contextlib.contextmanager
def environment_of_pairings(folder: Path) -> Iterator[None]:
    """Let this process's pairings lie in a folder of the campaign's own."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CONFIG_HOME"]
        else:
            os.environ["XDG_CONFIG_HOME"] = before


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
