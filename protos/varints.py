"""Varints of protobuf: numbers of seven bits a byte, the eighth bit set where more follow."""

from __future__ import annotations

__all__ = ["read_varint", "varint"]

# Longest number that a varint may spell.
_BYTES_MAX = 10
_UINT64_MAX = 2**64 - 1


def varint(value: int) -> bytes:
    """A number of at least 0 as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a place, and the place behind it.

    Raises:
        ValueError: the bytes end before the number does, or it is longer than any.
    """
    value = shift = 0
    for place in range(at, min(at + _BYTES_MAX, len(view))):
        byte = view[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64_MAX, place + 1
        shift += 7
    raise ValueError("the message is cut off")
