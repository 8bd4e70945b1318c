"""Commands to a running qemu, over the socket in the phone's folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import DeviceUnavailableError

__all__ = ["SOCKET", "Monitor"]

SOCKET = "monitor.sock"
# qemu answers at once; another client of the same socket keeps this one waiting.
_SECONDS = 10.0
_NETWORK = "network"


class Monitor:
    """A conversation with a phone's qemu. A context manager; one at a time.

    Args:
        folder: of the phone.
        device: the phone as error messages name it.

    Raises:
        DeviceUnavailableError: qemu does not answer.
    """

    def __init__(self, folder: Path, *, device: str) -> None:
        self._device = device
        self._socket = socket.socket(socket.AF_UNIX)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        try:
            self._socket.settimeout(_SECONDS)
            with _short(folder) as name:
                self._socket.connect(f"{name}/{SOCKET}")
            self._lines.readline()
            self.ask("qmp_capabilities")
        except OSError as error:
            self.close()
            raise self._unavailable(f"qemu's socket: {error.strerror or error}") from error
        except BaseException:
            self.close()
            raise

    def ask(self, command: str, **arguments: object) -> Any:
        """Run a command of QEMU's machine protocol; what it returns.

        Args:
            command: e.g. ``query-status``.
            arguments: of the command.

        Raises:
            DeviceUnavailableError: qemu refuses it, or does not answer.
        """
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            for line in self._lines:
                answer = json.loads(line)
                if "error" in answer:
                    raise self._unavailable(f"qemu refuses {command}: {answer['error'].get('desc')}")
                if "return" in answer:
                    return answer["return"]
        except (OSError, ValueError) as error:
            raise self._unavailable(f"qemu does not answer {command}: {error}") from error
        raise self._unavailable(f"qemu ended before it answered {command}")

    def set_link(self, *, up: bool) -> None:
        """Plug the phone's network in, or pull it."""
        self.ask("set_link", name=_NETWORK, up=up)

    def pause(self) -> None:
        """Stop the machine where it is."""
        self.ask("stop")

    def resume(self) -> None:
        """Let it go on."""
        self.ask("cont")

    def running(self) -> bool:
        """Whether the machine works and is not paused."""
        return bool(self.ask("query-status")["running"])

    def close(self) -> None:
        """End the conversation; the phone stays as it is."""
        # Both: either keeps the connection, and qemu talks to one client at a time.
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _unavailable(self, message: str) -> DeviceUnavailableError:
        return DeviceUnavailableError(message, device=self._device, hint="edgeleak emulator status shows what runs")


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A short name of a folder: a socket's path has 107 bytes, and a cache may lie deeper."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
