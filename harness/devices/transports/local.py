"""An agent on this machine, as its own process: started, watched, ended."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import tempfile
import time

import grpc

from harness.devices._types import Timeouts
from harness.devices.transports._connection import ChannelOptions, Refusal
from harness.errors import DeviceUnavailableError
from protos.private import LOCAL, PrivateFolder

__all__ = ["LocalAgent", "open"]

_READY = re.compile(r"listening on (\S+:\d+)")
# The agent's own grace for calls in flight is one second; a worker in a native call is killed.
_STOP_SECONDS = 5.0
# How often the start looks whether the process still lives.
_SLICE_SECONDS = 0.1
# The end of a log that fits one line of an error message.
_TAIL_BYTES = 4096
_START_HINT = "run edgeleak-agent by hand to see all that it says; edgeleak doctor checks what is installed"
_TIME_HINT = "allow it more time: connect = 60 under [device.timeouts]"


class LocalAgent:
    """One `edgeleak-agent` process; see `Connection`.

    It ends with this object, and with this process however that dies: its standard input closes then. Whatever it
    writes lies in a private folder that is removed even where the agent was killed; the next start of an agent on this
    machine removes it where this process was killed, too.

    Args:
        url: how error messages name the device.
        start_seconds: until its line must have come.

    Raises:
        DeviceUnavailableError: it did not start.
    """

    start_hint = _START_HINT
    resume_hint = "rerun the same command, which starts an agent anew; collected batches are kept"
    purge_on_close = False

    def __init__(self, url: str, *, start_seconds: float) -> None:
        self._url = url
        # Ended by close(), which the device calls: objects that outlive this function cannot be in a with block.
        self._folder = PrivateFolder(LOCAL)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: a folder of the user's that happens to be called device_agent is not run.
            [sys.executable, "-P", "-m", "device_agent.cli", "--exit-on-stdin-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "TMPDIR": str(self._folder.path)},
            # Where both are killed, the next start of either removes the folder; not before.
            pass_fds=self._folder.descriptors,
            # Ctrl-C is for the host, which then ends the agent in order.
            start_new_session=True,
        )
        try:
            self.target = self._await_line(start_seconds)
        except BaseException:
            self.close()
            raise

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        """Plaintext, on loopback."""
        return grpc.insecure_channel(self.target, options=options)

    def refusal(self, error: grpc.RpcError) -> Refusal | None:  # noqa: ARG002
        """None: it lets everybody in."""
        return None

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def restore(self) -> None:
        """Nothing: gRPC connects again by itself."""

    def close(self) -> None:
        """End the process and remove its files; a second call does nothing."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._folder.close()

    def _await_line(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        stdout = self._process.stdout
        assert stdout is not None, "started with a pipe"  # noqa: S101
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], _SLICE_SECONDS)
            piece = os.read(stdout.fileno(), 4096) if ready else b""
            line += piece
            if ready and not piece:
                self._process.wait(_STOP_SECONDS)
                raise self._unavailable(f"the local agent ended at its start: {self._end_of_log()}")
            if time.monotonic() > until:
                raise self._unavailable(f"the local agent was not ready within {seconds:g} s", hint=_TIME_HINT)
        ready_line = _READY.fullmatch(line.decode(errors="replace").strip())
        if ready_line is None:
            raise self._unavailable(f"the local agent printed {line[:80]!r} and not where it listens")
        return ready_line[1]

    def _unavailable(self, message: str, *, hint: str = _START_HINT) -> DeviceUnavailableError:
        return DeviceUnavailableError(message, device=self._url, hint=hint)

    def _end_of_log(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _TAIL_BYTES))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self._process.returncode}"


def open(selector: re.Match[str], *, timeouts: Timeouts) -> LocalAgent:
    """Start an agent on this machine.

    Args:
        selector: the device as the user named it.
        timeouts: its start takes at most ``connect``.

    Raises:
        DeviceUnavailableError: it does not start.
    """
    return LocalAgent(selector.string, start_seconds=timeouts.connect)
