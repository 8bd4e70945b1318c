"""Hostile input, by a seed: messages of random fields, damaged bytes, and junk below gRPC."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

__all__ = ["PREFACE", "damaged", "http2_junk", "random_message"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_INTEGERS = (0, 1, 2, 3, 4, 64, 1000, 2**16, 2**31 - 1, 2**32 - 1, 2**63 - 1, -1, -(2**31), -(2**63))
_STRINGS = ("", "a", "é" * 40, "../../secret", "\0", "%s%n", "0" * 64, "A" * 64, "x" * 5000, "args_0", "\x1b[2J")
_LARGE = 4096


def random_message(rng: random.Random, message: Message, digests: Sequence[str]) -> Any:
    """Fill a message with values of the right types that make sense now and then.

    Args:
        rng: the source of all randomness.
        message: empty; it is filled and given back.
        digests: of artifacts that the agent knows, or might.
    """
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.25:
            continue
        if field.is_repeated:
            for _ in range(rng.choice((0, 1, 1, 2, 5))):
                if field.type == FieldDescriptor.TYPE_MESSAGE:
                    random_message(rng, getattr(message, field.name).add(), digests)
                else:
                    getattr(message, field.name).append(_value(rng, field, digests))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            random_message(rng, getattr(message, field.name), digests)
        else:
            setattr(message, field.name, _value(rng, field, digests))
    return message


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bytes with one kind of damage: bits, runs, a cut, a splice, a length, a wire type, or nothing but junk."""
    kind = rng.randrange(8)
    if kind == 0 or not data:
        return rng.randbytes(rng.choice((1, 2, 10, 100, _LARGE)))
    place = rng.randrange(len(data))
    spoilt = bytearray(data)
    if kind == 1:
        for _ in range(rng.randint(1, 8)):
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        length = rng.randint(1, 64)
        spoilt[place : place + length] = bytes([rng.choice((0, 255, rng.randrange(256)))]) * length
    elif kind == 3:
        del spoilt[place:]
    elif kind == 4:
        other = rng.randrange(len(data))
        spoilt[place:place] = data[other : other + rng.randint(1, 64)]
    elif kind == 5:
        # A varint, such as a length, that spells far too much.
        spoilt[place : place + 1] = rng.choice((b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x07", b"\xff" * 11))
    elif kind == 6:
        spoilt[place] = spoilt[place] & 0xF8 | rng.randrange(8)
    else:
        del spoilt[place : place + rng.randint(1, 64)]
    return bytes(spoilt)


def http2_junk(rng: random.Random, path: str) -> bytes:
    """What a connection sends that speaks no HTTP/2, or speaks it wrongly."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randint(1, _LARGE))
    if kind == 1:
        return rng.choice((b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", PREFACE[: rng.randrange(24)]))
    frames = [_frame(4, 0, 0, b"")]
    if kind == 2:
        frames += [_random_frame(rng) for _ in range(rng.randint(1, 20))]
    else:
        # A call whose message is framed wrongly: a compressed one, a length that does not hold, a stream that stops.
        body = rng.randbytes(rng.randint(0, 300))
        length = rng.choice((len(body), 0, len(body) + 1, 2**31, 2**32 - 1))
        message = struct.pack(">BI", rng.choice((0, 0, 1, 255)), length) + body
        frames.append(_frame(1, 4, 1, _headers(path)))
        frames.append(_frame(0, rng.choice((0, 1)), 1, message))
        if kind == 3:
            frames += [_random_frame(rng) for _ in range(3)]
    return PREFACE + b"".join(frames)


def _frame(kind: int, flags: int, stream: int, payload: bytes, *, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return struct.pack(">I", size & 0xFFFFFF)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _random_frame(rng: random.Random) -> bytes:
    payload = rng.randbytes(rng.choice((0, 1, 4, 5, 6, 8, 40, 500)))
    length = rng.choice((None, None, None, 0, 2**24 - 1))
    return _frame(rng.randrange(12), rng.randrange(256), rng.choice((0, 1, 1, 2, 3, 2**31)), payload, length=length)


def _headers(path: str) -> bytes:
    """A request's headers in HPACK, as literals that nobody indexes."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(
        b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )


def _value(rng: random.Random, field: Any, digests: Sequence[str]) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        wanted = digests if field.name.startswith("sha256") and rng.random() < 0.7 else _STRINGS
        if field.name == "lease_id" and rng.random() < 0.5:
            return rng.randbytes(16).hex()
        return rng.choice(wanted)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 256, 256, 1024, _LARGE)))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e300))
    if field.type == FieldDescriptor.TYPE_ENUM:
        return rng.choice((0, 1, 2, 3, 4, 5, 99, -1))
    low, high = _RANGES.get(field.type, (-(2**63), 2**63 - 1))
    return rng.choice([value for value in _INTEGERS if low <= value <= high])


_RANGES = {
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
}
