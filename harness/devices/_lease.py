"""A lease on a device: taken, prolonged while it is needed, given back."""

from __future__ import annotations

import getpass
import os
import platform
import threading

import grpc

from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc

__all__ = ["HeldLease", "default_holder"]

# It is prolonged when this share of it has passed: two more attempts fit before it ends.
_PROLONG_AFTER = 1 / 3


def default_holder() -> str:
    """Who this process is, as others read it who find the device busy."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user}@{platform.node()} (process {os.getpid()})"[:128]


class HeldLease:
    """A lease that prolongs itself until it is ended.

    Args:
        stub: the agent.
        lease_id: of this session.
        holder: who, as others read it.
        seconds: how long it lasts where it is not prolonged.
        timeout: of one call.

    Raises:
        grpc.RpcError: it cannot be had.
    """

    def __init__(
        self,
        stub: agent_pb2_grpc.AgentServiceStub,
        *,
        lease_id: str,
        holder: str,
        seconds: float,
        timeout: float,
    ) -> None:
        self._stub = stub
        self._request = agent_pb2.AcquireLeaseRequest(lease_id=lease_id, holder=holder, duration_ns=int(seconds * 1e9))
        self._seconds = seconds
        self._timeout = timeout
        self._ended = threading.Event()
        self._acquire()
        self._thread = threading.Thread(target=self._prolong, name="lease", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give the device back; an agent that does not answer forgets the lease by itself."""
        self._ended.set()
        self._thread.join()
        request = agent_pb2.ReleaseLeaseRequest(lease_id=self._request.lease_id)
        try:
            self._stub.ReleaseLease(request, timeout=self._timeout)
        except grpc.RpcError:
            return

    def _acquire(self) -> None:
        self._stub.AcquireLease(self._request, timeout=self._timeout)

    def _prolong(self) -> None:
        while not self._ended.wait(self._seconds * _PROLONG_AFTER):
            try:
                self._acquire()
            except grpc.RpcError:
                # The next attempt may succeed; where none does, the calls under the lease say what is wrong.
                continue
