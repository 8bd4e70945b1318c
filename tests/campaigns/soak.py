"""One agent under clients that come and go for a long time: ``python -m tests.campaigns.soak``.

Each second the resident memory and the descriptors of the agent and its workers are read. At the end the growth of
memory is the Theil-Sen slope of the second half, with a 95% interval, over means of stretches long enough to be nearly
independent. Every answer is held against the first one to the same batch, bit for bit.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.stats import theilslopes

from harness.devices import Device, Timeouts, open_device
from harness.errors import DeviceBusyError
from harness.types import Artifact, Records
from tests.campaigns.faults import load_models
from tests.campaigns.rig import Rig
from tests.device_agent.exported import Exported

__all__ = ["Sample", "Soak", "Soaked", "main", "slope"]

_MODELS = ("net.tflite", "net.onnx", "int8.tflite")
_SIZES = (1, 5, 64, 300)
_CLIENTS = 3
_PADDING_BYTES = 256 * 1024
_POINTS = 30
_TIMEOUTS = Timeouts(connect=60.0, busy=120.0)


@dataclass(frozen=True)
class Sample:
    """The processes at one moment.

    Args:
        seconds: since the start.
        agent_bytes: resident memory of the agent.
        worker_bytes: the same of all its workers together.
        descriptors: open in the agent and its workers.
    """

    seconds: float
    agent_bytes: int
    worker_bytes: int
    descriptors: int


@dataclass
class Soaked:
    """What a soak came to.

    Args:
        samples: one a second.
        inferences: batches that an artifact answered.
        records: in them.
        sessions: clients that came and went.
        descriptors: while only the resident host is connected, after the first sessions and at the end.
        failures: one line each.
    """

    samples: list[Sample] = field(default_factory=list)
    inferences: int = 0
    records: int = 0
    sessions: int = 0
    descriptors: tuple[int, int] = (0, 0)
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report."""
        lines = [
            f"{self.sessions} sessions, {self.inferences} inferences of {self.records} records, "
            f"{len(self.failures)} failures",
            f"descriptors while only the resident host is connected: {self.descriptors[0]} after the first sessions, "
            f"{self.descriptors[1]} at the end",
        ]
        half = self.samples[len(self.samples) // 2 :]
        for name in ("agent_bytes", "worker_bytes", "descriptors"):
            values = [getattr(sample, name) for sample in half]
            unit, scale = ("", 1.0) if name == "descriptors" else (" MB", 1e6)
            middle, low, high = (value / scale for value in slope(half, name))
            lines.append(
                f"{name.removesuffix('_bytes')}: {np.median(values) / scale:.1f}{unit}, grows by {middle:.2f}{unit} an "
                f"hour, 95% interval {low:.2f} to {high:.2f}"
            )
        return [*lines, *self.failures[:10]]


def slope(samples: Sequence[Sample], name: str) -> tuple[float, float, float]:
    """Growth per hour, and its 95% interval."""
    groups = np.array_split(np.arange(len(samples)), min(_POINTS, len(samples)))
    hours = [np.mean([samples[i].seconds for i in group]) / 3600 for group in groups]
    values = [np.mean([getattr(samples[i], name) for i in group]) for group in groups]
    middle, _, low, high = theilslopes(values, hours, 0.95)
    return float(middle), float(low), float(high)


class Soak:
    """One agent and what it answered first.

    Args:
        exported: the models.
        folder: scratch space.
        seed: of what clients do.
    """

    def __init__(self, exported: Exported, folder: Path, *, seed: int) -> None:
        self._exported = exported
        self._artifacts = [exported.artifact(name) for name in _MODELS]
        self._folder = folder
        self._seed = seed
        self._rig = Rig("plain", folder)
        assert self._rig.link is not None
        # Straight to the agent: nothing is disturbed here.
        self._url = f"grpc://127.0.0.1:{self._rig.link.target}"
        self._first: dict[tuple[str, int], NDArray[np.float32]] = {}
        self._lock = threading.Lock()
        self._soaked = Soaked()
        self._stop = threading.Event()

    def run(self, *, seconds: float, inferences: int) -> Soaked:
        """Clients for at least so long, and at least so many inferences."""
        try:
            return self._run(seconds, inferences)
        finally:
            self._stop.set()
            self._rig.close()

    def _run(self, seconds: float, inferences: int) -> Soaked:
        # A session that ends removes what it has sent. One that stays sends the models that all share.
        with open_device(self._url, timeouts=_TIMEOUTS) as resident:
            for artifact in self._artifacts:
                resident.deploy(artifact)
            for number in range(_CLIENTS):
                self._session(random.Random(f"{self._seed}/first/{number}"), thorough=True)
            before = self._quiet_descriptors()
            started = time.monotonic()
            clients = [threading.Thread(target=self._client, args=(number,)) for number in range(_CLIENTS)]
            for client in clients:
                client.start()
            while time.monotonic() - started < seconds or self._soaked.inferences < inferences:
                self._soaked.samples.append(self._sample(time.monotonic() - started))
                if not any(client.is_alive() for client in clients):
                    break
                time.sleep(1.0)
            self._stop.set()
            for client in clients:
                client.join()
            self._soaked.descriptors = (before, self._quiet_descriptors())
            return self._soaked

    def _client(self, number: int) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        while not self._stop.is_set():
            try:
                self._session(rng)
            except Exception as error:  # whatever it is, the report shows it
                self._soaked.failures.append(f"{type(error).__name__}: {error}")

    def _session(self, rng: random.Random, *, thorough: bool = False) -> None:
        """One host that comes, does a few things, and goes."""
        with open_device(self._url, timeouts=_TIMEOUTS) as device:
            used = [one for one in self._artifacts if thorough or rng.random() < 0.7] or self._artifacts[:1]
            for artifact in used:
                device.deploy(artifact)
            if thorough or rng.random() < 0.3:
                self._upload(device, rng)
            self._stream(device, used, rng.randint(5, 60), leave=not thorough and rng.random() < 0.1)
            if thorough or rng.random() < 0.2:
                self._benchmark(device, used[0], rng)
        with self._lock:
            self._soaked.sessions += 1

    def _stream(self, device: Device, artifacts: Sequence[Artifact], count: int, *, leave: bool) -> None:
        with contextlib.closing(device.invoke(artifacts, self._batches(count))) as answers:
            for answer in answers:
                size = _SIZES[answer.number % len(_SIZES)]
                for key, values in answer.outputs.items():
                    with self._lock:
                        first = self._first.setdefault((key, size), values.copy())
                        self._soaked.inferences += 1
                        self._soaked.records += size
                    if not np.array_equal(first, values):
                        raise AssertionError(f"{key}: a batch of {size} was answered otherwise than the first time")
                if leave and answer.number > count // 2:
                    return

    def _upload(self, device: Device, rng: random.Random) -> None:
        original = self._exported.artifact("net.tflite")
        content = original.path.read_bytes() + rng.randbytes(_PADDING_BYTES)
        path = self._folder / f"padded-{threading.get_ident()}.tflite"
        path.write_bytes(content)
        padded = replace(original, path=path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        device.deploy(padded)
        self._stream(device, [padded], 4, leave=False)
        device.purge([padded])

    def _benchmark(self, device: Device, artifact: Artifact, rng: random.Random) -> None:
        with contextlib.suppress(DeviceBusyError), device.lease(seconds=10):
            device.benchmark(artifact, warmup=2, runs=rng.randint(5, 50), batch_size=rng.choice(_SIZES))

    def _batches(self, count: int) -> Iterator[tuple[int, Records]]:
        for number in range(count):
            yield number, self._exported.records(_SIZES[number % len(_SIZES)])

    def _sample(self, seconds: float) -> Sample:
        assert self._rig.process is not None
        agent = psutil.Process(self._rig.process.pid)
        sizes, descriptors = [], agent.num_fds()
        for child in agent.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(child.memory_info().rss)
                descriptors += child.num_fds()
        return Sample(seconds, agent.memory_info().rss, sum(sizes), descriptors)

    def _quiet_descriptors(self) -> int:
        """Descriptors once they no longer fall, the spare worker's included."""
        lowest, until = self._sample(0.0).descriptors, time.monotonic() + 8.0
        while time.monotonic() < until:
            time.sleep(0.5)
            lowest = self._sample(0.0).descriptors
        return lowest


def main() -> None:
    """Run a soak; exit status 1 where something failed or descriptors grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.soak", description="Clients that come and go.")
    parser.add_argument("--minutes", type=float, default=10.0, help="at least so long (%(default)s)")
    parser.add_argument("--inferences", type=int, default=0, help="at least so many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what clients do (%(default)s)")
    parser.add_argument("--models", type=Path, help="folder of exported models, kept for the next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        models = options.models or Path(scratch) / "models"
        models.mkdir(parents=True, exist_ok=True)
        soak = Soak(load_models(models), Path(scratch), seed=options.seed)
        soaked = soak.run(seconds=60 * options.minutes, inferences=options.inferences)
    print("\n".join(soaked.lines()))
    before, after = soaked.descriptors
    sys.exit(bool(soaked.failures) or after > before)


if __name__ == "__main__":
    main()
