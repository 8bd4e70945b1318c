"""An agent under hostile input, watched from outside: does it live, what does it hold, what does it say."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.device_agent.exported import Caller

__all__ = ["NOTHING", "Level", "WatchedProcess", "reveals"]

MIB = 2**20
# What no message may hold: a path of the device, or a place in its code.
_REVEALING = re.compile(
    r"/(?:tmp|home|root|usr|proc|etc|var|opt|dev|data)\b|Traceback|\.py[\":]|\.py line|edgeleak-agent-"
)
_HEALTH_SECONDS = 10.0
# Calls that were broken off need a moment to end.
_SETTLE_SECONDS = 30.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Level:
    """What the agent holds at one moment.

    Args:
        descriptors: open in the agent.
        agent_mib: its resident memory.
        worker_mib: that of the largest of its workers.
    """

    descriptors: int
    agent_mib: float
    worker_mib: float


NOTHING = Level(0, 0.0, 0.0)


class WatchedProcess(Caller):
    """An agent in a process of its own, whose log is kept; as a context manager it ends with the block.

    Args:
        folder: for its store and its log.
        arguments: of its command.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "agent.log"
        command = [sys.executable, "-m", "device_agent.cli", "--store", str(folder / "store"), *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        super().__init__(self.process.stdout.readline().split()[-1])
        self._health = health_pb2_grpc.HealthStub(self.channel)

    def healthy(self) -> bool:
        """Whether the process runs and says in time that it serves."""
        if self.process.poll() is not None:
            return False
        with contextlib.suppress(grpc.RpcError):
            return bool(self._health.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS).status == 1)
        return False

    def level(self) -> Level:
        """What it holds now."""
        agent = psutil.Process(self.process.pid)
        workers = [0]
        for child in agent.children():
            with contextlib.suppress(psutil.Error):
                workers.append(child.memory_info().rss)
        return Level(agent.num_fds(), agent.memory_info().rss / MIB, max(workers) / MIB)

    def settled(self, descriptors: int | None = None) -> Level:
        """What it holds once broken calls have ended.

        Args:
            descriptors: at most so many are to be open; None waits until their number no longer changes.
        """
        until = time.monotonic() + _SETTLE_SECONDS
        last, level = -1, self.level()
        while time.monotonic() < until and level.descriptors > (last if descriptors is None else descriptors):
            last = level.descriptors
            time.sleep(_LOOK_SECONDS)
            level = self.level()
        return level

    def log(self) -> list[str]:
        """The lines that it has written."""
        return self._log.read_text(errors="replace").splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.channel.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


def reveals(message: str) -> bool:
    """Whether a message holds what is not the caller's to know."""
    return _REVEALING.search(message) is not None
