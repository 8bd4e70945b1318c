"""What a machine over adb and one over ssh have in common: a shell, a place for files, and a socket to forward."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from harness.plain import plain

__all__ = ["Completed", "Shell"]


@dataclass(frozen=True)
class Completed:
    """A script that ran to its end on a device.

    Args:
        status: its exit status.
        out: what it wrote to standard output. Untrusted, as `err` is.
        err: to standard error; empty where the device does not keep them apart.
    """

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last of what it said, on one line and fit for a terminal."""
        killed = {132: "Illegal instruction", 134: "Aborted", 137: "Killed", 139: "Segmentation fault"}.get(self.status)
        lines = [line for line in f"{self.out}\n{self.err}".splitlines() if line.strip()][-3:]
        return plain(" / ".join(lines), length=300) or killed or f"exit status {self.status}"


class Shell(Protocol):
    """A machine on which the agent can be installed. A context manager: leaving it lets the machine go."""

    @property
    def device(self) -> str:
        """The machine as the user named it."""
        ...

    @property
    def home(self) -> str:
        """The folder of ours there, an absolute path."""
        ...

    def run(self, script: str, *, seconds: float, again: bool = False) -> Completed:
        """Run a script in a POSIX shell there.

        Args:
            script: at most 3500 bytes, and without input.
            seconds: after which it is given up.
            again: it may be run a second time where the connection broke.

        Raises:
            DeviceError: it did not run to its end; a failure of the script itself is no error.
        """
        ...

    def push(self, file: Path, to: str, *, seconds: float) -> None:
        """Copy a file of this computer there.

        Args:
            file: of this computer.
            to: its path there; the folder exists.
            seconds: after which it is given up.

        Raises:
            DeviceError: it did not arrive.
        """
        ...

    def close(self) -> None:
        """Let the machine go; what runs there goes on. A second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
