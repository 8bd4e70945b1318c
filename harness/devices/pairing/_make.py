"""Makes a pairing, or new certificates and a new token of one."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harness import files, packages
from harness.devices.pairing._pairings import HOST_FILE, checked_name, folder, is_loopback, named, plain_host
from harness.errors import PairingError, StorageError
from protos.pairing import Pairing, Role

if TYPE_CHECKING:
    from harness.devices.pairing._certificates import Authority

__all__ = ["Paired", "pair", "renew"]

_AUTHORITY_KEY = "authority.key"
_DAYS_MAX = 3650


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Paired:
    """A pairing that was just made.

    Args:
        pairing: this host's side, which lies in its folder.
        device_file: the device's side, which has to be copied there.
    """

    pairing: Pairing
    device_file: Path


def pair(
    name: str, hosts: Sequence[str], *, days: int = 365, out: Path = Path(), clock: Callable[[], datetime] = _now
) -> Paired:
    """Pair this host with a device.

    Args:
        name: of the device.
        hosts: names and IP addresses under which this host reaches it, without ports; at least one.
        days: until both certificates expire.
        out: folder of the device's file, ``NAME.pairing``.
        clock: the time, with its zone.

    Raises:
        PairingError: the device is paired already; a name, an address or the number of days cannot be one.
        DependencyError: the package cryptography is not installed.
        StorageError: a file cannot be written.
    """
    packages.require("cryptography", extra="pairing")
    from harness.devices.pairing._certificates import make_authority

    home = folder() / checked_name(name)
    if home.exists():
        raise PairingError(
            f"{name} is paired already, in {home}",
            hint=f"edgeleak agent pair {name} --renew makes new certificates and a new token",
        )
    now = clock()
    authority = make_authority(name, now=now)
    host, device = _sides(name, _checked_hosts(hosts), authority, days=_checked_days(days), now=now)
    draft = _draft(home.parent)
    try:
        files.write(draft / _AUTHORITY_KEY, authority.key.encode())
        files.write(draft / HOST_FILE, host.to_bytes())
        device_file = _write_device_file(device, out)
        # The folder appears whole or not at all, and never in another's place.
        draft.rename(home)
    except OSError as error:
        raise StorageError(f"{home}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Paired(host, device_file)


def renew(
    name: str,
    hosts: Sequence[str] = (),
    *,
    days: int = 365,
    out: Path = Path(),
    clock: Callable[[], datetime] = _now,
) -> Paired:
    """Make new certificates and a new token under the authority of a pairing; the old token stops on either side.

    Args:
        name: of the device.
        hosts: in the old ones' place; none keeps those.
        days: until both certificates expire.
        out: folder of the device's file, ``NAME.pairing``.
        clock: the time, with its zone.

    Raises:
        PairingError: there is no such pairing, it is damaged; an address or the number of days cannot be one.
        DependencyError: the package cryptography is not installed.
        StorageError: a file cannot be written.
    """
    packages.require("cryptography", extra="pairing")
    from harness.devices.pairing._certificates import Authority

    old = named(name)
    home = folder() / name
    try:
        authority = Authority(old.authority, (home / _AUTHORITY_KEY).read_text())
        kept = _checked_hosts(hosts) if hosts else old.hosts
        host, device = _sides(name, kept, authority, days=_checked_days(days), now=clock())
    except (OSError, ValueError) as error:
        raise PairingError(
            f"{home / _AUTHORITY_KEY} cannot be used: {error}", hint=f"remove {home} and pair again"
        ) from error
    # The device's first: where that fails, this host goes on with what the device has.
    device_file = _write_device_file(device, out)
    files.write(home / HOST_FILE, host.to_bytes())
    return Paired(host, device_file)


def _sides(
    name: str, hosts: tuple[str, ...], authority: Authority, *, days: int, now: datetime
) -> tuple[Pairing, Pairing]:
    """The host's side and the device's."""
    from harness.devices.pairing._certificates import sign

    until = now + timedelta(days=days)
    token = secrets.token_urlsafe(32)

    def side(role: Role) -> Pairing:
        server = role == "device"
        certificate, key = sign(authority, name if server else f"host-of-{name}", server=server, now=now, until=until)
        return Pairing(role, name, hosts, int(until.timestamp()), authority.certificate, certificate, key, token)

    return side("host"), side("device")


def _draft(parent: Path) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Of mode 0700, as the folder that it becomes.
        return Path(tempfile.mkdtemp(dir=parent, prefix=".draft-"))
    except OSError as error:
        raise StorageError(f"{parent}: cannot be written: {error.strerror}") from error


def _write_device_file(device: Pairing, out: Path) -> Path:
    path = out / f"{device.name}.pairing"
    files.write(path, device.to_bytes())
    return path


def _checked_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    if not hosts:
        raise PairingError("a device needs an address", hint="--host ADDRESS, as this machine knows the device")
    plain = tuple(dict.fromkeys(plain_host(host) for host in hosts))
    for host in plain:
        if is_loopback(host):
            raise PairingError(
                f"--host {host}: whatever is forwarded to loopback would be taken for this device",
                hint="give the device's own address; grpc://NAME@127.0.0.1:PORT reaches it through a forwarded port",
            )
        # What the address of a device allows, but for the colons of IPv6.
        if not host or any(letter in " \t\r\n/?#@[]" for letter in host) or host.count(":") == 1:
            raise PairingError(f"--host {host!r} is no host", hint="give a name or an IP address, without a port")
    return plain


def _checked_days(days: int) -> int:
    if not 1 <= days <= _DAYS_MAX:
        raise PairingError(f"--days {days}: certificates last from 1 to {_DAYS_MAX} days")
    return days
