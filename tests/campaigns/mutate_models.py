"""A seeded campaign of damaged models on a real agent: ``python -m tests.campaigns.mutate_models``.

Each file is a small real model with one kind of damage. It is uploaded, and where the agent accepts it, described, fed
one batch and deleted. The agent must live; whatever it answers must be a status that blames the file or the worker's
death, and must name the artifact.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from numpy.typing import NDArray

from protos.edgeleak.v1 import agent_pb2
from tests.campaigns.faults import load_models
from tests.campaigns.hostile import damaged
from tests.campaigns.watched import NOTHING, Level, WatchedProcess, reveals
from tests.device_agent.exported import Exported, runtime_of

__all__ = ["COUNTS", "Report", "main", "mutate"]

# Files of each format.
COUNTS = {".tflite": 5000, ".pte": 5000, ".ptl": 1000, ".onnx": 1000}
_NAMES = {
    ".tflite": ("net.tflite", "int8.tflite", "text.tflite"),
    ".pte": ("net.pte", "sqrt.pte", "text.pte"),
    ".ptl": ("net.ptl", "text.ptl"),
    ".onnx": ("net.onnx", "text.onnx", "baked.onnx"),
}
_RECORDS = 4
_RIGHT = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
_ANSWERED = "answered"
_DIED = "the worker died"
_SIGNAL = re.compile(r"worker died \(([^,)]+)")
_MEMORY_BYTES = 2**30
# The first load imports a library, which takes seconds on a busy machine.
_BATCH_SECONDS = 30
# A file that hangs is given up by the agent first.
_CALL_SECONDS = 120.0
_GROWTH_MIB = 64
# The worker that is there in the end has loaded what it was asked for, a library and its caches with it.
_WORKER_GROWTH_MIB = 256
_HEALTH_EVERY = 250
_SOME = 5


@dataclass
class Report:
    """What a campaign came to.

    Args:
        suffix: the files' format.
        files: how many there were.
        outcomes: how often what ended how: step and status, with the signal where a worker died.
        deaths: seeds of the files on which a worker died, by step and signal.
        wrong: what ended wrongly, with its seed.
        before: what the agent held after a few whole models.
        after: what it held in the end.
        seconds: that it took.
        alive: whether it answered at the end, and whenever it was asked.
    """

    suffix: str
    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    before: Level = NOTHING
    after: Level = NOTHING
    seconds: float = 0.0
    alive: bool = True

    def failures(self) -> list[str]:
        """What does not hold, one sentence each."""
        checks = {
            "the agent died or did not answer": not self.alive,
            f"{len(self.wrong)} files ended wrongly, e.g. {self.wrong[:_SOME]}": bool(self.wrong),
            f"descriptors: {self.before.descriptors}, then {self.after.descriptors}": (
                self.after.descriptors > self.before.descriptors + 2
            ),
            f"agent: {self.before.agent_mib:.0f} MiB, then {self.after.agent_mib:.0f}": (
                self.after.agent_mib > self.before.agent_mib + _GROWTH_MIB
            ),
            f"worker: {self.before.worker_mib:.0f} MiB, then {self.after.worker_mib:.0f}": (
                self.after.worker_mib > self.before.worker_mib + _WORKER_GROWTH_MIB
            ),
        }
        return [f"{self.suffix}: {sentence}" for sentence, fails in checks.items() if fails]

    def table(self) -> str:
        """Outcomes, and the seeds of the files on which a worker died."""
        rows = [f"{self.suffix}: {self.files} files in {self.seconds:.0f} s"]
        rows += [f"  {n:6} {outcome}" for outcome, n in self.outcomes.most_common()]
        for how, seeds in sorted(self.deaths.items()):
            more = f" and {len(seeds) - _SOME} more" if len(seeds) > _SOME else ""
            rows.append(f"  died: {how}: seeds {', '.join(map(str, seeds[:_SOME]))}{more}")
        rows.append(f"  before: {self.before}")
        rows.append(f"  after:  {self.after}")
        return "\n".join(rows)


class _Mutator:
    def __init__(self, agent: WatchedProcess, exported: Exported, report: Report, scratch: Path) -> None:
        self._agent = agent
        self._report = report
        self._path = scratch / f"damaged{report.suffix}"
        images = {"args_0": exported.images[:_RECORDS]}
        texts = {"args_0": exported.ids[:_RECORDS], "args_1": exported.mask[:_RECORDS]}
        self._models: list[tuple[bytes, Mapping[str, NDArray[np.generic]]]] = [
            (exported.path(name).read_bytes(), texts if name.startswith("text") else images)
            for name in _NAMES[report.suffix]
        ]

    def whole(self) -> None:
        """Do all that is done to damaged files to whole ones: they must pass."""
        for data, inputs in self._models:
            outcome, message = self._outcome(data, inputs)
            if outcome != _ANSWERED:
                raise RuntimeError(f"a whole model is not answered: {outcome}: {message}")

    def damage(self, seed: int) -> None:
        """One file."""
        rng = random.Random(seed)
        data, inputs = rng.choice(self._models)
        spoilt = data
        while spoilt == data:
            # The first bytes say what it is; damaged, the file would never reach its loader.
            spoilt = data[:8] + damaged(rng, data[8:])
        outcome, message = self._outcome(spoilt, inputs)
        report = self._report
        report.files += 1
        report.outcomes[outcome] += 1
        if _DIED in message:
            report.deaths.setdefault(outcome, []).append(seed)
        step, _, status = outcome.partition(": ")
        named = hashlib.sha256(spoilt).hexdigest()[:12] in message
        blamed = status.startswith(_RIGHT) or (status.startswith("INTERNAL") and _DIED in message)
        if step != _ANSWERED and not (named and blamed and not reveals(message)):
            report.wrong.append(f"seed {seed}: {outcome}: {message[:300]}")

    def _outcome(self, data: bytes, inputs: Mapping[str, NDArray[np.generic]]) -> tuple[str, str]:
        """How it ended, and the message that came with it."""
        digest = hashlib.sha256(data).hexdigest()
        steps: dict[str, Callable[[], object]] = {
            "upload": lambda: self._upload(data, digest),
            "describe": lambda: self._agent.stub.DescribeArtifact(
                agent_pb2.DescribeArtifactRequest(sha256=digest), timeout=_CALL_SECONDS
            ),
            "invoke": lambda: self._agent.invoke([digest], [inputs]),
        }
        end = _end_of(steps)
        # A damaged model may take its worker with it when it is let go.
        removal = _end_of({"delete": lambda: self._delete(digest)})
        return end if end[0] != _ANSWERED else removal

    def _delete(self, digest: str) -> None:
        self._agent.stub.DeleteArtifact(agent_pb2.DeleteArtifactRequest(sha256=digest), timeout=_CALL_SECONDS)

    def _upload(self, data: bytes, digest: str) -> None:
        wire = runtime_of(self._path).wire
        header = agent_pb2.UploadHeader(sha256=digest, size_bytes=len(data), runtime=wire)
        parts = [agent_pb2.UploadArtifactRequest(header=header), agent_pb2.UploadArtifactRequest(chunk=data)]
        self._agent.stub.UploadArtifact(iter(parts), timeout=_CALL_SECONDS)


def _end_of(steps: Mapping[str, Callable[[], object]]) -> tuple[str, str]:
    for step, take in steps.items():
        try:
            take()
        except grpc.RpcError as error:
            message = error.details() or ""
            how = _SIGNAL.search(message)
            return f"{step}: {error.code().name}" + (f", worker died of {how[1]}" if how else ""), message
    return _ANSWERED, ""


def mutate(exported: Exported, folder: Path, *, suffix: str, seed: int, count: int) -> Report:
    """Damage so many files of one format.

    Args:
        exported: small models.
        folder: scratch space.
        suffix: a key of `COUNTS`.
        seed: of the first file; the others count up from it.
        count: files.
    """
    report = Report(suffix)
    limits = ("--worker-memory-bytes", str(_MEMORY_BYTES), "--batch-seconds", str(_BATCH_SECONDS))
    start = time.monotonic()
    with WatchedProcess(folder, *limits) as agent:
        mutator = _Mutator(agent, exported, report, folder)
        mutator.whole()
        report.before = agent.settled()
        for number in itertools.count():
            if number % _HEALTH_EVERY == 0 or number == count:
                report.alive = report.alive and agent.healthy()
            if number == count or not report.alive:
                break
            mutator.damage(seed + number)
        if report.alive:
            mutator.whole()
            report.after = agent.settled(report.before.descriptors)
    report.seconds = time.monotonic() - start
    return report


def reports(exported: Exported, folder: Path, *, seed: int, counts: Mapping[str, int]) -> Iterator[Report]:
    """One report a format.

    Args:
        exported: small models.
        folder: scratch space.
        seed: of the first file of each.
        counts: files of each format.
    """
    for suffix, count in counts.items():
        yield mutate(exported, folder / suffix[1:], suffix=suffix, seed=seed, count=count)


def main() -> None:
    """Run a campaign; exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.mutate_models", description="Damaged models.")
    parser.add_argument("--seed", type=int, default=0, help="of the first file; each has its own (%(default)s)")
    parser.add_argument("--count", type=int, help="files of each format (5000, and 1000 of .ptl and .onnx)")
    parser.add_argument("--formats", nargs="*", choices=COUNTS, default=list(COUNTS), help="only these")
    parser.add_argument("--models", type=Path, help="folder of exported models, kept for the next campaign")
    options = parser.parse_args()
    counts = {suffix: options.count or COUNTS[suffix] for suffix in options.formats}
    failures = []
    with tempfile.TemporaryDirectory(prefix="campaign-") as scratch:
        models = options.models or Path(scratch) / "models"
        models.mkdir(parents=True, exist_ok=True)
        for report in reports(load_models(models), Path(scratch), seed=options.seed, counts=counts):
            print(report.table(), flush=True)
            failures += report.failures()
    print("\n".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
