"""The pairings of this user: where they lie, and which one an address means."""

from __future__ import annotations

import ipaddress
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.errors import PairingError
from protos.pairing import NAME, Pairing, PairingFileError, read

__all__ = ["HOST_FILE", "checked_name", "folder", "is_loopback", "named", "of_host", "pairings", "plain_host", "usable"]

# This side of a pairing, in its folder.
HOST_FILE = "host.pairing"
# Time enough to reach a device that hangs on a wall.
_WARN = timedelta(days=30)
_log = logging.getLogger("edgeleak.devices")


def folder() -> Path:
    """Where this user's pairings lie, a folder each: ``$XDG_CONFIG_HOME/edgeleak/pairings``."""
    configured = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    # As the XDG specification has it, a relative path counts as none.
    base = configured if configured.is_absolute() else Path("~/.config").expanduser()
    return base / "edgeleak" / "pairings"


def pairings() -> list[Pairing]:
    """All of them, by name.

    Raises:
        PairingError: one is damaged, or others may read it.
    """
    # A draft of a pairing that is being made has a name that no device can have.
    return [_read(path) for path in sorted(folder().glob(f"*/{HOST_FILE}")) if NAME.fullmatch(path.parent.name)]


def named(name: str) -> Pairing:
    """The pairing of a device.

    Raises:
        PairingError: there is none of this name, it is damaged, or others may read it.
    """
    path = folder() / checked_name(name) / HOST_FILE
    if not path.exists():
        others = ", ".join(one.name for one in pairings()) or "none"
        raise PairingError(
            f"no pairing is named {name} (there are: {others})", hint=f"edgeleak agent pair {name} --host ADDRESS"
        )
    return _read(path)


def of_host(host: str) -> Pairing | None:
    """The pairing that names a host; None for loopback without one.

    Args:
        host: a name or an IP address, in an address's brackets or without.

    Raises:
        PairingError: another host than loopback has no pairing, or several.
    """
    plain = plain_host(host)
    if is_loopback(plain):
        # What listens there is forwarded from anywhere: it is selected by the pairing's name alone.
        return None
    those = [one for one in pairings() if plain in one.hosts]
    if not those:
        raise PairingError(
            f"{plain} is not paired, and off loopback nothing is sent without TLS and a token",
            hint=f"edgeleak agent pair NAME --host {plain}; for a forwarded port write grpc://NAME@127.0.0.1:PORT",
        )
    if len(those) > 1:
        names = ", ".join(one.name for one in those)
        raise PairingError(f"{plain} is paired as {names}", hint=f"write grpc://{those[0].name}@{host}:PORT")
    return those[0]


def usable(pairing: Pairing, *, now: datetime | None = None) -> Pairing:
    """The pairing, unless it has expired; a warning is logged where it soon will.

    Args:
        pairing: this host's side.
        now: the time; None reads the clock.

    Raises:
        PairingError: its certificates have expired.
    """
    left = pairing.expires - (now or datetime.now(UTC))
    renew = f"edgeleak agent pair {pairing.name} --renew"
    if left <= timedelta(0):
        raise PairingError(f"the pairing {pairing.name} expired on {pairing.expires.date()}", hint=renew)
    if left <= _WARN:
        _log.warning("the pairing %s expires on %s (%s)", pairing.name, pairing.expires.date(), renew)
    return pairing


def checked_name(name: str) -> str:
    """A device's name, if it can be one.

    Raises:
        PairingError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise PairingError(f"{name!r} cannot name a device", hint="use a-z, 0-9 and hyphens, at most 63")
    return name


def plain_host(host: str) -> str:
    """One spelling of a host: without brackets, small letters, the short form of an IPv6 address."""
    plain = host.removeprefix("[").removesuffix("]").lower()
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain.removesuffix(".")


def is_loopback(plain: str) -> bool:
    """Whether a host, as `plain_host` spells it, is this machine and nothing else."""
    try:
        return ipaddress.ip_address(plain).is_loopback
    except ValueError:
        return plain == "localhost"


def _read(path: Path) -> Pairing:
    try:
        return read(path, role="host")
    except PairingFileError as error:
        raise PairingError(str(error)) from error
