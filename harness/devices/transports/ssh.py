"""An agent on a board over the user's own ssh: installed and started where none runs, behind a private socket."""

from __future__ import annotations

import re

from harness.devices._types import Timeouts
from harness.devices.transports._installed import InstalledAgent
from harness.errors import UsageError
from harness.remote.install import BundleOf
from harness.remote.ssh import Ssh
from harness.remote.ssh_errors import classify_ssh

__all__ = ["board", "check", "open", "open_board"]

_ADDRESS = re.compile(
    r"(?:(?P<user>[^\s@:/-][^\s@:/]*)@)?(?P<host>[^\s@:/\[\]-][^\s@:/\[\]]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
)


class _Forwarded:
    """A Unix socket of this computer that leads to one of the board; see `Way`."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    def open(self, socket: str) -> str:
        return f"unix:{self._ssh.forward(socket)}"

    def restore(self, socket: str) -> None:
        if not self._ssh.forwarding():
            self._ssh.forward(socket)

    def trouble(self) -> str | None:
        said = self._ssh.said()
        if "open failed" not in said:
            return None
        error = classify_ssh(said, device=self._ssh.device)
        return f"{error.message.removeprefix(f'{self._ssh.device}: ')}: {error.hint}"

    def close(self) -> None:
        """Nothing: it ends with the login."""


def check(selector: re.Match[str]) -> None:
    """Raise unless a board can be reached as it was named; nothing is contacted.

    Raises:
        UsageError: the address is none of ssh's.
        DependencyError: ssh is not installed.
    """
    board(selector).close()


def board(selector: re.Match[str]) -> Ssh:
    """The board of ``ssh:[USER@]HOST[:PORT]``; nothing is contacted yet.

    Args:
        selector: with a group ``address``.

    Raises:
        UsageError: the address is none of ssh's.
        DependencyError: ssh is not installed.
    """
    address = _ADDRESS.fullmatch(selector["address"])
    if address is None or (address["port"] and not 0 < int(address["port"]) < 65536):
        raise UsageError(
            f"device {selector.string!r} names no host for ssh",
            hint="write ssh:HOST, ssh:USER@HOST or ssh:USER@HOST:PORT, an IPv6 address in brackets",
        )
    return Ssh(
        address["host"].strip("[]"),
        user=address["user"],
        port=int(address["port"]) if address["port"] else None,
        device=selector.string,
    )


def open(selector: re.Match[str], *, timeouts: Timeouts) -> InstalledAgent:
    """Reach the agent on a board, installed and started where none runs.

    Args:
        selector: the board as the user named it.
        timeouts: how long to wait for what.

    Raises:
        DeviceError: the board cannot be reached, or its agent not be installed or started.
    """
    return open_board(board(selector), timeouts=timeouts)


def open_board(ssh: Ssh, *, timeouts: Timeouts, bundle_of: BundleOf | None = None) -> InstalledAgent:
    """Reach the agent on a board; see `open`.

    Args:
        ssh: the board.
        timeouts: how long to wait for what.
        bundle_of: makes the bundle of an architecture; None takes the cached one.
    """
    return InstalledAgent(ssh, _Forwarded(ssh), timeouts=timeouts, bundle_of=bundle_of)
