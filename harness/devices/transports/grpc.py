"""An agent that runs already and listens at an address: somebody else starts and ends it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import grpc

from harness.devices._types import Timeouts
from harness.devices.transports._connection import ChannelOptions, Refusal

__all__ = ["RunningAgent", "open"]


@dataclass(frozen=True)
class RunningAgent:
    """The agent at an address; see `Connection`."""

    target: str
    start_hint: str
    resume_hint: str = "start the agent again and rerun the same command; collected batches are kept"
    purge_on_close: bool = True

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        """Plaintext."""
        return grpc.insecure_channel(self.target, options=options)

    def refusal(self, error: grpc.RpcError) -> Refusal | None:  # noqa: ARG002
        """None: whoever listens in plaintext lets everybody in."""
        return None

    def alive(self) -> bool:
        """True: only a call can find out."""
        return True

    def close(self) -> None:
        """Nothing was started, so nothing ends."""


def open(selector: re.Match[str], *, timeouts: Timeouts) -> RunningAgent:  # noqa: ARG001 - others wait for a start
    """The agent at an address; nothing is contacted yet.

    Args:
        selector: the device as the user named it, with groups ``target`` and ``port``.
        timeouts: how long to wait for what.
    """
    hint = f"start an agent there with: edgeleak-agent --listen 127.0.0.1:{selector['port']}"
    return RunningAgent(selector["target"], hint)
