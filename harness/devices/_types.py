"""What a device is to the rest of the harness: files, answers, timings and the limits of waiting."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from harness.devices._info import DeviceInfo, Telemetry
from harness.errors import UsageError
from harness.types import Artifact, Records

__all__ = [
    "BatchAnswer",
    "BenchmarkResult",
    "ColdStart",
    "Device",
    "Signature",
    "TensorInfo",
    "Timeouts",
]


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds, before a device is taken for unavailable or lost.

    ``[device.timeouts]`` of audit.toml has the same keys.

    Args:
        connect: until the first answer of an agent, its own start included where it is local. Ten seconds cover the
            start of a Python process on a busy machine; an emulated phone needs more.
        upload: for one artifact, besides one second per MiB, which is slower than adb over USB 2.
        invoke: for one whole stream of batches or one benchmark. A day: the bound that every call needs, not a
            prediction.
        idle: between two answers, or two groups of samples. A batch of 64 small images took 23 s in an emulator, and
            one batch feeds several artifacts.
        reconnect: for a connection that broke to be there again; what was not answered is then asked again. A stopped
            agent is noticed within eight seconds, to which these are added.
        busy: for a device that somebody else holds for timing; 0 does not wait.

    Raises:
        UsageError: a number of seconds is not finite, or not above 0.
    """

    connect: float = 10.0
    upload: float = 60.0
    invoke: float = 86_400.0
    idle: float = 120.0
    reconnect: float = 5.0
    busy: float = 0.0

    def __post_init__(self) -> None:
        for name, seconds in asdict(self).items():
            if name == "busy" and seconds == 0:
                continue
            if not 0 < seconds < math.inf:
                raise UsageError(f"timeout {name} is {seconds} seconds", hint="give a finite number above 0")


@dataclass(frozen=True)
class TensorInfo:
    """One input or output as a file declares it. Its name comes from an untrusted agent: escape it before display.

    Args:
        name: as the model's author sees it; empty where the format has no names.
        dtype: numpy's name of what the kernel takes or gives; empty where the contract has no name for it. A quantized
            tensor is fed and answered as float32 all the same.
        shape: of one record, without the batch axis; -1 marks an axis of any length.
        scale: real step of one integer; None where the tensor is not quantized.
        zero_point: the integer that means zero; None where the tensor is not quantized.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Signature:
    """What a file takes and answers, as far as its format declares it.

    Args:
        inputs: in the file's own order.
        outputs: in the file's own order.
        inputs_known: the format declares inputs; otherwise the tuple is empty and means nothing.
        outputs_known: the same of outputs.
        batch_size_max: largest batch that the file itself takes, None where it has no limit or does not say; the agent
            feeds larger batches in pieces.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    inputs_known: bool = True
    outputs_known: bool = True
    batch_size_max: int | None = None


@dataclass(frozen=True, eq=False)
class BatchAnswer:
    """Every artifact's answer to one batch.

    Args:
        number: the batch's own number.
        outputs: artifact key -> float32 ``[b, C]``, finite, read-only.
        kernel_ns: artifact key -> nanoseconds inside the runtime.
    """

    number: int
    outputs: Mapping[str, NDArray[np.float32]]
    kernel_ns: Mapping[str, int]


@dataclass(frozen=True)
class ColdStart:
    """What the first answer of a file costs in a fresh process that has imported the runtime's library, nanoseconds.

    Args:
        load_ns: loading the file.
        first_inference_ns: the first run of one batch, with what it allocates.
    """

    load_ns: int
    first_inference_ns: int


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """Raw timings of one artifact.

    Args:
        samples_ns: nanoseconds inside the runtime, one per run, int64 ``[runs]``, in the order run.
        telemetry_before: of the board before the warm-up.
        telemetry_after: of the board after the last run.
        telemetry_during: of the board between the runs, about every second.
        cold_start: None where it was not asked for.
        profile: an ETDump, as ExecuTorch's Inspector reads it; None where it was not asked for. It is what the device
            sent, unchecked.
    """

    samples_ns: NDArray[np.int64]
    telemetry_before: Telemetry
    telemetry_after: Telemetry
    telemetry_during: tuple[Telemetry, ...] = ()
    cold_start: ColdStart | None = None
    profile: bytes | None = None

    @property
    def telemetry(self) -> tuple[Telemetry, ...]:
        """All states of the board, in the order of time."""
        return (self.telemetry_before, *self.telemetry_during, self.telemetry_after)


class Device(Protocol):
    """A place where artifacts run. Use it as a context manager: leaving it removes what it deployed."""

    @property
    def url(self) -> str:
        """The device as the user named it."""
        ...

    def info(self) -> DeviceInfo:
        """What the device says about itself, now."""
        ...

    def deploy(self, artifact: Artifact) -> None:
        """Put an artifact on the device, or find it there.

        Raises:
            ArtifactError: the file is missing, truncated or altered, or the device's runtime refuses it.
            DeviceError: the device lacks the runtime or the room.
        """
        ...

    def describe(self, artifact: Artifact, *, threads: int = 1) -> Signature:
        """What a deployed artifact takes and answers, as its file declares it.

        Args:
            artifact: deployed before.
            threads: of the interpreter that is loaded for it: those of a later `invoke` save a second load.

        Raises:
            ProtocolError: the agent cannot say, or says what is no signature.
            DeviceLostError: the device stopped answering.
        """
        ...

    def invoke(
        self, artifacts: Sequence[Artifact], batches: Iterable[tuple[int, Records]], *, threads: int = 1
    ) -> Generator[BatchAnswer, None, None]:
        """Feed every numbered batch to every artifact; one answer a batch, in order.

        Close the generator to leave early: the device is free then.

        Args:
            artifacts: deployed before.
            batches: number and records; read a few ahead of the answers.
            threads: of each interpreter.

        Raises:
            InputError: the model does not take such records.
            DeviceOutputError: an answer is not finite, or has the wrong shape or type.
            DeviceLostError: the device stopped answering.
        """
        ...

    def benchmark(
        self,
        artifact: Artifact,
        *,
        warmup: int = 10,
        runs: int = 100,
        batch_size: int = 1,
        threads: int = 1,
        cooldown_s: float = 0.0,
        warmup_s: float = 0.0,
        duration_s: float = 0.0,
        cold: bool = False,
        profile: bool = False,
    ) -> BenchmarkResult:
        """Time a deployed artifact on generated input.

        Args:
            artifact: deployed before.
            warmup: runs that are made and not counted, at least.
            runs: runs that are counted, at least; exactly so many where there is no duration.
            batch_size: records a run.
            threads: of the interpreter.
            cooldown_s: pause before the warm-up, seconds.
            warmup_s: the warm-up takes at least so long, seconds.
            duration_s: the counted runs take at least so long, seconds inside the runtime.
            cold: load the file anew in a fresh process first, and time that and the first inference apart.
            profile: run once more after the counted runs, and have the runtime record where the time goes.

        Raises:
            InputError: the device refuses the numbers: more threads than it has cores, or too large a batch.
            DeviceLostError: the device stopped answering.
            DeviceError: a profile is wanted of a file whose runtime records none there.
            ProtocolError: the agent sends other runs than were asked for.
        """
        ...

    def lease(self, *, seconds: float = 60.0, holder: str | None = None) -> AbstractContextManager[None]:
        """Hold the device, so that nobody else's work is in a timing; leaving the block gives it back.

        The lease prolongs itself while the block runs. Uploads and streams of this device object go on under it; new
        calls of others are refused, and their streams pause.

        Args:
            seconds: how long it lasts where this process dies.
            holder: who, as others read it; None names user, host and process.

        Raises:
            DeviceBusyError: somebody else holds it, and did not give it back within the time-out ``busy``.
        """
        ...

    def purge(self, artifacts: Sequence[Artifact]) -> None:
        """Remove artifacts from the device; what is not there is no error."""
        ...

    def close(self) -> None:
        """Remove what was deployed, and let the device go."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
