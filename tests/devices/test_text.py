"""Text of a lying device: it reaches neither a terminal nor a message as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.devices._descriptions import device_info
from harness.plain import plain
from protos.edgeleak.v1 import agent_pb2

# Clears the screen, sets the window's title, and turns the reading direction.
NASTY = "\x1b[2J\x1b]0;owned\x07a\u202eb"


@given(st.text())
def test_plain_text_is_printable_and_bounded(text: str) -> None:
    line = plain(text, length=50)
    assert line.isprintable()
    assert len(line) <= 50


@pytest.mark.parametrize(
    ("text", "expected"), [("a  b\n c", "a b c"), ("x" * 60, "x" * 47 + "..."), ("\x1b[2J", r"\x1b[2J")]
)
def test_plain_text_keeps_what_can_be_read(text: str, expected: str) -> None:
    assert plain(text, length=50) == expected


def test_a_flood_is_cut_before_it_is_looked_at() -> None:
    assert plain("\x1b" * 100_000_000, length=10) == r"\x1b\x1" + "..."


def test_a_lying_devices_strings_are_plain() -> None:
    response = agent_pb2.GetDeviceInfoResponse(
        agent_version=NASTY,
        hostname=NASTY * 1000,
        operating_system=NASTY,
        machine=NASTY,
        cpu_model=NASTY,
        runtimes=[agent_pb2.RuntimeInfo(runtime=agent_pb2.RUNTIME_LITERT, provider=NASTY)],
        telemetry=agent_pb2.Telemetry(cpu_governor=NASTY),
        sandbox=agent_pb2.Sandbox(missing=[NASTY] * 100_000),
        lease=agent_pb2.Lease(holder=NASTY * 1000),
    )
    info = device_info(response, url="grpc://h:1")
    assert info.sandbox is not None
    assert info.lease is not None
    texts = [info.agent_version, info.hostname, info.operating_system, info.machine, info.cpu_model]
    texts += [*info.runtimes.values(), info.telemetry.cpu_governor or "", info.lease.holder, *info.sandbox.missing]
    assert all(text.isprintable() and len(text) < 300 for text in texts)
    assert len(info.sandbox.missing) < 100
