"""One device of a pool: opened, lost and opened again, until it is left out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from harness.devices._types import Device
from harness.errors import DeviceError, DeviceLostError, DeviceUnavailableError
from harness.types import Artifact

__all__ = ["GONE", "LOSSES_MAX", "Member"]

T = TypeVar("T")

# A device that was lost so often is not tried again by the same command: each try costs its time-outs.
LOSSES_MAX = 3
# Between a loss and the next try, seconds for each loss so far; an agent that is started anew takes about as long.
_PAUSE_SECONDS = 1.0
# What says that a device is not there now; any other failure is not mended by a second try.
GONE = (DeviceLostError, DeviceUnavailableError)


class Member:
    """A device of a pool. Its methods but `left_out` are for one thread at a time.

    Args:
        name: the device as the user named it.
        place: in the order in which the user named the devices.
        open: connects to it.
        pause: waits some seconds; injected for tests.
    """

    def __init__(
        self, name: str, place: int, open: Callable[[], Device], *, pause: Callable[[float], None] | None = None
    ) -> None:
        self.name = name
        self.place = place
        self.losses = 0
        # Why it takes no part any more; empty while it does.
        self.left_out = ""
        # Batches whose answers were taken from it.
        self.answered = 0
        # Of an earlier stream, where it did not end with it.
        self.thread: threading.Thread | None = None
        self._open = open
        self._pause = pause or threading.Event().wait
        self._device: Device | None = None
        self._deployed: dict[str, Artifact] = {}

    def device(self) -> Device:
        """The device, connected, with everything on it that was deployed on this member.

        Raises:
            DeviceError: it cannot be reached.
        """
        if self._device is None:
            device = self._open()
            try:
                for artifact in self._deployed.values():
                    device.deploy(artifact)
            except BaseException:
                device.close()
                raise
            self._device = device
        return self._device

    def deploy(self, artifact: Artifact) -> None:
        """Put an artifact on the device; it is put there again whenever the device is opened again."""
        self.call(lambda device: device.deploy(artifact))
        self._deployed[artifact.sha256] = artifact

    def purge(self, artifact: Artifact) -> None:
        """Remove an artifact from the device."""
        self._deployed.pop(artifact.sha256, None)
        self.call(lambda device: device.purge([artifact]))

    def call(self, ask: Callable[[Device], T]) -> T:
        """Ask the device something that may be asked twice; where it is lost meanwhile, it is opened and asked again.

        Raises:
            DeviceError: it was lost too often.
        """
        while True:
            try:
                return ask(self.device())
            except GONE as error:
                self.lose(error)

    def lose(self, error: DeviceError) -> None:
        """Count a loss, and wait a little before the next try.

        Raises:
            DeviceError: the loss, where it was one too many.
        """
        self.losses += 1
        self.close()
        if self.losses >= LOSSES_MAX:
            raise error
        self._pause(_PAUSE_SECONDS * self.losses)

    def close(self) -> None:
        """Let the device go; what was deployed is remembered."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"url": self.name, "batches": self.answered, "losses": self.losses, "left_out": self.left_out or None}
