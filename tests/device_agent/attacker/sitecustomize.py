"""Takes over the runtimes of a worker, as a model with native code in it would.

Python imports a module of this name at its start. In a worker every loaded model first runs for real; then, where the
first value of its first input is a trigger, it tries one act with the C library's own functions and raises what it met.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

TARGETS: dict[str, Any] = json.loads(Path(__file__).with_name("targets.json").read_text())
# An input's first value, minus this, is the number of the act.
TRIGGER = 1000.0
SUCCESS = "THE ACT SUCCEEDED"
MIB = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
MAP_FAILED = ctypes.c_void_p(-1).value
O_RDONLY, O_CREATE = os.O_RDONLY, os.O_RDWR | os.O_CREAT
READ_WRITE = 3


class SucceededError(Exception):
    """What the cage must prevent."""


def must(result: int | None) -> int:
    """The result of a call of the C library, or its error."""
    if result is None or result < 0 or result == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def read_outside() -> None:
    must(LIBC.open(TARGETS["secret"].encode(), O_RDONLY))


def read_agent_memory() -> None:
    must(LIBC.open(f"/proc/{os.getppid()}/mem".encode(), O_RDONLY))


def list_store() -> None:
    list(Path(TARGETS["store"]).iterdir())


def write_outside() -> None:
    must(LIBC.open(TARGETS["written"].encode(), O_CREATE, 0o600))


def write_store() -> None:
    must(LIBC.open(f"{TARGETS['store']}/written".encode(), O_CREATE, 0o600))


def connect_tcp() -> None:
    descriptor = must(LIBC.socket(2, 1, 0))
    must(LIBC.connect(descriptor, address(TARGETS["tcp_port"]), 16))


def send_udp() -> None:
    descriptor = must(LIBC.socket(2, 2, 0))
    must(LIBC.sendto(descriptor, b"x", 1, 0, address(TARGETS["udp_port"]), 16))


def execute() -> None:
    arguments = (ctypes.c_char_p * 2)(b"/bin/true", None)
    must(LIBC.execv(b"/bin/true", arguments))


def signal_parent() -> None:
    must(LIBC.kill(os.getppid(), TARGETS["signal"]))


def fork_bomb() -> None:
    for _ in range(TARGETS["forks"]):
        child = must(LIBC.fork())
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)


def memory_bomb() -> None:
    """Memory of every kind; address space alone counts, so that a cage that fails takes no machine along."""
    private, shared, anonymous = 0x02, 0x01, 0x20
    if LIBC.mmap(None, MIB, READ_WRITE, shared | anonymous, -1, 0) != MAP_FAILED:
        raise SucceededError("shared memory that no limit counts")
    if LIBC.memfd_create(b"x", 0) >= 0 or LIBC.shmget(0, MIB, 0o1600) >= 0:
        raise SucceededError("memory in a file that no limit counts")
    pieces: list[int] = []
    try:
        for _ in range(TARGETS["memory_bytes"] // (64 * MIB) + 1):
            piece = LIBC.mmap(None, 64 * MIB, READ_WRITE, private | anonymous, -1, 0)
            if piece == MAP_FAILED:
                raise MemoryError
            pieces.append(piece)
    finally:
        for piece in pieces:
            LIBC.munmap(ctypes.c_void_p(piece), ctypes.c_size_t(64 * MIB))


def raise_limits() -> None:
    must(LIBC.setrlimit(2, (ctypes.c_ulong * 2)(1 << 40, 1 << 40)))


def thread_bomb() -> None:
    enough = threading.Event()
    try:
        for _ in range(TARGETS["threads"]):
            threading.Thread(target=enough.wait, daemon=True).start()
    finally:
        enough.set()


# In the order of their numbers.
ACTS: tuple[Callable[[], None], ...] = (
    read_outside,
    write_outside,
    connect_tcp,
    send_udp,
    execute,
    signal_parent,
    fork_bomb,
    memory_bomb,
    thread_bomb,
    read_agent_memory,
    list_store,
    write_store,
    raise_limits,
)


def address(port: int) -> ctypes.Array[ctypes.c_char]:
    """struct sockaddr_in of a port on loopback."""
    family = (2).to_bytes(2, sys.byteorder)
    return ctypes.create_string_buffer(family + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8), 16)


class TakenOver:
    """A model that runs, and then does what its input asks for."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(self, inputs: Sequence[Any]) -> Any:
        answer = self._model.run(inputs)
        number = int(inputs[0].flat[0] - TRIGGER)
        if 0 <= number < len(ACTS):
            ACTS[number]()
            raise SucceededError(SUCCESS)
        return answer


def taken_over(load: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **options: TakenOver(load(*arguments, **options))


def import_and_take_over(name: str, package: str | None = None) -> ModuleType:
    module = original_import(name, package)
    if name.startswith("device_agent.runtimes.") and not hasattr(module, "taken_over"):
        module.load, module.taken_over = taken_over(module.load), True  # type: ignore[attr-defined]
    return module


original_import = importlib.import_module
if "device_agent.worker" in sys.orig_argv:
    importlib.import_module = import_and_take_over
