"""Several devices as one: each answers a share of the batches, as fast as it can.

Only devices whose answers are the same bytes take part: the first batches of every stream go to all of them, and some
later ones to a second one. A device that answers otherwise is left out, and named; one that is lost gives its batches
back, is tried again, and is left out where that happens too often.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from harness.devices._info import DeviceInfo
from harness.devices._types import BatchAnswer, BenchmarkResult, Device, Signature
from harness.devices.pool._members import GONE, Member
from harness.devices.pool._sharing import Sharing
from harness.errors import DeviceError
from harness.types import Artifact, Records

__all__ = ["SplitDevice"]

T = TypeVar("T")

_LOOK_SECONDS = 0.2
# A stream that was left ends with its next answer. A slow device's is not waited for, but before it is used again.
_LEAVING_SECONDS = 0.5


class SplitDevice:
    """A device made of several; see `Device`.

    Args:
        names: the devices as the user named them, each once; the first that is there describes files and is timed.
        open: connects to one.
        say: is told, in one sentence each, which device was lost or left out, and why.
        rng: decides which batches are asked twice.

    Raises:
        DeviceError: none of them can be reached.
    """

    def __init__(
        self,
        names: Sequence[str],
        open: Callable[[str], Device],
        *,
        say: Callable[[str], None],
        rng: random.Random | None = None,
    ) -> None:
        self._say = say
        self._rng = rng or random.Random()  # noqa: S311 - which batches are asked twice is no secret
        self._said = threading.Lock()
        # Of whoever was left out last: what is raised where nobody is left.
        self._last: DeviceError | None = None
        self._members = [Member(name, place, _opener(open, name)) for place, name in enumerate(names)]
        try:
            # A device that was never there is not tried again.
            self._each(lambda member: member.device())
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The devices as the user named them."""
        return ", ".join(member.name for member in self._members)

    @property
    def members(self) -> tuple[dict[str, object], ...]:
        """One JSON object a device: how many batches it answered, how often it was lost, and why it was left out."""
        return tuple(member.to_json() for member in self._members)

    def info(self) -> DeviceInfo:
        """What the first device says about itself, now; its name is that of all."""
        return replace(self._by_first(lambda device: device.info()), url=self.url)

    def deploy(self, artifact: Artifact) -> None:
        """Put an artifact on every device; see `Device.deploy`."""
        self._each(lambda member: member.deploy(artifact))

    def describe(self, artifact: Artifact, *, threads: int = 1) -> Signature:
        """What an artifact takes and answers, as the first device says; see `Device.describe`."""
        return self._by_first(lambda device: device.describe(artifact, threads=threads))

    def benchmark(self, artifact: Artifact, **settings: Any) -> BenchmarkResult:
        """Time an artifact on the first device; see `Device.benchmark`."""
        return self._by_first(lambda device: device.benchmark(artifact, **settings))

    def lease(self, *, seconds: float = 60.0, holder: str | None = None) -> AbstractContextManager[None]:
        """Hold the first device, which is the one that is timed; see `Device.lease`."""
        return self._by_first(lambda device: device.lease(seconds=seconds, holder=holder))

    def purge(self, artifacts: Sequence[Artifact]) -> None:
        """Remove artifacts from every device; see `Device.purge`."""
        for artifact in artifacts:
            self._each(lambda member, artifact=artifact: member.purge(artifact))  # type: ignore[misc]

    def invoke(
        self, artifacts: Sequence[Artifact], batches: Iterable[tuple[int, Records]], *, threads: int = 1
    ) -> Generator[BatchAnswer, None, None]:
        """Feed every numbered batch to every artifact, on one of the devices; see `Device.invoke`.

        Raises:
            DeviceOutputError: two devices' answers to a later batch differ, although the first ones were equal.
        """
        sharing = Sharing(batches, rng=self._rng)
        members = self._left()
        for member in members:
            sharing.join(member)
        for member in members:
            before, member.thread = member.thread, None
            member.thread = threading.Thread(
                target=self._work, args=(member, before, sharing, artifacts, threads), name=member.name, daemon=True
            )
            member.thread.start()
        try:
            while (answer := self._awaited(sharing)) is not None:
                yield answer
        finally:
            sharing.end()
            for member in members:
                if member.thread is not None:
                    member.thread.join(_LEAVING_SECONDS)

    def close(self) -> None:
        """Let every device go; a second call does nothing."""
        for member in self._members:
            with contextlib.suppress(DeviceError):
                member.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- the caller's side of a stream --------------------------------------------------------------------------------

    def _awaited(self, sharing: Sharing) -> BatchAnswer | None:
        """The next answer, waited for; None at the end."""
        with sharing.changed:
            while True:
                while sharing.disagreements:
                    one = sharing.disagreements.popleft()
                    self._leave_out(one.member, str(one))
                if sharing.failure is not None:
                    raise sharing.failure
                if (answer := sharing.take()) is not None:
                    return answer
                if sharing.is_done:
                    return None
                if self._last is not None and not self._left():
                    raise self._last
                sharing.changed.wait(_LOOK_SECONDS)

    # -- a member's side, in its own thread ---------------------------------------------------------------------------

    def _work(
        self,
        member: Member,
        before: threading.Thread | None,
        sharing: Sharing,
        artifacts: Sequence[Artifact],
        threads: int,
    ) -> None:
        try:
            if before is not None:
                before.join()
            while not sharing.is_over() and not member.left_out:
                try:
                    self._answer_shares(member, sharing, artifacts, threads)
                    return
                except GONE as error:
                    if sharing.is_over():
                        return
                    sharing.leave(member)
                    member.lose(error)
                    self._tell(f"{member.name} was lost, and is tried again: {error}")
                    sharing.join(member)
        except DeviceError as error:
            if not sharing.is_over():
                self._leave_out(member, str(error), error)
                sharing.leave(member)
        except BaseException as error:  # of the records or of the host: it belongs to the caller
            sharing.fail(error)

    def _answer_shares(self, member: Member, sharing: Sharing, artifacts: Sequence[Artifact], threads: int) -> None:
        for share in sharing.shares(member):
            with contextlib.closing(member.device().invoke(artifacts, share, threads=threads)) as stream:
                for answer in stream:
                    if sharing.is_over():
                        return
                    sharing.put(member, answer)

    # -- all of them --------------------------------------------------------------------------------------------------

    def _left(self) -> list[Member]:
        return [member for member in self._members if not member.left_out]

    def _leave_out(self, member: Member, reason: str, error: DeviceError | None = None) -> None:
        with self._said:
            member.left_out = reason
            self._last = error or DeviceError(reason, device=member.name)
        self._tell(f"{member.name} is left out: {reason}")

    def _tell(self, sentence: str) -> None:
        with self._said:
            self._say(sentence)

    def _each(self, ask: Callable[[Member], object]) -> None:
        """Ask every device at the same time; one that cannot do it is left out.

        Raises:
            EdgeleakError: nobody could, or it is no matter of one device.
        """
        errors: dict[Member, BaseException] = {}

        def one(member: Member) -> None:
            try:
                ask(member)
            except BaseException as error:  # it belongs to the thread that asks
                errors[member] = error

        threads = [
            threading.Thread(target=one, args=(member,), name=member.name, daemon=True) for member in self._left()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for member, error in errors.items():
            if not isinstance(error, DeviceError):
                raise error
            if len(errors) < len(threads):
                self._leave_out(member, str(error), error)
        if errors and len(errors) == len(threads):
            raise min(errors.items(), key=lambda item: item[0].place)[1]

    def _by_first(self, ask: Callable[[Device], T]) -> T:
        """Ask the first device; where it is gone, the next one."""
        while True:
            left = self._left()
            if not left:
                raise self._last or DeviceError("no device is left", device=self.url)
            member, *others = left
            try:
                return member.call(ask)
            except GONE as error:
                if not others:
                    raise
                self._leave_out(member, str(error), error)


def _opener(open: Callable[[str], Device], name: str) -> Callable[[], Device]:
    return lambda: open(name)
