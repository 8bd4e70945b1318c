"""The filter of system calls: a program for the kernel's packet-filter machine, made for one process and installed.

Everything is allowed but what `_calls` names. A refused call fails with EPERM: a library that merely tries goes on.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from dataclasses import dataclass

from device_agent.cage import _calls, _kernel

__all__ = ["ALLOW", "ARCHITECTURES", "DENY", "UNKNOWN", "Instruction", "install", "program", "supported"]

# linux/audit.h: how the filter sees which table of numbers a call goes by.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# linux/seccomp.h: what the filter answers.
ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
# All threads at once; and without the slower branches that the kernel would give to programs that filter calls: the
# worker is one tenant, and this is measured to cost a kernel nothing only so.
_TSYNC_SPEC_ALLOW = 1 | 4
# linux/bpf_common.h
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data: the number, the architecture, the place, six arguments of 64 bits, the low half first.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
# Numbers from here on are the x32 calls of x86-64, a second table of the same calls.
_X32 = 0x40000000
_CLONE_THREAD = 0x00010000
# A thread in a network, mount, user or other namespace of its own.
_CLONE_NAMESPACES = 0x7E020080
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
# Input pushed into a terminal; and who gets a descriptor's signals: any process, sent by the kernel.
_TERMINAL_AND_OWNER = (0x5412, 0x541C, 0x8901, 0x8902)
_SET_OWNER = (8, 10, 15)
# That the worker dies with its parent; another one's right to trace it; the borders of its memory as others read them.
_PROCESS_OPTIONS = (1, 0x59616D61, 35)


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Args:
        code: what it does.
        constant: its operand.
        yes: instructions to skip where the comparison holds.
        no: instructions to skip where it does not.
    """

    code: int
    constant: int
    yes: int = 0
    no: int = 0

    def pack(self) -> bytes:
        """As the kernel reads it."""
        return struct.pack("=HBBI", self.code, self.yes, self.no, self.constant)


_Program = list[Instruction]


def supported() -> bool:
    """Whether this kernel filters system calls, and this agent knows the machine's numbers."""
    machine = _kernel.machine()
    if machine is None:
        return False
    action = ctypes.create_string_buffer(struct.pack("=I", DENY & 0x7FFF0000), 4)
    try:
        _kernel.call(_SECCOMP[machine], _GET_ACTION_AVAIL, 0, action)
    except OSError:
        return False
    return True


def install(pid: int) -> None:
    """Filter the calls of all threads of this process, for good.

    Args:
        pid: of this process.

    Raises:
        OSError: the kernel refused, or a thread could not be confined.
    """
    machine = _kernel.machine()
    if machine is None:
        raise OSError(errno.ENOSYS, "this machine's system calls are not known")
    instructions = program(machine, pid)
    code = ctypes.create_string_buffer(b"".join(i.pack() for i in instructions))
    # struct sock_fprog: a number, padding, a pointer.
    head = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(code)))
    stuck = _kernel.call(_SECCOMP[machine], _SET_MODE_FILTER, _TSYNC_SPEC_ALLOW, head)
    if stuck:
        raise OSError(errno.EBUSY, f"thread {stuck} has a filter of its own")


def program(machine: str, pid: int) -> _Program:
    """The filter for one process.

    Args:
        machine: ``x86_64`` or ``aarch64``.
        pid: of the process: it may signal itself, as abort() does.
    """
    code = [
        Instruction(_LOAD, _ARCHITECTURE),
        Instruction(_JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        Instruction(_RETURN, DENY),
        Instruction(_LOAD, _NUMBER),
        Instruction(_JUMP_AT_LEAST, _X32, 0, 1),
        Instruction(_RETURN, DENY),
    ]
    for name, number in _calls.numbers(_calls.CONDITIONAL, machine).items():
        body = [*_condition(name, pid), Instruction(_RETURN, ALLOW)]
        code += [Instruction(_JUMP_EQUAL, number, 0, len(body)), *body]
    for number in _calls.numbers(_calls.REFUSED, machine).values():
        code += [Instruction(_JUMP_EQUAL, number, 0, 1), Instruction(_RETURN, DENY)]
    return [*code, Instruction(_RETURN, ALLOW)]


def _condition(name: str, pid: int) -> _Program:
    """Refuses some uses of a call; what passes goes on to the next instruction."""
    match name:
        case "clone":
            return [*_unless_bits(0, _CLONE_THREAD), *_if_bits(0, _CLONE_NAMESPACES)]
        case "clone3":
            # Its flags lie in memory, where a filter cannot look; the C library then goes back to clone.
            return [Instruction(_RETURN, UNKNOWN)]
        case "tgkill":
            return _unless_equal(0, pid)
        case "setpriority":
            return [*_unless_equal(0, 0), *_unless_equal(1, 0)]
        case "ioctl":
            return _if_one_of(1, _TERMINAL_AND_OWNER)
        case "fcntl":
            return _if_one_of(1, _SET_OWNER)
        case "prctl":
            return _if_one_of(0, _PROCESS_OPTIONS)
        case "mmap":
            # Shared memory without a file is not counted by the limit on the worker's memory.
            bits = [Instruction(_JUMP_ANY_BIT, _MAP_ANONYMOUS, 0, 2), Instruction(_JUMP_ANY_BIT, _MAP_SHARED, 0, 1)]
            return [_load(3), *bits, Instruction(_RETURN, DENY)]
        case "sendto":
            # With an address it is a datagram to anybody; without, it is send() on a connection that exists.
            return [*_unless_equal(4, 0), Instruction(_LOAD, _ARGUMENTS + 8 * 4 + 4), *_unless_now(0)]
        case _:
            # The others name a process or thread: 0 is the caller.
            return _unless_equal(0, 0)


def _load(argument: int) -> Instruction:
    return Instruction(_LOAD, _ARGUMENTS + 8 * argument)


def _unless_now(value: int) -> _Program:
    return [Instruction(_JUMP_EQUAL, value, 1, 0), Instruction(_RETURN, DENY)]


def _unless_equal(argument: int, value: int) -> _Program:
    return [_load(argument), *_unless_now(value)]


def _unless_bits(argument: int, bits: int) -> _Program:
    return [_load(argument), Instruction(_JUMP_ANY_BIT, bits, 1, 0), Instruction(_RETURN, DENY)]


def _if_bits(argument: int, bits: int) -> _Program:
    return [_load(argument), Instruction(_JUMP_ANY_BIT, bits, 0, 1), Instruction(_RETURN, DENY)]


def _if_one_of(argument: int, values: tuple[int, ...]) -> _Program:
    tests = [i for value in values for i in (Instruction(_JUMP_EQUAL, value, 0, 1), Instruction(_RETURN, DENY))]
    return [_load(argument), *tests]
