"""The filter of system calls: its numbers are the kernel's, and its program refuses what it names on both machines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from device_agent.cage import _calls, _kernel
from device_agent.cage._seccomp import ALLOW, ARCHITECTURES, DENY, UNKNOWN, Instruction, program

PID = 4242
HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"),),
}
THREAD = 0x003D0F00  # the flags of pthread_create
FORK = 0x01200011  # of fork()
VFORK = 0x4111
TCP_SOCKET = (2, 1, 0)
PRIVATE, SHARED = 0x22, 0x21

# Name, arguments, what the filter answers: on both machines.
SAMPLES: list[tuple[str, tuple[int, ...], int]] = [
    ("clone", (THREAD,), ALLOW),
    ("clone", (FORK,), DENY),
    ("clone", (VFORK,), DENY),
    ("clone", (THREAD | 0x40000000,), DENY),
    ("clone3", (0x7FFF0000, 88), UNKNOWN),
    ("tgkill", (PID, PID, 6), ALLOW),
    ("tgkill", (PID - 1, PID - 1, 9), DENY),
    ("kill", (PID, 9), DENY),
    ("kill", (1, 9), DENY),
    ("pidfd_send_signal", (3, 9), DENY),
    ("socket", TCP_SOCKET, DENY),
    ("connect", (3, 0x7000, 16), DENY),
    ("sendto", (3, 0x7000, 8, 0, 0, 0), ALLOW),
    ("sendto", (3, 0x7000, 8, 0, 0x7FFF00001000, 16), DENY),
    ("sendto", (3, 0x7000, 8, 0, 0x7FFF00000000, 16), DENY),
    ("execve", (0x7000, 0x7000, 0), DENY),
    ("execveat", (3, 0x7000, 0, 0, 0x1000), DENY),
    ("prlimit64", (0, 2, 0), ALLOW),
    ("prlimit64", (PID, 2, 0), DENY),
    ("sched_setaffinity", (0, 8), ALLOW),
    ("sched_setaffinity", (PID - 1, 8), DENY),
    ("setpriority", (0, 0, 5), ALLOW),
    ("setpriority", (1, 0, 5), DENY),
    ("setpriority", (0, PID - 1, 5), DENY),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), DENY),
    ("ioctl", (0, 0x541C), DENY),
    ("fcntl", (3, 3), ALLOW),
    ("fcntl", (3, 8, PID - 1), DENY),
    ("prctl", (15, 0x7000), ALLOW),
    ("prctl", (1, 0), DENY),
    ("mmap", (0, 4096, 3, PRIVATE), ALLOW),
    ("mmap", (0, 4096, 3, SHARED), DENY),
    ("mmap", (0, 4096, 1, 1, 3), ALLOW),
    ("memfd_create", (0x7000, 0), DENY),
    ("ptrace", (16, 1), DENY),
    ("process_vm_readv", (1, 0x7000), DENY),
    ("io_uring_setup", (8, 0x7000), DENY),
    ("bpf", (0, 0x7000), DENY),
    ("mount", (0, 0, 0), DENY),
    ("fchmod", (3, 0o777), DENY),
    ("utimensat", (3, 0, 0, 0), DENY),
    ("setxattr", (0x7000, 0x7000), DENY),
]
# Calls that every runtime lives on.
HARMLESS = {
    "x86_64": {"read": 0, "write": 1, "futex": 202, "sendmsg": 46, "recvmsg": 47, "openat": 257, "munmap": 11},
    "aarch64": {"read": 63, "write": 64, "futex": 98, "sendmsg": 211, "recvmsg": 212, "openat": 56, "munmap": 215},
}


def evaluate(code: Sequence[Instruction], data: dict[int, int]) -> int:
    """Run a program of the packet-filter machine over 32-bit words by their place; what the filter uses of it."""
    accumulator, place = 0, 0
    while True:
        instruction = code[place]
        place += 1
        match instruction.code:
            case 0x20:
                accumulator = data[instruction.constant]
            case 0x06:
                return instruction.constant
            case 0x15 | 0x35 | 0x45 as test:
                holds = {
                    0x15: accumulator == instruction.constant,
                    0x35: accumulator >= instruction.constant,
                    0x45: bool(accumulator & instruction.constant),
                }[test]
                place += instruction.yes if holds else instruction.no
            case unknown:
                raise AssertionError(f"the filter uses instruction {unknown:#x}, which this test does not know")


def answer(machine: str, number: int, arguments: tuple[int, ...] = (), *, architecture: int | None = None) -> int:
    words = {0: number, 4: ARCHITECTURES[machine] if architecture is None else architecture}
    for position, value in enumerate((*arguments, 0, 0, 0, 0, 0, 0)[:6]):
        words[16 + 8 * position] = value & 0xFFFFFFFF
        words[20 + 8 * position] = value >> 32
    return evaluate(program(machine, PID), words)


def header_numbers(machine: str) -> dict[str, int]:
    path = next((path for path in HEADERS[machine] if path.exists()), None)
    if path is None:
        pytest.skip(f"the C library's headers of {machine} are not installed")
    pattern = r"#define __NR(?:3264)?_(\w+)\s+(\d+)"
    return {name: int(number) for name, number in re.findall(pattern, path.read_text())}


@pytest.mark.parametrize("machine", _calls.MACHINES)
def test_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    declared = header_numbers(machine)
    ours = {**_calls.numbers(_calls.REFUSED, machine), **_calls.numbers(_calls.CONDITIONAL, machine)}
    # Headers are as old as the distribution: calls that came later are in none.
    compared = {name: number for name, number in ours.items() if name in declared}
    assert compared == {name: declared[name] for name in compared}
    assert len(compared) >= len(ours) - 5
    newest = max(declared.values())
    assert all(number > newest for name, number in ours.items() if name not in declared)


@pytest.mark.parametrize("machine", _calls.MACHINES)
def test_no_two_calls_have_one_number(machine: str) -> None:
    tables = (_calls.REFUSED, _calls.CONDITIONAL)
    listed = [number for table in tables for number in _calls.numbers(table, machine).values()]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("machine", _calls.MACHINES)
@pytest.mark.parametrize(("name", "arguments", "expected"), SAMPLES)
def test_filter_answers_each_use_of_a_call(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    table = {**_calls.numbers(_calls.REFUSED, machine), **_calls.numbers(_calls.CONDITIONAL, machine)}
    assert answer(machine, table[name], arguments) == expected


@pytest.mark.parametrize("machine", _calls.MACHINES)
def test_filter_refuses_every_listed_call_whatever_its_arguments(machine: str) -> None:
    for number in _calls.numbers(_calls.REFUSED, machine).values():
        for arguments in ((), (PID,) * 6, (2**64 - 1,) * 6):
            assert answer(machine, number, arguments) == DENY


@pytest.mark.parametrize("machine", _calls.MACHINES)
def test_filter_allows_what_runtimes_live_on(machine: str) -> None:
    for number in HARMLESS[machine].values():
        assert answer(machine, number, (PID, 2**40, 7)) == ALLOW


@pytest.mark.parametrize("machine", _calls.MACHINES)
def test_filter_refuses_other_tables_of_calls(machine: str) -> None:
    """The same number means another call in 32-bit programs and in x32."""
    (other,) = (a for m, a in ARCHITECTURES.items() if m != machine)
    i386 = 0x40000003
    for architecture in (other, i386, 0):
        assert answer(machine, HARMLESS[machine]["read"], architecture=architecture) == DENY
    assert answer(machine, 0x40000000 | HARMLESS[machine]["read"]) == DENY


@pytest.mark.parametrize("machine", _calls.MACHINES)
def test_filter_fits_the_kernels_limit(machine: str) -> None:
    code = program(machine, PID)
    assert len(code) < 4096
    assert all(len(instruction.pack()) == 8 for instruction in code)


def test_this_machine_is_known_or_none() -> None:
    assert _kernel.machine() in (*_calls.MACHINES, None)
