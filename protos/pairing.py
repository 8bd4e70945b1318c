"""Pairings: the certificates and the token by which one host and one device know each other, a private file on each.

The host makes both files (`edgeleak agent pair`); the device's agent and the host's client read them with `read`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import ssl
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self, get_args

__all__ = ["NAME", "Pairing", "PairingFileError", "Role", "read", "tls_context"]

Role = Literal["device", "host"]

# A name is also a folder's and a server's name in TLS.
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FORMAT = 1
# Twenty times what a pairing takes: a file that was named by mistake is not read into memory.
_FILE_BYTES_MAX = 65_536
# Of 32 random bytes in base 64; a shorter one was shortened by hand.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,128}")


class PairingFileError(Exception):
    """A pairing's file cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Pairing:
    """One side of a pairing.

    Args:
        role: whose side it is.
        name: the device's; TLS knows the agent by it, under whatever address it is reached.
        hosts: the addresses under which the host reaches the device.
        expires_unix: when both certificates end, seconds since 1970.
        authority: certificate that signs both sides', PEM.
        certificate: this side's, PEM.
        key: private key of the certificate, PEM.
        token: what the host sends with every call.
    """

    role: Role
    name: str
    hosts: tuple[str, ...]
    expires_unix: int
    authority: str
    certificate: str
    # What opens the door is never shown by a traceback or a log.
    key: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def expires(self) -> datetime:
        """When both certificates end."""
        return datetime.fromtimestamp(self.expires_unix, tz=UTC)

    def to_bytes(self) -> bytes:
        """The content of its file."""
        return json.dumps({"edgeleak_pairing": _FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The pairing that a file holds.

        Raises:
            ValueError: it holds none.
        """
        document = json.loads(content)
        if not isinstance(document, dict) or document.pop("edgeleak_pairing", None) != _FORMAT:
            raise ValueError("it is no pairing, or one of another version of edgeleak")
        texts = ("role", "name", "authority", "certificate", "key", "token")
        if document.keys() != {*texts, "hosts", "expires_unix"}:
            raise ValueError("fields are missing or unknown")
        hosts, expires = document["hosts"], document["expires_unix"]
        if not all(isinstance(document[key], str) for key in texts) or document["role"] not in get_args(Role):
            raise ValueError("a field has the wrong type")
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise ValueError("hosts is no list of addresses")
        if type(expires) is not int or not 0 <= expires < 1 << 36:
            raise ValueError("expires_unix is no time")
        if not NAME.fullmatch(document["name"]) or not _TOKEN.fullmatch(document["token"]):
            raise ValueError("the name or the token is malformed")
        return cls(**{**document, "hosts": tuple(hosts)})


def read(path: Path, *, role: Role) -> Pairing:
    """Read one side's file, and see that its certificate, key and authority can be used.

    Args:
        path: of the file.
        role: whose side is wanted.

    Raises:
        PairingFileError: it is not there, not private, damaged, or the other side's.
    """
    content = _private_content(path)
    try:
        pairing = Pairing.from_bytes(content)
        tls_context(pairing)
    except (ValueError, ssl.SSLError) as error:
        reason = str(error) or type(error).__name__
        raise PairingFileError(f"{path} cannot be used as a pairing: {reason}; copy it from the host again") from error
    if pairing.role != role:
        raise PairingFileError(f"{path} is the {pairing.role}'s side of a pairing, and the {role}'s is needed")
    return pairing


def tls_context(pairing: Pairing) -> ssl.SSLContext:
    """TLS with this side's certificate, trusting the pairing's authority alone.

    Raises:
        ssl.SSLError: a certificate is malformed, or the key is another certificate's.
        ValueError: the authority is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if pairing.role == "host" else ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pairing.authority)
    with _memory_file(pairing.certificate + "\n" + pairing.key) as path:
        # Without the function OpenSSL would ask the terminal for an encrypted key's password.
        context.load_cert_chain(path, password=lambda: "")
    return context


def _private_content(path: Path) -> bytes:
    try:
        # Not blocking: a pipe of that name is refused below, not waited for.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PairingFileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        _require_private(path, os.fstat(handle))
        # One more than allowed: a file that grew is noticed.
        content = os.read(handle, _FILE_BYTES_MAX + 1)
    finally:
        os.close(handle)
    if len(content) > _FILE_BYTES_MAX:
        raise PairingFileError(f"{path} is no pairing: it is larger than {_FILE_BYTES_MAX} bytes")
    return content


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PairingFileError(f"{path} is no file")
    if status.st_uid != os.geteuid():
        raise PairingFileError(f"{path} belongs to another user: run chown {_user()} {path}")
    if status.st_mode & 0o077:
        raise PairingFileError(f"{path} is open to other users: run chmod 600 {path}")


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@contextlib.contextmanager
def _memory_file(text: str) -> Iterator[str]:
    """A path of a file that lies in memory alone: OpenSSL reads keys from paths, and a key is not for another disk."""
    handle = os.memfd_create("pairing", os.MFD_CLOEXEC)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        yield f"/proc/self/fd/{handle}"
