"""What ssh says when it does not get there: what it means, and what the user can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import DeviceError, DeviceUnavailableError
from harness.plain import plain

__all__ = [
    "SSH_TROUBLES",
    "SshBrokenError",
    "SshDeniedError",
    "SshError",
    "SshHostKeyError",
    "SshNoSpaceError",
    "SshTimeoutError",
    "SshTrouble",
    "SshUnreachableError",
    "classify_ssh",
]


class SshError(DeviceError):
    """A command over ssh failed.

    Args:
        message: what is wrong.
        device: the device as the user named it.
        output: what ssh printed, fit for a terminal.
        hint: what the user can do.
    """

    def __init__(self, message: str, *, device: str, output: str = "", hint: str | None = None) -> None:
        super().__init__(message, device=device, hint=hint)
        self.output = output


class SshHostKeyError(SshError, DeviceUnavailableError):
    """The host's key is unknown, or is another one than before."""


class SshDeniedError(SshError, DeviceUnavailableError):
    """The host does not let this user in."""


class SshUnreachableError(SshError, DeviceUnavailableError):
    """Nobody answers ssh there."""


class SshBrokenError(SshError, DeviceUnavailableError):
    """The connection broke."""


class SshTimeoutError(SshError, DeviceUnavailableError):
    """A command did not end in time."""


class SshNoSpaceError(SshError):
    """The board's storage is full."""


@dataclass(frozen=True)
class SshTrouble:
    """One text that ssh prints.

    Args:
        text: as ssh prints it; H stands for the host.
        pattern: what is found in such a text.
        error: that is raised.
        means: what is wrong, to follow the device's name.
        hint: what the user can do.
    """

    text: str
    pattern: re.Pattern[str]
    error: type[SshError]
    means: str
    hint: str


def _row(text: str, pattern: str, error: type[SshError], means: str, hint: str) -> SshTrouble:
    return SshTrouble(text, re.compile(pattern, re.IGNORECASE), error, means, hint)


# The first that is found decides: what says more comes first.
SSH_TROUBLES: tuple[SshTrouble, ...] = (
    _row(
        "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!",
        r"remote host identification has changed",
        SshHostKeyError,
        "the host has another key than before",
        "find out why: another machine may answer in its place; ssh-keygen -R HOST forgets the old key",
    ),
    _row(
        "Host key verification failed.",
        r"host key verification failed|host key is known for",
        SshHostKeyError,
        "the host's key is not known here",
        "connect once by hand with ssh HOST, and compare the fingerprint that it shows",
    ),
    _row(
        "user@H: Permission denied (publickey,password).",
        r"permission denied \(|too many authentication failures",
        SshDeniedError,
        "the host does not let this user in without a password",
        "copy your key there with ssh-copy-id USER@HOST, or load it with ssh-add; edgeleak types no passwords",
    ),
    _row(
        "Timeout, server H not responding.",
        r"not responding|control socket|mux_client",
        SshBrokenError,
        "the connection broke",
        "rerun the same command; finished work is kept",
    ),
    _row(
        "ssh: Could not resolve hostname H: Name or service not known",
        r"could not resolve hostname",
        SshUnreachableError,
        "the host's name is not known",
        "check the name, or write the IP address",
    ),
    _row(
        "ssh: connect to host H port 22: Connection refused",
        r"connection refused",
        SshUnreachableError,
        "nobody listens for ssh there",
        "start sshd on the board, or give its port: ssh:HOST:PORT",
    ),
    _row(
        "ssh: connect to host H port 22: Connection timed out",
        r"connection timed out|no route to host|network is unreachable|host is down",
        SshUnreachableError,
        "the host does not answer",
        "check that the board is on and that this network leads to it",
    ),
    _row(
        "Bad owner or permissions on ~/.ssh/config",
        r"bad owner or permissions|bad configuration option",
        SshError,
        "ssh refuses your configuration",
        "ssh HOST shows the line; chmod 600 ~/.ssh/config",
    ),
    _row(
        "channel 2: open failed: connect failed: open failed",
        r"open failed: (administratively prohibited|connect failed)",
        SshDeniedError,
        "its sshd does not lead to the agent's socket",
        "set AllowStreamLocalForwarding yes in the board's sshd_config and allow this key to forward, or run the agent "
        "as a service: docs/boards.md",
    ),
    _row(
        'unix_listener: path "P" too long for Unix domain socket',
        r"too long for unix domain socket|controlpath too long",
        SshError,
        "the temporary folder of this computer has too long a path for a socket",
        "set TMPDIR to a shorter one, e.g. TMPDIR=/tmp",
    ),
    _row(
        "cat: write error: No space left on device",
        r"no space left on device",
        SshNoSpaceError,
        "its storage is full",
        "make room there; edgeleak agent purge --device DEVICE removes all that edgeleak left",
    ),
    _row(
        "Connection closed by H port 22",
        r"connection (closed|reset)|broken pipe|kex_exchange_identification",
        SshBrokenError,
        "the connection broke",
        "rerun the same command; finished work is kept",
    ),
)


def classify_ssh(output: str, *, device: str) -> SshError:
    """The error that a text of ssh stands for.

    Args:
        output: what ssh printed.
        device: the device as the user named it.
    """
    said = plain(output, length=300)
    for trouble in SSH_TROUBLES:
        if trouble.pattern.search(output):
            last = plain(output.strip().splitlines()[-1], length=200)
            return trouble.error(f"{trouble.means}; ssh says: {last}", device=device, output=said, hint=trouble.hint)
    return SshError(
        f"ssh failed: {said or 'it said nothing'}", device=device, output=said, hint="try ssh HOST by hand, then rerun"
    )
