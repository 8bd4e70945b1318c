"""Frames between the agent and its worker: a small JSON header and raw bytes over a socket pair, never pickle.

A model may have taken the worker over, so the agent believes no length.
"""

from __future__ import annotations

import socket
import struct

from protos import MAX_MESSAGE_BYTES

__all__ = ["OK", "FrameSocket"]

# Header of a reply that carries no news, compared as bytes: the hot path parses no JSON.
OK = b'{"ok":true}'

# Lengths of the header and of the payload.
_PREFIX = struct.Struct("<IQ")
# Frames up to this size go out in one write: a copy of this size costs less than a second system call.
_JOIN_BYTES = 64 * 1024
# One read takes a whole small frame.
_READ_BYTES = 64 * 1024
# Linux doubles this and caps it at net.core.wmem_max; a batch of 64 small images then needs one wake-up.
_SOCKET_BUFFER_BYTES = 1024 * 1024

# A header names 256 artifacts at most; a payload is one message, and answers may be longer than what they answer.
_HEADER_BYTES_MAX = 1024 * 1024
_PAYLOAD_BYTES_MAX = 2 * MAX_MESSAGE_BYTES

Frame = tuple[bytes, bytearray]


class FrameSocket:
    """One end of the socket pair.

    Args:
        sock: a connected stream socket.
        send_seconds: longest that one frame may take to go out; None waits for ever, as the worker does.
    """

    def __init__(self, sock: socket.socket, *, send_seconds: float | None = None) -> None:
        self._sock = sock
        self._writer = sock
        if send_seconds is not None:
            # A second handle, because a timeout belongs to the handle and reading has a shorter one.
            self._writer = sock.dup()
            self._writer.settimeout(send_seconds)
        # As the socket has it: setting it is a system call.
        self._seconds: float | None = sock.gettimeout()
        # What has come of the next frame: a read that times out goes on there.
        self._rest = bytearray()
        self._header: bytes | None = None
        self._payload = bytearray()
        self._filled = 0
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)

    def send(self, header: bytes, payload: bytes | bytearray = b"") -> None:
        """Write one frame.

        Raises:
            OSError: the other end is gone, or did not read in time.
        """
        prefix = _PREFIX.pack(len(header), len(payload))
        if len(payload) <= _JOIN_BYTES:
            self._writer.sendall(b"".join((prefix, header, payload)))
        else:
            self._writer.sendall(prefix + header)
            self._writer.sendall(payload)

    def receive(self, seconds: float | None = None) -> Frame | None:
        """Read one frame, header and payload; None where it is not whole in time, and the next call goes on with it.

        Args:
            seconds: longest silence; None waits for ever.

        Raises:
            EOFError: the other end is gone.
            OSError: the connection broke, or the other end does not keep to the protocol.
        """
        if seconds != self._seconds:
            self._sock.settimeout(seconds)
            self._seconds = seconds
        try:
            if self._header is None:
                self._begin()
            while self._filled < len(self._payload):
                with memoryview(self._payload) as view:
                    size = self._sock.recv_into(view[self._filled :])
                if not size:
                    raise EOFError
                self._filled += size
        except TimeoutError:
            return None
        header, payload = self._header, self._payload
        assert header is not None, "a frame begins with its header"  # noqa: S101
        self._header, self._payload, self._filled = None, bytearray(), 0
        return header, payload

    def close(self) -> None:
        """Close this end; the other one reads end of file."""
        self._writer.close()
        self._sock.close()

    def _begin(self) -> None:
        """Read up to the end of a header, and make room for the payload: its bytes are then received in place."""
        self._need(_PREFIX.size)
        header_bytes, payload_bytes = _PREFIX.unpack_from(self._rest)
        if header_bytes > _HEADER_BYTES_MAX or payload_bytes > _PAYLOAD_BYTES_MAX:
            raise OSError(f"a frame claims {header_bytes} and {payload_bytes} bytes")
        start = _PREFIX.size + header_bytes
        self._need(start)
        self._header = bytes(self._rest[_PREFIX.size : start])
        self._payload = bytearray(payload_bytes)
        early = self._rest[start : start + payload_bytes]
        self._payload[: len(early)] = early
        self._filled = len(early)
        del self._rest[: start + len(early)]

    def _need(self, size: int) -> None:
        while len(self._rest) < size:
            data = self._sock.recv(_READ_BYTES)
            if not data:
                raise EOFError
            self._rest += data
