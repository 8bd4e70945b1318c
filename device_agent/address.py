"""Where the agent listens: a TCP address, or a Unix socket that only its own user can open."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Address", "AddressTakenError", "parse"]

_UNIX = "unix:"
# The kernel's bound on a socket's path, the closing zero included.
_PATH_BYTES_MAX = 108
# How long a socket that lies there may take to say that somebody listens.
_CONNECT_SECONDS = 1.0


class AddressTakenError(Exception):
    """A Unix socket cannot be made there; the message says why."""


@dataclass(frozen=True)
class Address:
    """A place to listen.

    Args:
        host: of TCP, in brackets where it is IPv6; None for a socket.
        port: of TCP, 0 picks one.
        path: of a Unix socket; None for TCP.
    """

    host: str | None
    port: int
    path: Path | None

    @property
    def target(self) -> str:
        """As gRPC binds it."""
        return f"{self.host}:{self.port}" if self.path is None else f"{_UNIX}{self.path}"

    def shown(self, port: int) -> str:
        """As the agent says where it listens, with the port that it got."""
        return f"{self.host}:{port}" if self.path is None else self.target

    @property
    def local(self) -> bool:
        """Whether only processes of this machine can come this way."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address((self.host or "").strip("[]")).is_loopback
        except ValueError:
            return False

    @contextlib.contextmanager
    def bound(self) -> Iterator[None]:
        """Around the binding: the socket is for its owner alone from its first moment, and replaces nobody's.

        Raises:
            AddressTakenError: something else lies at the path, or another process listens there.
        """
        if self.path is None:
            yield
            return
        _make_room(self.path)
        before = os.umask(0o177)
        try:
            yield
        finally:
            os.umask(before)

    def remove(self) -> None:
        """Remove the socket, where it is one."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()


def parse(text: str) -> Address | None:
    """Read ``HOST:PORT`` or ``unix:PATH``; None where it is neither.

    Args:
        text: as the user wrote it.
    """
    if text.startswith(_UNIX):
        path = Path(text.removeprefix(_UNIX))
        fits = path.is_absolute() and len(os.fsencode(path)) < _PATH_BYTES_MAX
        return Address(None, 0, path) if fits else None
    host, colon, port = text.rpartition(":")
    written = bool(host and colon) and port.isdecimal() and int(port) <= 65535
    # An IPv6 address without brackets has colons of its own.
    whole = written and (":" not in host or (host[0] == "[" and host[-1] == "]"))
    return Address(host, int(port), None) if whole else None


def _make_room(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise AddressTakenError(f"{path}: {error.strerror}") from error
    if not stat.S_ISSOCK(kind):
        raise AddressTakenError(f"{path} is there already, and is no socket; name another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            # Of an agent that was killed.
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise AddressTakenError(f"{path}: {error.strerror or error}") from error
    raise AddressTakenError(f"another process listens at {path}; end it, or name another path")
