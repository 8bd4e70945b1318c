"""A seeded campaign of faults in the middle of uploads and of streams: ``python -m tests.campaigns.faults``.

Every fault strikes a real agent in a process of its own, under `harness.devices.open_device`, at a random byte of an
upload or of a stream of batches. Then the answers are held against those of an undisturbed agent, bit for bit: none may
be lost, doubled or changed. A failure must be an error of the harness that names the device, within a bound on time.
After every fault the same device must work again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.devices import Device, Timeouts, open_device
from harness.errors import DeviceLostError, EdgeleakError
from harness.types import Records
from tests.campaigns.link import DOWN, UP
from tests.campaigns.rig import Rig, UnavailableError, environment_of_pairings
from tests.device_agent.exported import Exported

__all__ = ["KINDS", "Campaign", "Outcome", "load_models", "main", "schedule", "table"]

# Short, so that a campaign takes minutes and not hours; the connection's own pings keep their usual time.
PACE = Timeouts(connect=6.0, upload=4.0, invoke=120.0, idle=3.0, reconnect=6.0)
# From a fault to its error: the idle time or an upload's deadline, and a connection that is tried again.
BOUND_SECONDS = 20.0
_BATCHES = 40
# Over 64 KiB each, so that every batch is a message of its own.
_RECORDS = 300
_BATCH_BYTES = _RECORDS * 64 * 4
_ANSWER_BYTES = _RECORDS * 10 * 4 * 2
_UPLOAD_BYTES = 3 * 1024**2
_MODELS = ("net.tflite", "net.onnx")
_DAY = 86_400.0
# Batches that show that a file, or a device, works.
_FEW = 3
# Where nothing counts bytes: longest after an upload began, or a stream.
_AT_RANDOM_SECONDS = {"upload": 0.02, "stream": 0.1}
# What every error names: what was under way.
_STAGE = re.compile("upload|stream of batches|batch|asking for|removal|refuses it|nothing answers")

Inject = Callable[[Rig, random.Random], object]


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Args:
        inject: does it.
        surroundings: of the agent.
        places: ``upload`` and ``stream``, where it may strike.
        flips: direction of the link in which a bit is flipped; None where ``inject`` acts.
        always: how it must end; None where both ends are right.
    """

    inject: Inject = lambda *_: None
    surroundings: str = "plain"
    places: tuple[str, ...] = ("upload", "stream")
    flips: str | None = None
    always: str | None = None


def _kill_and_restart(rig: Rig, rng: random.Random, *, forget: bool) -> None:
    rig.kill()
    if forget:
        rig.forget_artifacts()
    rig.later(rng.uniform(0.0, 1.0), rig.start)


def _then(rig: Rig, first: Callable[[], object], undo: Callable[[], object] | None, seconds: float) -> None:
    first()
    if undo is not None:
        rig.later(seconds, undo)


def _stop(rig: Rig, rng: random.Random, *, whom: str, long: bool) -> None:
    send = rig.signal_agent if whom == "agent" else rig.signal_workers
    undo = None if long else partial(send, signal.SIGCONT)
    _then(rig, partial(send, signal.SIGSTOP), undo, rng.uniform(0.05, 2.0))


def _stall(rig: Rig, rng: random.Random, *, long: bool) -> None:
    assert rig.link is not None
    _then(rig, rig.link.stall, None if long else rig.link.heal, rng.uniform(0.05, 2.0))


def _cut(rig: Rig, _: random.Random) -> None:
    assert rig.link is not None
    rig.link.cut()


def _half_close(rig: Rig, _: random.Random) -> None:
    assert rig.link is not None
    rig.link.half_close()


def _unplug(rig: Rig, rng: random.Random, *, long: bool) -> None:
    _then(rig, partial(rig.network, "down"), None if long else partial(rig.network, "up"), rng.uniform(0.05, 2.0))


def _jump(rig: Rig, rng: random.Random, *, clock: str) -> None:
    seconds = rng.choice([1.0, 3600.0, 400 * _DAY])
    if clock == "wall":
        rig.jump(wall_seconds=rng.choice([-1.0, 1.0]) * seconds)
    else:
        rig.jump(monotonic_seconds=seconds)


KINDS = {
    "agent killed": Kind(lambda rig, _: rig.kill(), always="surfaced"),
    "agent killed, started again": Kind(partial(_kill_and_restart, forget=False)),
    "agent killed, started again empty": Kind(partial(_kill_and_restart, forget=True)),
    "worker killed": Kind(lambda rig, _: rig.signal_workers(signal.SIGKILL)),
    "worker crashed": Kind(lambda rig, _: rig.signal_workers(signal.SIGSEGV)),
    "agent stopped, goes on": Kind(partial(_stop, whom="agent", long=False), always="healed"),
    "agent stopped": Kind(partial(_stop, whom="agent", long=True), always="surfaced"),
    "worker stopped, goes on": Kind(partial(_stop, whom="worker", long=False), always="healed"),
    "worker stopped": Kind(partial(_stop, whom="worker", long=True), places=("stream",), always="surfaced"),
    "connection reset": Kind(_cut, always="healed"),
    "connection half-closed": Kind(_half_close, always="healed"),
    "connection stalled, goes on": Kind(partial(_stall, long=False), always="healed"),
    "connection stalled": Kind(partial(_stall, long=True), always="surfaced"),
    "network down, up again": Kind(partial(_unplug, long=False), "veth"),
    "network down": Kind(partial(_unplug, long=True), "veth", always="surfaced"),
    "bit flipped in an upload": Kind(places=("upload",), flips=UP),
    "bit flipped in a batch": Kind(places=("stream",), flips=UP),
    "bit flipped in an answer": Kind(places=("stream",), flips=DOWN),
    "disk full": Kind(surroundings="tmpfs", places=("upload",), always="surfaced"),
    "file too large": Kind(surroundings="fsize", places=("upload",), always="surfaced"),
    "wall clock jumps": Kind(partial(_jump, clock="wall"), "clock", always="healed"),
    "monotonic clock jumps": Kind(partial(_jump, clock="monotonic"), "clock"),
}


@dataclass
class Outcome:
    """What one fault led to.

    Args:
        kind: of the fault.
        place: where it struck.
        end: ``healed``, ``surfaced``, ``not reached`` where all was over before it could strike, or ``wrong``.
        seconds: from the fault to the end of what it struck.
        message: of the error, or what is wrong.
    """

    kind: str
    place: str
    end: str
    seconds: float
    message: str = ""


@dataclass
class Campaign:
    """Rigs, and what their agents answer undisturbed.

    Args:
        exported: the models.
        folder: scratch space.
        seed: of everything random but the machine's own timing.
    """

    exported: Exported
    folder: Path
    seed: int
    _rigs: dict[str, Rig | str] = field(default_factory=dict)

    def __enter__(self) -> Campaign:
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(environment_of_pairings(self.folder))
        self._artifacts = [self.exported.artifact(name) for name in _MODELS]
        with open_device("local", timeouts=Timeouts(connect=60.0)) as device:
            self._deploy(device)
            self._expected = [dict(one.outputs) for one in device.invoke(self._artifacts, self._batches())]
        return self

    def __exit__(self, *_: object) -> None:
        for rig in self._rigs.values():
            if isinstance(rig, Rig):
                rig.close()
        self._undo.close()

    def run(self, count: int, kinds: Sequence[str]) -> Iterator[Outcome]:
        """So many faults, of these kinds in turn."""
        for index in range(count):
            rng = random.Random(f"{self.seed}/{index}")
            name = kinds[index % len(kinds)]
            kind = KINDS[name]
            place = kind.places[index // len(kinds) % len(kind.places)]
            rig = self._rig(kind.surroundings)
            if isinstance(rig, str):
                yield Outcome(name, place, "skipped", 0.0, rig)
            else:
                yield self._strike(rig, name, place, rng)

    def _strike(self, rig: Rig, name: str, place: str, rng: random.Random) -> Outcome:
        fault = _Fault(rig, KINDS[name], place, rng)
        outcome = Outcome(name, place, "healed", 0.0)
        answers: list[Mapping[str, NDArray[np.float32]]] = []
        try:
            with open_device(rig.url, timeouts=PACE) as device:
                self._deploy(device)
                try:
                    if place == "upload":
                        fault.arm()
                        self._upload(device, rng)
                    else:
                        for answer in device.invoke(self._artifacts, self._batches()):
                            if not answers:
                                fault.arm()
                            answers.append(answer.outputs)
                finally:
                    outcome.seconds = fault.seconds()
        except EdgeleakError as error:
            outcome.end, outcome.message = "surfaced", str(error)
        # A disk without room is there from the start, and is noticed before a byte is sent.
        if not fault.struck() and KINDS[outcome.kind].surroundings not in ("tmpfs", "fsize"):
            outcome.end = "not reached" if outcome.end == "healed" else "wrong"
        rig.recover()
        wrong = self._what_is_wrong(rig, outcome, answers)
        return outcome if wrong is None else replace(outcome, end="wrong", message=f"{wrong}; {outcome.message}")

    def _what_is_wrong(
        self, rig: Rig, outcome: Outcome, answers: Sequence[Mapping[str, NDArray[np.float32]]]
    ) -> str | None:
        if outcome.end == "healed" and outcome.place == "stream" and len(answers) != _BATCHES:
            return f"{len(answers)} of {_BATCHES} batches were answered"
        for number, outputs in enumerate(answers):
            if not _equal(outputs, self._expected[number]):
                return f"batch {number} has other answers than undisturbed"
        if outcome.end == "surfaced" and not (rig.url in outcome.message and _STAGE.search(outcome.message)):
            return "the error does not name device and stage"
        if outcome.seconds > BOUND_SECONDS:
            return f"it took {outcome.seconds:.1f} s"
        always = KINDS[outcome.kind].always
        if always is not None and outcome.end not in (always, "not reached"):
            return f"it must be {always}"
        return self._what_fails_afterwards(rig)

    def _what_fails_afterwards(self, rig: Rig) -> str | None:
        """The same device, disturbed no more, works like any other."""
        try:
            with open_device(rig.url, timeouts=Timeouts(connect=30.0)) as device:
                self._deploy(device)
                for answer in device.invoke(self._artifacts, itertools.islice(self._batches(), _FEW)):
                    if not _equal(answer.outputs, self._expected[answer.number]):
                        return f"afterwards batch {answer.number} has other answers than undisturbed"
        except EdgeleakError as error:
            return f"afterwards the device does not work: {error}"
        return None

    def notice(self) -> float:
        """Seconds until a host with the default time-outs notices in mid-stream that the agent has been stopped."""
        rig = self._rig("plain")
        assert isinstance(rig, Rig)
        stopped = time.monotonic()
        try:
            with open_device(rig.url) as device:
                self._deploy(device)
                try:
                    for answer in device.invoke(self._artifacts, self._batches()):
                        if answer.number == 2:
                            stopped = time.monotonic()
                            rig.signal_agent(signal.SIGSTOP)
                finally:
                    seconds = time.monotonic() - stopped
        except DeviceLostError:
            return seconds
        finally:
            rig.recover()
        raise AssertionError("a stopped agent went on answering")

    def _upload(self, device: Device, rng: random.Random) -> None:
        """A file that was never there, and its answers: the bytes after a model are part of the file and do nothing."""
        original = self._artifacts[0]
        path = self.folder / "padded.tflite"
        content = original.path.read_bytes() + rng.randbytes(_UPLOAD_BYTES)
        path.write_bytes(content)
        padded = replace(
            original, path=path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), variant="padded"
        )
        device.deploy(padded)
        for answer in device.invoke([padded], itertools.islice(self._batches(), _FEW)):
            wanted = self._expected[answer.number][original.key]
            if not np.array_equal(answer.outputs[padded.key], wanted):
                raise AssertionError(f"batch {answer.number} of an uploaded file has other answers than undisturbed")

    def _deploy(self, device: Device) -> None:
        for artifact in self._artifacts:
            device.deploy(artifact)

    def _batches(self) -> Iterator[tuple[int, Records]]:
        """Numbered batches, no two of which hold the same records."""
        for number in range(_BATCHES):
            rows = (np.arange(_RECORDS) + 7 * number) % len(self.exported.images)
            images = self.exported.images[rows] * np.float32(1 + number / _BATCHES)
            yield number, Records({"args_0": images}, np.zeros(_RECORDS, dtype=np.int64), np.arange(_RECORDS))

    def _rig(self, surroundings: str) -> Rig | str:
        if surroundings not in self._rigs:
            try:
                self._rigs[surroundings] = Rig(surroundings, self.folder)
            except UnavailableError as error:
                self._rigs[surroundings] = str(error)
        return self._rigs[surroundings]


class _Fault:
    """One fault: armed, it strikes at a random byte of what the host sends, or at a random time."""

    def __init__(self, rig: Rig, kind: Kind, place: str, rng: random.Random) -> None:
        self._rig = rig
        self._kind = kind
        self._place = place
        self._rng = rng
        self._at: float | None = None

    def arm(self) -> None:
        """From now on it may strike."""
        rng, link, kind = self._rng, self._rig.link, self._kind
        size = _UPLOAD_BYTES if self._place == "upload" else _BATCHES * 3 // 4 * _BATCH_BYTES
        if link is None:
            self._rig.later(rng.uniform(0.0, _AT_RANDOM_SECONDS[self._place]), self._strike)
        elif kind.flips is not None:
            self._at = time.monotonic()
            size = size if kind.flips == UP else _BATCHES * 3 // 4 * _ANSWER_BYTES
            link.flip(kind.flips, rng.randrange(size), rng.randrange(8))
        else:
            link.after(UP, rng.randrange(1, size), self._strike)

    def struck(self) -> bool:
        """Whether it did."""
        return self._at is not None and not (self._rig.link is not None and self._rig.link.pending())

    def seconds(self) -> float:
        """Since it struck."""
        return 0.0 if self._at is None else time.monotonic() - self._at

    def _strike(self) -> None:
        self._at = time.monotonic()
        self._kind.inject(self._rig, self._rng)


def _equal(outputs: Mapping[str, NDArray[np.float32]], wanted: Mapping[str, NDArray[np.float32]]) -> bool:
    return outputs.keys() == wanted.keys() and all(np.array_equal(outputs[key], wanted[key]) for key in wanted)


def table(outcomes: Sequence[Outcome]) -> str:
    """Counts by kind, and the slowest."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    ends = ("healed", "surfaced", "not reached", "skipped", "wrong")
    lines = [f"{'kind':36}{'count':>6}{''.join(f'{end:>12}' for end in ends)}{'slowest s':>11}"]
    for kind, ones in [*sorted(by_kind.items()), ("all", list(outcomes))]:
        counts = "".join(f"{sum(one.end == end for one in ones):>12}" for end in ends)
        lines.append(f"{kind:36}{len(ones):>6}{counts}{max(one.seconds for one in ones):>11.1f}")
    return "\n".join(lines)


def schedule() -> list[str]:
    """All kinds; those that end by a time-out half as often, because each takes seconds."""
    slow = ("agent stopped", "worker stopped", "connection stalled", "network down")
    return [*KINDS, *(name for name in KINDS if name not in slow)]


def load_models(folder: Path) -> Exported:
    """The small models of the device tests; they are exported where the folder does not hold them."""
    if not (folder / "expected.npz").exists():
        maker = Path(__file__).parents[1] / "device_agent" / "make_models.py"
        subprocess.run([sys.executable, str(maker), str(folder)], check=True, capture_output=True)
    with np.load(folder / "expected.npz") as expected:
        return Exported(folder, **{name: expected[name] for name in expected.files})


def main() -> None:
    """Run a campaign; exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.faults", description="Faults under real agents.")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (%(default)s)")
    parser.add_argument("--count", type=int, default=300, help="faults (%(default)s)")
    parser.add_argument("--models", type=Path, help="folder of exported models, kept for the next campaign")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, metavar="KIND", help="only these")
    options = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="campaign-") as scratch:
        models = options.models or Path(scratch) / "models"
        models.mkdir(parents=True, exist_ok=True)
        with Campaign(load_models(models), Path(scratch), options.seed) as campaign:
            for outcome in campaign.run(options.count, options.kinds or schedule()):
                outcomes.append(outcome)
                line = f"{len(outcomes):4} {outcome.kind}, {outcome.place}: {outcome.end}, {outcome.seconds:.1f} s"
                print(line, outcome.message, flush=True)
            print(f"a stopped agent was noticed after {campaign.notice():.1f} s with the default time-outs")
    print(table(outcomes))
    sys.exit(any(outcome.end == "wrong" for outcome in outcomes))


if __name__ == "__main__":
    main()
