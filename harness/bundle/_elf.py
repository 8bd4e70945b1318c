"""What a library of ELF says about itself: its machine, its name, and which libraries and versions it needs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["MAGIC", "Elf", "read_elf"]

MAGIC = b"\x7fELF"
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _SONAME = 1, 5, 14
_Text = Callable[[int], str]
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF


@dataclass(frozen=True)
class Elf:
    """A program or library, 64 bits, little-endian.

    Args:
        machine: its number in the header.
        soname: its name as others need it; empty where it has none.
        needed: names of the libraries that it needs.
        versions: of symbols that it defines, e.g. ``GLIBC_2.36``.
        needed_versions: library -> versions of symbols that it must define.
    """

    machine: int
    soname: str = ""
    needed: tuple[str, ...] = ()
    versions: frozenset[str] = frozenset()
    needed_versions: dict[str, frozenset[str]] = field(default_factory=dict)


def read_elf(content: bytes) -> Elf | None:
    """Read a file; None where it is no program or library of 64 bits.

    Args:
        content: all of it.
    """
    if len(content) < 64 or content[:4] != MAGIC or content[4:6] != b"\x02\x01":
        return None
    machine = int.from_bytes(content[18:20], "little")
    headers_at, size, number = struct.unpack_from("<Q", content, 32)[0], *struct.unpack_from("<HH", content, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic: list[tuple[int, int]] = []
    for position in range(number):
        kind, _, offset, address, _, file_size = struct.unpack_from("<IIQQQQ", content, headers_at + position * size)
        if kind == _LOAD:
            loads.append((address, offset, file_size))
        elif kind == _DYNAMIC:
            dynamic = [entry for entry in struct.iter_unpack("<qQ", content[offset : offset + file_size]) if entry[0]]

    def place(address: int) -> int:
        return next(
            (address - start + offset for start, offset, length in loads if start <= address < start + length), 0
        )

    table = dict(dynamic)
    strings = place(table.get(_STRTAB, 0))

    def text(offset: int) -> str:
        start = strings + offset
        return content[start : content.index(b"\0", start)].decode(errors="replace")

    if not strings:
        return Elf(machine)
    return Elf(
        machine,
        text(table[_SONAME]) if _SONAME in table else "",
        tuple(text(value) for tag, value in dynamic if tag == _NEEDED),
        frozenset(_defined(content, place(table[_VERDEF]), table[_VERDEFNUM], text) if _VERDEF in table else ()),
        _required(content, place(table[_VERNEED]), table[_VERNEEDNUM], text) if _VERNEED in table else {},
    )


def _defined(content: bytes, at: int, number: int, text: _Text) -> list[str]:
    names = []
    for _ in range(number):
        aux, following = struct.unpack_from("<II", content, at + 12)
        names.append(text(struct.unpack_from("<I", content, at + aux)[0]))
        at += following
    return names


def _required(content: bytes, at: int, number: int, text: _Text) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for _ in range(number):
        count, library, aux, following = struct.unpack_from("<HIII", content, at + 2)
        names, one = [], at + aux
        for _ in range(count):
            name, step = struct.unpack_from("<II", content, one + 8)
            names.append(text(name))
            one += step
        found[text(library)] = frozenset(names)
        at += following
    return found
