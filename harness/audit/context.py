"""What every stage may use beside its configuration and its run: the device, opened once, and progress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from harness.config import DeviceConfig
    from harness.devices import Device

__all__ = ["Context", "Progress"]

Progress = Callable[[str, int, int], None]


class Context:
    """Progress, and a device that is opened when it is first asked for and closed with the block.

    Args:
        progress: called with (label, done, total).
        device: which device, and how long to wait for it.
    """

    def __init__(self, progress: Progress, device: DeviceConfig) -> None:
        self.progress = progress
        self._settings = device
        self._device: Device | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            from harness.devices import Timeouts, open_device

            timeouts = Timeouts(**self._settings.timeouts.given())
            self._device = self._stack.enter_context(open_device(self._settings.url, timeouts=timeouts))
        return self._device
