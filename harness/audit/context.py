"""What every stage may use beside its configuration and its run: the device, or devices, and progress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from harness.config import DeviceConfig
    from harness.devices import Device

__all__ = ["Context", "Progress", "Say"]

Progress = Callable[[str, int, int], None]
Say = Callable[[str], None]


class Context:
    """Progress, and a device that is opened when it is first asked for and closed with the block.

    Args:
        progress: called with (label, done, total).
        device: which device, and how long to wait for it.
        say: shows a sentence that a person should read at once, e.g. that a device was lost.
        devices: how many devices do the same at once; the audit's intervals hold for all of them together.
    """

    def __init__(
        self, progress: Progress, device: DeviceConfig, *, say: Say = lambda _sentence: None, devices: int = 1
    ) -> None:
        self.progress = progress
        self.say = say
        self.devices = devices
        self._settings = device
        self._device: Device | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the device go; it is opened anew where it is asked for again."""
        self._device = None
        self._stack.close()

    def under(self, label: str) -> Progress:
        """Progress of work that reports its own steps, shown under one label."""
        return lambda _step, done, total: self.progress(label, done, total)

    @property
    def device(self) -> Device:
        """The device.

        Raises:
            DeviceError: it cannot be reached, or speaks another protocol.
        """
        if self._device is None:
            # A stage that reads the run alone does not wait for gRPC to load.
            from harness.devices import Timeouts, open_device, open_split

            timeouts = Timeouts(**self._settings.timeouts.given())
            names = self._settings.names
            device: Device = (
                open_split(names, say=self.say, timeouts=timeouts)
                if self._settings.splits
                else open_device(names[0], timeouts=timeouts)
            )
            self._device = self._stack.enter_context(device)
        return self._device

    @property
    def names(self) -> tuple[str, ...]:
        """The devices as the user named them."""
        return self._settings.names

    @property
    def shares(self) -> tuple[dict[str, object], ...]:
        """What each device of a pool that splits the work did of it so far; empty where there is one device."""
        return getattr(self._device, "members", ())
