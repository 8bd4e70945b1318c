"""A seeded campaign of hostile calls on a real agent: ``python -m tests.campaigns.fuzz_requests``.

Two thirds of the calls are messages of random fields, the others damaged bytes; now and then a connection sends what is
no gRPC at all. The agent must live and answer health checks, blame the caller and not itself, say nothing of its own
device, write at most one line of log for a bad call, and hold no more afterwards than before.
"""

from __future__ import annotations

import argparse
import itertools
import random
import socket
import sys
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from protos.edgeleak.v1 import agent_pb2
from tests.campaigns.faults import load_models
from tests.campaigns.hostile import damaged, http2_junk, random_message
from tests.campaigns.watched import NOTHING, Level, WatchedProcess, reveals
from tests.device_agent.exported import Exported, batch

__all__ = ["Report", "fuzz", "main"]

_SERVICE = agent_pb2.DESCRIPTOR.services_by_name["AgentService"]
# Some calls are worth more than others; a benchmark takes longer than a hundred of them.
_WEIGHTS = {"Benchmark": 1, "Invoke": 20, "UploadArtifact": 20, "DescribeArtifact": 10, "AcquireLease": 5}
_THREADS = 6
_CALL_SECONDS = 3.0
# One connection of junk in so many calls.
_JUNK_EVERY = 20
# What says that the caller is to blame, or that somebody else was first; CANCELLED and DEADLINE_EXCEEDED are ours.
_RIGHT = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ABORTED", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "DATA_LOSS",
    "CANCELLED", "DEADLINE_EXCEEDED", "UNIMPLEMENTED",
}  # fmt: skip
_GROWTH_MIB = 64
# More than the store takes.
_LARGE_BYTES = 10**10
_SOME = 5


@dataclass
class Report:
    """What a campaign came to.

    Args:
        calls: how many were made, of which so many...
        junk: ...connections that sent no gRPC.
        statuses: how often each method ended how.
        wrong: calls that ended wrongly: seed of the call, method, status, message.
        before: what the agent held after a warm-up.
        after: what it held at the end.
        log_lines: that it wrote.
        bad: calls that did not end in OK.
        alive: whether it answered at the end, and whenever it was asked.
    """

    calls: int = 0
    junk: int = 0
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    before: Level = NOTHING
    after: Level = NOTHING
    log_lines: int = 0
    bad: int = 0
    alive: bool = True

    def failures(self) -> list[str]:
        """What does not hold, one sentence each."""
        checks = {
            "the agent died or did not answer": not self.alive,
            f"{len(self.wrong)} calls ended wrongly, e.g. {self.wrong[:_SOME]}": bool(self.wrong),
            f"descriptors: {self.before.descriptors}, then {self.after.descriptors}": (
                self.after.descriptors > self.before.descriptors + 2
            ),
            f"agent: {self.before.agent_mib:.0f} MiB, then {self.after.agent_mib:.0f}": (
                self.after.agent_mib > self.before.agent_mib + _GROWTH_MIB
            ),
            f"worker: {self.before.worker_mib:.0f} MiB, then {self.after.worker_mib:.0f}": (
                self.after.worker_mib > self.before.worker_mib + _GROWTH_MIB
            ),
            f"{self.log_lines} lines of log for {self.bad} bad calls": self.log_lines > self.bad,
        }
        return [sentence for sentence, fails in checks.items() if fails]

    def table(self) -> str:
        """Methods and how their calls ended."""
        rows = [f"{self.calls} calls, {self.junk} connections of junk, {self.log_lines} lines of log"]
        for method in sorted({method for method, _ in self.statuses}):
            ends = {status: n for (name, status), n in sorted(self.statuses.items()) if name == method}
            rows.append(f"  {method:17}" + ", ".join(f"{status} {n}" for status, n in ends.items()))
        rows.append(f"  before: {self.before}")
        rows.append(f"  after:  {self.after}")
        return "\n".join(rows)


class _Fuzzer:
    def __init__(self, agent: WatchedProcess, exported: Exported, report: Report) -> None:
        self._agent = agent
        self._report = report
        self._lock = threading.Lock()
        self._model = exported.path("net.tflite").read_bytes()
        good = [agent.upload(exported.path(name)) for name in ("net.tflite", "net.onnx")]
        self._digests = [*good, *good, "0" * 64, "f" * 64]
        self._batch = batch(7, {"args_0": exported.images[:2]})
        self._methods = [m.name for m in _SERVICE.methods for _ in range(_WEIGHTS.get(m.name, 3))]

    def run(self, seeds: Iterator[int]) -> None:
        """Make calls until the seeds have come to their end."""
        with grpc.insecure_channel(self._agent.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            for seed in seeds:
                rng = random.Random(seed)
                if seed % _JUNK_EVERY == 0:
                    self._junk(rng)
                else:
                    self._call(channel, seed, rng)
                if seed % 1000 == 0 and not self._agent.healthy():
                    self._report.alive = False
                    return

    def _junk(self, rng: random.Random) -> None:
        host, _, port = self._agent.target.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=_CALL_SECONDS) as sock:
            try:
                sock.sendall(http2_junk(rng, f"/{_SERVICE.full_name}/{rng.choice(self._methods)}"))
                if rng.random() < 0.3:
                    sock.settimeout(0.05)
                    sock.recv(1024)
            except OSError:
                # It hangs up, or waits for more: both are right.
                pass
        with self._lock:
            self._report.calls += 1
            self._report.junk += 1

    def _call(self, channel: grpc.Channel, seed: int, rng: random.Random) -> None:
        name = rng.choice(self._methods)
        messages = self._messages(rng, name)
        if rng.random() < 1 / 3:
            messages = [damaged(rng, message) if rng.random() < 0.7 else message for message in messages]
        path = f"/{_SERVICE.full_name}/{name}" + ("x" if rng.random() < 0.002 else "")
        method: Any = channel.stream_stream(path, request_serializer=None, response_deserializer=None)
        call = method(iter(messages), timeout=_CALL_SECONDS)
        try:
            # What follows the first answers is more of the same.
            for _ in itertools.islice(call, 3):
                pass
            call.cancel()
            status, details = "OK", ""
        except grpc.RpcError as error:
            status, details = error.code().name, error.details() or ""
        with self._lock:
            self._report.calls += 1
            self._report.bad += status != "OK"
            self._report.statuses[name, status] += 1
            if status not in _RIGHT or (status != "UNIMPLEMENTED" and reveals(details)):
                self._report.wrong.append(f"seed {seed}: {name}: {status}: {details[:300]}")

    def _messages(self, rng: random.Random, name: str) -> list[bytes]:
        if name == "Invoke":
            return self._stream(rng)
        if name == "UploadArtifact":
            return self._upload(rng)
        kind = getattr(agent_pb2, _SERVICE.methods_by_name[name].input_type.name)
        message = random_message(rng, kind(), self._digests)
        if name == "Benchmark" and rng.random() < 0.9:
            # Else nothing else would run; it is the answers' number that counts.
            message.cold, message.runs, message.warmup_runs = False, rng.randint(0, 3), rng.randint(0, 3)
        if name == "AcquireLease":
            message.duration_ns = min(message.duration_ns, 10**7)
        if name == "DeleteArtifact" and message.sha256 in self._digests[:4]:
            message.sha256 = "0" * 64
        count = rng.choice((1, 1, 1, 1, 1, 1, 0, 2))
        return [message.SerializeToString()] * count

    def _stream(self, rng: random.Random) -> list[bytes]:
        header = agent_pb2.InvokeRequest(header=agent_pb2.InvokeHeader(sha256s=[rng.choice(self._digests[:2])]))
        if rng.random() < 0.3:
            header = random_message(rng, agent_pb2.InvokeRequest(), self._digests)
        messages = [header]
        for _ in range(rng.randint(0, 3)):
            right = rng.random() < 0.3
            messages.append(self._batch if right else random_message(rng, agent_pb2.InvokeRequest(), self._digests))
        sealed = []
        for message in messages:
            message.ClearField("crc32")
            body = message.SerializeToString()
            if rng.random() < 0.2:
                body = damaged(rng, body)
            # Its checksum is right, so that the agent looks at it.
            sealed.append(body + b"\x7d" + zlib.crc32(body).to_bytes(4, "little"))
        return sealed

    def _upload(self, rng: random.Random) -> list[bytes]:
        header = random_message(rng, agent_pb2.UploadHeader(), self._digests)
        if rng.random() < 0.7:
            header.size_bytes = rng.choice((1, 100, len(self._model), _LARGE_BYTES))
            header.offset_bytes = rng.choice((0, 0, 0, 1))
            header.sha256 = rng.choice([*self._digests, rng.randbytes(32).hex()])
            header.runtime = rng.choice((1, 2, 3, 4))
        parts = [agent_pb2.UploadArtifactRequest(header=header)] if rng.random() < 0.9 else []
        for _ in range(rng.randint(0, 3)):
            chunk = rng.choice((b"", rng.randbytes(50), self._model, self._model[:100]))
            parts.append(agent_pb2.UploadArtifactRequest(chunk=chunk))
        if rng.random() < 0.1:
            parts.reverse()
        return [part.SerializeToString() for part in parts]


def fuzz(exported: Exported, folder: Path, *, seed: int, count: int) -> Report:
    """Make so many calls.

    Args:
        exported: small models.
        folder: scratch space.
        seed: of the first call; the others count up from it.
        count: calls.
    """
    report = Report()
    with WatchedProcess(folder, "--max-store-bytes", str(2**28), "--batch-seconds", "30") as agent:
        fuzzer = _Fuzzer(agent, exported, report)
        # Pools, caches and a spare worker are there after some of the same.
        _in_threads(fuzzer, range(seed + count, seed + count + max(300, count // 20)))
        report.before = agent.settled()
        lines = len(agent.log())
        report.bad = report.calls = report.junk = 0
        report.statuses.clear()
        _in_threads(fuzzer, range(seed, seed + count))
        report.alive = report.alive and agent.healthy()
        report.after = agent.settled(report.before.descriptors)
        report.log_lines = len(agent.log()) - lines
    return report


def _in_threads(fuzzer: _Fuzzer, seeds: range) -> None:
    threads = [threading.Thread(target=fuzzer.run, args=(iter(seeds[number::_THREADS]),)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Run a campaign; exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.fuzz_requests", description="Hostile calls.")
    parser.add_argument("--seed", type=int, default=0, help="of the first call; each has its own (%(default)s)")
    parser.add_argument("--count", type=int, default=100_000, help="calls (%(default)s)")
    parser.add_argument("--models", type=Path, help="folder of exported models, kept for the next campaign")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="campaign-") as scratch:
        models = options.models or Path(scratch) / "models"
        models.mkdir(parents=True, exist_ok=True)
        report = fuzz(load_models(models), Path(scratch) / "agent", seed=options.seed, count=options.count)
    print(report.table())
    failures = report.failures()
    print("\n".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
