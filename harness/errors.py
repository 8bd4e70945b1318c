"""Every error that edgeleak raises on purpose. Each class owns the exit code of the command line.

::

    EdgeleakError                exit 3   anything below; message, then the next step
      UsageError                 exit 4   what the user wrote or pointed at is wrong
        ConfigError              exit 4   audit.toml: unknown key, wrong type, impossible value
        InputError               exit 4   an array or data file: shape, NaN, missing key, not enough classes
        ArtifactError            exit 4   an exported file: truncated, altered, of another runtime, malformed
        RunError                 exit 4   a run folder: written by another configuration, damaged, a stage missing
        DependencyError          exit 4   an optional package is not installed
        PairingError             exit 4   a device's pairing: missing, expired, damaged, there already
      DeviceError                exit 3   the device or its agent
        DeviceUnavailableError   exit 3   nothing answers there, or the agent does not start
        DeviceBusyError          exit 3   somebody else holds it for timing
        DeviceLostError          exit 3   it answered before and stopped answering
        ProtocolError            exit 3   the agent speaks another protocol version, or breaks the contract
        DeviceOutputError        exit 3   the model's answer is not finite, or has the wrong shape
      StorageError               exit 3   the disk is full or the folder cannot be written
      MemoryShortError           exit 3   more memory is needed than this computer gives
      InterruptedRunError        exit 3   Ctrl-C or SIGTERM; the same command resumes
      DefectError                exit 3   an error that nobody foresaw, which is to be reported
      UnresolvedError            exit 2   the number of records cannot answer the question
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DefectError",
    "DependencyError",
    "DeviceBusyError",
    "DeviceError",
    "DeviceLostError",
    "DeviceOutputError",
    "DeviceUnavailableError",
    "EdgeleakError",
    "InputError",
    "InterruptedRunError",
    "MemoryShortError",
    "PairingError",
    "ProtocolError",
    "RunError",
    "StorageError",
    "UnresolvedError",
    "UsageError",
]


class EdgeleakError(Exception):
    """The root: a message of one line that says what is wrong, and a next step.

    Args:
        message: what is wrong, naming the field, the file or the device.
        hint: what the user can do about it; shown after the message.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(EdgeleakError):
    """What the user wrote or pointed at is wrong."""

    exit_code = 4


class ConfigError(UsageError):
    """The configuration has an unknown key, a wrong type or an impossible value."""


class InputError(UsageError):
    """An array or a data file cannot be used as it is."""


class ArtifactError(UsageError):
    """An exported file is truncated, altered, malformed or of another runtime."""


class RunError(UsageError):
    """A run folder was written by another configuration, is damaged, or lacks an earlier stage."""


class DependencyError(UsageError):
    """An optional package is needed and not installed."""


class PairingError(UsageError):
    """The pairing with a device is missing, expired, damaged, open to others, or there already."""


class DeviceError(EdgeleakError):
    """The device or its agent failed.

    Args:
        device: the device as the user named it, e.g. ``grpc://127.0.0.1:50051``; named in the message.
    """

    def __init__(self, message: str, *, device: str, hint: str | None = None) -> None:
        super().__init__(f"{device}: {message}", hint=hint)
        self.device = device


class DeviceUnavailableError(DeviceError):
    """Nothing answers at the device's address, or the agent does not start."""


class DeviceBusyError(DeviceError):
    """Somebody else holds the device for timing; the message says who, and for how long."""


class DeviceLostError(DeviceError):
    """The device answered before and stopped answering."""


class ProtocolError(DeviceError):
    """The agent speaks another protocol version, or breaks the contract."""


class DeviceOutputError(DeviceError):
    """A model's answer is not finite, or has the wrong shape or type."""


class StorageError(EdgeleakError):
    """The disk is full or the folder cannot be written."""


class MemoryShortError(EdgeleakError):
    """More memory is needed than this computer gives."""


class DefectError(EdgeleakError):
    """An error that nobody foresaw: a defect of edgeleak, which is to be reported."""


class InterruptedRunError(EdgeleakError):
    """The user or the system asked to stop; the same command resumes."""


class UnresolvedError(EdgeleakError):
    """The number of records cannot answer the question that was asked."""

    exit_code = 2
