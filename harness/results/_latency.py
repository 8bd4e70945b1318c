"""What a benchmark found of one artifact on one device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from harness import fields
from harness.types import Estimate

__all__ = ["Latency"]


@dataclass(frozen=True)
class Latency:
    """Kernel time of one artifact on one device, and what its first answer costs.

    Args:
        p50_ns: median, nanoseconds.
        p95_ns: 95th percentile, nanoseconds.
        runs: counted runs.
        throttled: the board slowed down while it was measured.
        batch_size: records a run.
        threads: of the interpreter.
        p90_ns: 90th percentile, nanoseconds.
        p99_ns: 99th percentile, nanoseconds.
        rounds: in how many rounds the runs were made, every other file having its turn in each.
        throttled_because: the signs of throttling, one phrase each.
        ratio: median over the original's on the same runtime, paired by round; None where it was not compared.
        not_compared: why there is no ratio; empty for the original itself.
        cold_load_ns: loading the file in a fresh process that has imported the runtime's library, nanoseconds.
        first_inference_ns: the first run after that, nanoseconds.
        peak_bytes: most memory of that process, its library included, from before the load to after the runs.
        added_bytes: what the process held more at that peak than before the load.
    """

    p50_ns: Estimate
    p95_ns: Estimate
    runs: int
    throttled: bool
    batch_size: int = 1
    threads: int = 1
    p90_ns: Estimate | None = None
    p99_ns: Estimate | None = None
    rounds: int = 1
    throttled_because: tuple[str, ...] = ()
    ratio: Estimate | None = None
    not_compared: str = ""
    cold_load_ns: int | None = None
    first_inference_ns: int | None = None
    peak_bytes: int | None = None
    added_bytes: int | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "p50_ns": self.p50_ns.to_json(),
            "p90_ns": _json_of(self.p90_ns),
            "p95_ns": self.p95_ns.to_json(),
            "p99_ns": _json_of(self.p99_ns),
            "runs": self.runs,
            "rounds": self.rounds,
            "throttled": self.throttled,
            "throttled_because": list(self.throttled_because),
            "batch_size": self.batch_size,
            "threads": self.threads,
            "ratio": _json_of(self.ratio),
            "not_compared": self.not_compared,
            "cold_load_ns": self.cold_load_ns,
            "first_inference_ns": self.first_inference_ns,
            "peak_bytes": self.peak_bytes,
            "added_bytes": self.added_bytes,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The latency that :meth:`to_json` wrote, now or by an earlier version; None where it has no median."""
        p50 = Estimate.from_json(node.get("p50_ns"))
        if p50 is None:
            return None
        return cls(
            p50_ns=p50,
            p90_ns=Estimate.from_json(node.get("p90_ns")),
            p95_ns=Estimate.from_json(node.get("p95_ns")) or Estimate.unknown(),
            p99_ns=Estimate.from_json(node.get("p99_ns")),
            runs=fields.integer(node, "runs") or 0,
            rounds=fields.integer(node, "rounds") or 1,
            throttled=fields.flag(node, "throttled"),
            throttled_because=fields.strings(node, "throttled_because"),
            batch_size=fields.integer(node, "batch_size") or 1,
            threads=fields.integer(node, "threads") or 1,
            ratio=Estimate.from_json(node.get("ratio")),
            not_compared=fields.text(node, "not_compared"),
            cold_load_ns=fields.integer(node, "cold_load_ns"),
            first_inference_ns=fields.integer(node, "first_inference_ns"),
            peak_bytes=fields.integer(node, "peak_bytes"),
            added_bytes=fields.integer(node, "added_bytes"),
        )


def _json_of(value: Estimate | None) -> Any:
    return None if value is None else value.to_json()
