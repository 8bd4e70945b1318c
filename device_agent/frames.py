"""Frames between the agent and its worker: a small JSON header and raw bytes over a socket pair, never pickle."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

__all__ = ["OK", "FrameSocket"]

# Header of a reply that carries no news, compared as bytes: the hot path parses no JSON.
OK = b'{"ok":true}'

# Lengths of the header and of the payload.
_PREFIX = struct.Struct("<IQ")
# Frames up to this size go out in one write: a copy of this size costs less than a second system call.
_JOIN_BYTES = 64 * 1024
# One read takes a whole small frame.
_READ_BYTES = 256 * 1024
# Linux doubles this and caps it at net.core.wmem_max; a batch of 64 small images then needs one wake-up.
_SOCKET_BUFFER_BYTES = 1024 * 1024


class FrameSocket:
    """One end of the socket pair. Both ends are this machine's own processes, so lengths are trusted.

    Args:
        sock: a connected stream socket; its timeout, if any, is how often ``on_silence`` is asked.
        send_seconds: longest that one frame may take to go out; None waits for ever, as the worker does.
    """

    def __init__(self, sock: socket.socket, *, send_seconds: float | None = None) -> None:
        self._sock = sock
        self._writer = sock
        if send_seconds is not None:
            # A second handle, because a timeout belongs to the handle and reading has a shorter one.
            self._writer = sock.dup()
            self._writer.settimeout(send_seconds)
        self._rest = b""
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)

    def send(self, header: bytes, payload: bytes = b"") -> None:
        """Write one frame.

        Raises:
            OSError: the other end is gone, or did not read within the socket's timeout.
        """
        prefix = _PREFIX.pack(len(header), len(payload))
        if len(payload) <= _JOIN_BYTES:
            self._writer.sendall(b"".join((prefix, header, payload)))
        else:
            self._writer.sendall(prefix + header)
            self._writer.sendall(payload)

    def receive(self, on_silence: Callable[[], None] | None = None) -> tuple[bytes, bytes]:
        """Read one frame: header and payload.

        Args:
            on_silence: called each time the socket's timeout passes without a byte; ends the wait by raising.

        Raises:
            EOFError: the other end is gone.
        """
        data = self._rest
        while len(data) < _PREFIX.size:
            data += self._read(_READ_BYTES, on_silence)
        header_bytes, payload_bytes = _PREFIX.unpack_from(data)
        start, end = _PREFIX.size + header_bytes, _PREFIX.size + header_bytes + payload_bytes
        while len(data) < start:
            data += self._read(_READ_BYTES, on_silence)
        self._rest = data[end:]
        payload = data[start:end]
        if len(payload) < payload_bytes:
            payload = self._complete(payload, payload_bytes, on_silence)
        return data[_PREFIX.size : start], payload

    def close(self) -> None:
        """Close this end; the other one reads end of file."""
        self._writer.close()
        self._sock.close()

    def _complete(self, part: bytes, size: int, on_silence: Callable[[], None] | None) -> bytes:
        parts, missing = [part], size - len(part)
        while missing > 0:
            part = self._read(min(missing, _READ_BYTES), on_silence)
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _read(self, size: int, on_silence: Callable[[], None] | None) -> bytes:
        while True:
            try:
                data = self._sock.recv(size)
            except TimeoutError:
                if on_silence is None:
                    raise
                on_silence()
                continue
            if not data:
                raise EOFError
            return data
