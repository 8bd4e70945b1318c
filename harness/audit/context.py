"""What every stage may use beside its configuration and its run: the device, opened once, and progress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from harness.devices import Device, open_device

__all__ = ["Context", "Progress"]

Progress = Callable[[str, int, int], None]


class Context:
    """Progress, and a device that is opened when it is first asked for and closed with the block.

    Args:
        progress: called with (label, done, total).
        url: the device, `local` or `grpc://host:port`.
    """

    def __init__(self, progress: Progress, url: str) -> None:
        self.progress = progress
        self._url = url
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
        """Progress of work that tells its own steps, shown under one label."""
        return lambda _step, done, total: self.progress(label, done, total)

    @property
    def device(self) -> Device:
        """The device.

        Raises:
            DeviceError: it cannot be reached, or speaks another protocol.
        """
        if self._device is None:
            self._device = self._stack.enter_context(open_device(self._url))
        return self._device
