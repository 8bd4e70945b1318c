"""An agent that this host installed on another machine: found or started there, and reached by a forwarded socket."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

import grpc

from harness.devices._types import Timeouts
from harness.devices.transports._connection import ChannelOptions, Refusal
from harness.errors import DeviceError
from harness.remote.install import BundleOf, ensure, status
from harness.remote.shell import Shell

__all__ = ["InstalledAgent", "Way", "tell"]

_SOCKET = "agent.sock"


class Way(Protocol):
    """How a socket of another machine is reached from this one."""

    def open(self, socket: str) -> str:
        """Forward the socket; where gRPC then finds it."""
        ...

    def restore(self, socket: str) -> None:
        """Forward it again, to the same place, where it is not forwarded any more."""
        ...

    def trouble(self) -> str | None:
        """Why nothing may come through, as far as this side knows."""
        ...

    def close(self) -> None:
        """End the forwarding."""
        ...


class InstalledAgent:
    """The agent on a machine over adb or ssh; see `Connection`. It goes on running when this object is closed.

    Args:
        shell: the machine, which `close` lets go.
        way: to a socket there.
        timeouts: how long to wait for what.
        bundle_of: makes the bundle of an architecture; None takes the cached one.
        progress: is told what is under way where the agent has to be installed.

    Raises:
        DeviceError: the agent cannot be installed or started, or its socket not forwarded.
    """

    purge_on_close = True

    def __init__(
        self,
        shell: Shell,
        way: Way,
        *,
        timeouts: Timeouts,
        bundle_of: BundleOf | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._shell = shell
        self._way = way
        self._timeouts = timeouts
        self._bundle_of = bundle_of
        self._trouble: str | None = None
        self._closed = False
        try:
            ensure(shell, bundle_of=bundle_of, progress=progress or tell)
            self._socket = f"{shell.home}/{_SOCKET}"
            self.target = way.open(self._socket)
        except BaseException:
            self.close()
            raise

    @property
    def start_hint(self) -> str:
        """What the user can do where nothing answers there."""
        name = self._shell.device
        said = self._way.trouble()
        advice = (
            f"edgeleak agent logs --device {name} shows what it says; edgeleak agent stop --device {name}, then run "
            "this again"
        )
        return f"{said}; {advice}" if said else advice

    @property
    def resume_hint(self) -> str:
        """What the user can do once it stopped answering."""
        advice = "rerun the same command, which starts the agent where it ended; collected batches are kept"
        said = self._trouble or self._way.trouble()
        return f"{said}; {advice}" if said else advice

    def channel(self, options: ChannelOptions) -> grpc.Channel:
        """Plaintext, within this computer: beyond it adb or ssh carry it."""
        return grpc.insecure_channel(self.target, options=options)

    def refusal(self, error: grpc.RpcError) -> Refusal | None:  # noqa: ARG002
        """None: whoever reaches the socket is let in."""
        return None

    def alive(self) -> bool:
        """True: only a call can find out, and an agent that ended is started again."""
        return True

    def restore(self) -> None:
        """Start the agent again where it ended, and forward its socket again where that is not so any more."""
        try:
            # The forwarding first: it may be all that broke, and it is the quicker question.
            self._way.restore(self._socket)
            if not status(self._shell, seconds=self._timeouts.connect).running:
                ensure(self._shell, bundle_of=self._bundle_of)
            self._trouble = None
        except DeviceError as error:
            self._trouble = error.message.removeprefix(f"{self._shell.device}: ")

    def close(self) -> None:
        """End the forwarding; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._way.close()
        finally:
            self._shell.close()


def tell(line: str) -> None:
    """Say on standard error what takes long.

    Args:
        line: what is under way.
    """
    print(f"edgeleak: {line}", file=sys.stderr, flush=True)
