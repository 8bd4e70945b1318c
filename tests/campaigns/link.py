"""A TCP proxy between a host and an agent that can stall, cut and half-close the connection, and flip bits in it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

__all__ = ["DOWN", "UP", "Link"]

# From the host to the agent, and back.
UP, DOWN = "up", "down"
_PREFACE_BYTES = 24
_FRAME_HEADER_BYTES = 9
_DATA_FRAME = 0
_READ_BYTES = 64 * 1024
_CONNECT_SECONDS = 5.0
# SO_LINGER of no time: the socket is closed with a reset.
_RESET = struct.pack("ii", 1, 0)


class _Frames:
    """Finds what DATA frames carry in a plaintext HTTP/2 connection.

    Args:
        preface: whether this direction begins with the host's preface.
    """

    def __init__(self, *, preface: bool) -> None:
        self._skip = _PREFACE_BYTES if preface else 0
        self._header = b""
        self._left = 0
        self._is_data = False

    def payloads(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Start and end of each piece of a DATA frame's payload in the next bytes of the connection."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            elif self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                if self._is_data:
                    yield at, at + step
            else:
                step = min(_FRAME_HEADER_BYTES - len(self._header), len(data) - at)
                self._header += data[at : at + step]
                if len(self._header) == _FRAME_HEADER_BYTES:
                    self._left = int.from_bytes(self._header[:3], "big")
                    self._is_data = self._header[3] == _DATA_FRAME
                    self._header = b""
            at += step


class Link:
    """Listens on a loopback port and forwards every connection to a target that may change.

    Args:
        target: port of the agent on loopback.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        # Direction -> bytes yet to pass, and what happens then.
        self._armed: dict[str, tuple[int, Callable[[], object]]] = {}
        # Direction -> bytes of DATA frames yet to pass, and the bit of the next one that is flipped.
        self._flips: dict[str, tuple[int, int]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="link", daemon=True).start()

    def after(self, direction: str, count: int, action: Callable[[], object]) -> None:
        """Do something once so many more bytes have passed in a direction."""
        with self._lock:
            self._armed[direction] = (count, action)

    def flip(self, direction: str, count: int, bit: int) -> None:
        """Flip one bit of a DATA frame after so many more bytes of such frames."""
        with self._lock:
            self._flips[direction] = (count, bit)

    def pending(self) -> bool:
        """Whether something armed has not happened yet."""
        with self._lock:
            return bool(self._armed or self._flips)

    def stall(self) -> None:
        """Forward nothing until `heal`; the connections stay."""
        self._flowing.clear()

    def heal(self) -> None:
        """Forward again, and forget what was armed."""
        with self._lock:
            self._armed.clear()
            self._flips.clear()
        self._flowing.set()

    def cut(self) -> None:
        """Reset every connection on both sides."""
        with self._lock:
            sockets, self._open = self._open, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # Wakes the thread that reads it; the last user closes it with a reset.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RD)
            one.close()

    def half_close(self) -> None:
        """End the direction from the agent to the host, and leave the other one open."""
        with self._lock:
            hosts = self._open[::2]
        for one in hosts:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Stop listening and cut."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                host, _ = self._listener.accept()
            except OSError:
                return
            try:
                agent = socket.create_connection(("127.0.0.1", self.target), _CONNECT_SECONDS)
            except OSError:
                host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                host.close()
                continue
            agent.settimeout(None)
            with self._lock:
                self._open += [host, agent]
            for source, sink, direction in ((host, agent, UP), (agent, host, DOWN)):
                threading.Thread(target=self._pump, args=(source, sink, direction), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        frames = _Frames(preface=direction == UP)
        with contextlib.suppress(OSError):
            while data := source.recv(_READ_BYTES):
                changed = self._flipped(data, frames, direction)
                self._count(len(data), direction)
                self._flowing.wait()
                sink.sendall(changed)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self, size: int, direction: str) -> None:
        with self._lock:
            left, action = self._armed.get(direction, (0, None))
            if action is None:
                return
            if left > size:
                self._armed[direction] = (left - size, action)
                return
            del self._armed[direction]
        action()

    def _flipped(self, data: bytes, frames: _Frames, direction: str) -> bytes:
        places = list(frames.payloads(data))
        with self._lock:
            for start, end in places:
                if direction not in self._flips:
                    break
                left, bit = self._flips[direction]
                if left >= end - start:
                    self._flips[direction] = (left - (end - start), bit)
                    continue
                del self._flips[direction]
                changed = bytearray(data)
                changed[start + left] ^= 1 << bit
                return bytes(changed)
        return data
