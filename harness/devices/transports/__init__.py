"""The ways to reach an agent, one module each; a new one is a module and a row in `FORMS`.

A module has ``open(selector, timeouts=) -> Connection``, and ``check(selector)`` where an address of the right form may
still name nothing. One that reaches machines on which this host installs the agent gives their `Shell`, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from harness.devices._types import Timeouts
from harness.devices.transports import adb, emulated, grpc, local, ssh
from harness.devices.transports._connection import Connection
from harness.errors import UsageError
from harness.remote.shell import Shell
from protos.pairing import NAME

__all__ = ["FORMS", "Connection", "Form", "check", "connect", "help_text", "machine"]


class _Check(Protocol):
    def __call__(self, selector: re.Match[str], /) -> None: ...


class _Open(Protocol):
    def __call__(self, selector: re.Match[str], *, timeouts: Timeouts) -> Connection: ...


class _Machine(Protocol):
    def __call__(self, selector: re.Match[str], /) -> Shell: ...


@dataclass(frozen=True)
class Form:
    """One form in which a user may name a device.

    Args:
        written: the form as help and messages write it.
        pattern: what has it, wholly; its groups are the selector's parts.
        help: what such a device is, to follow its form in a list.
        open: of the transport.
        check: of the transport, without contact; by default nothing more is known than the form.
        machine: the machine on which the agent is installed, not contacted yet; None where this host installs none.
    """

    written: str
    pattern: re.Pattern[str]
    help: str
    open: _Open
    check: _Check = lambda _: None
    machine: _Machine | None = None


# A host name, an IPv4 address or an IPv6 address in brackets.
_HOST = r"(?P<host>[^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])"
# From 1 to 65535.
_PORT = r"(?P<port>[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_TARGET = f"(?P<target>{_HOST}:{_PORT})"
FORMS = (
    Form("local", re.compile("local"), "an agent that is started on this machine and ended afterwards", local.open),
    Form(
        "grpc://HOST:PORT",
        re.compile(f"grpc://{_TARGET}"),
        "an agent that runs already and listens there, on loopback or by the pairing that names the host",
        grpc.open,
        grpc.check,
    ),
    Form(
        "grpc://NAME@HOST:PORT",
        re.compile(f"grpc://(?P<name>{NAME.pattern})@{_TARGET}"),
        "such an agent by the pairing NAME, whatever the host, e.g. a forwarded port on 127.0.0.1",
        grpc.open,
        grpc.check,
    ),
    Form(
        "adb:SERIAL",
        re.compile(r"adb(?::(?P<serial>.*))?"),
        "a phone over adb, on which the agent is installed where it is not, and adb alone where it is the only device",
        adb.open,
        adb.check,
        adb.device,
    ),
    Form(
        "emulator:PORT",
        re.compile(r"emulator:(?P<console>[0-9]{1,5})"),
        "the Android emulator with this console port, e.g. emulator:5554, once it has booted",
        adb.open_emulator,
        adb.check_emulator,
        adb.emulator,
    ),
    Form(
        "arm64-emulated",
        re.compile("arm64-emulated"),
        "an emulated ARM64 phone on this computer, started where none runs, and then a phone over adb",
        emulated.open,
        emulated.check,
        emulated.device,
    ),
    Form(
        "ssh:[USER@]HOST[:PORT]",
        re.compile(r"ssh:(?P<address>.*)"),
        "a board over your own ssh, on which the agent is installed where it is not",
        ssh.open,
        ssh.check,
        ssh.board,
    ),
)


def check(url: str) -> None:
    """Raise unless a device's address has a known form, and a pairing where it needs one; nothing is contacted.

    Raises:
        UsageError: it has none.
    """
    form, selector = _matched(url)
    form.check(selector)


def connect(url: str, *, timeouts: Timeouts) -> Connection:
    """Reach the agent that a device's address names, or start it where its form says so.

    Raises:
        UsageError: the address has no known form, or needs a pairing that is not there.
        DeviceUnavailableError: an agent that is started here does not start.
    """
    form, selector = _matched(url)
    return form.open(selector, timeouts=timeouts)


def machine(url: str) -> Shell:
    """The machine of a device on which this host installs the agent; nothing is contacted yet.

    Raises:
        UsageError: the address has no known form, or names no such machine.
    """
    form, selector = _matched(url)
    if form.machine is None:
        forms = ", ".join(one.written for one in FORMS if one.machine is not None)
        raise UsageError(
            f"device {url!r}: edgeleak installs no agent there",
            hint=f"write {forms}; an agent behind grpc:// is a service of its board, and local needs none",
        )
    return form.machine(selector)


def help_text() -> str:
    """The known forms and what each stands for, in one line."""
    return "; ".join(f"{form.written}: {form.help}" for form in FORMS)


def _matched(url: str) -> tuple[Form, re.Match[str]]:
    for form in FORMS:
        if selector := form.pattern.fullmatch(url):
            return form, selector
    raise UsageError(f"device {url!r} has no known form", hint=f"write {', or '.join(form.written for form in FORMS)}")
