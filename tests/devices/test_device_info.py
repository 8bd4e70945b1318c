"""What an agent says of its confinement, its threads and its lease, as the harness's own types."""

from __future__ import annotations

from harness.devices import Lease, Sandbox
from harness.devices._descriptions import device_info
from protos.edgeleak.v1 import agent_pb2

FREE = agent_pb2.GetDeviceInfoResponse(hostname="board", cpu_count=4)


def test_an_agent_that_says_nothing_of_them_leaves_them_unknown() -> None:
    info = device_info(FREE, url="local")
    assert (info.sandbox, info.max_threads, info.lease) == (None, None, None)


def test_sandbox_threads_and_lease_are_read() -> None:
    response = agent_pb2.GetDeviceInfoResponse(
        max_threads=4,
        sandbox=agent_pb2.Sandbox(
            no_new_privileges=True,
            landlock_abi=7,
            system_calls_filtered=True,
            memory_limit_bytes=2**31,
            missing=["no user namespaces"],
        ),
        lease=agent_pb2.Lease(holder="audit digits", remaining_ns=2_500_000_000),
    )
    info = device_info(response, url="local")
    assert info.sandbox == Sandbox(True, 7, True, 2**31, ("no user namespaces",))
    assert info.max_threads == 4
    assert info.lease == Lease("audit digits", 2.5)
    written = info.to_json()
    assert written["lease"] == {"holder": "audit digits", "remaining_s": 2.5}


def test_what_a_lying_agent_sends_too_much_is_cut() -> None:
    response = agent_pb2.GetDeviceInfoResponse(
        sandbox=agent_pb2.Sandbox(missing=["x"] * 10_000),
        lease=agent_pb2.Lease(holder="h" * 10_000, remaining_ns=-5),
    )
    info = device_info(response, url="local")
    assert info.sandbox is not None
    assert info.lease is not None
    assert len(info.sandbox.missing) == 16
    assert (len(info.lease.holder), info.lease.remaining_s) == (128, 0.0)
