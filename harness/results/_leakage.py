"""The leakage of a quantizer: what is predicted, what an attack shows, and whether another quantizer leaks more."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from harness import fields
from harness.types import Estimate

__all__ = ["CANDIDATES", "COORDINATES", "Comparison", "Leakage", "Witness"]

# What a leakage is computed with.
CANDIDATES, COORDINATES = "candidates", "coordinates"
# An interval that spans more than this factor cannot tell.
RESOLVED_FACTOR = 3.0


@dataclass(frozen=True)
class Leakage:
    """``Delta_n = 1 - MIS_n`` of one quantizer: by how much the best membership attack beats guessing, predicted.

    Args:
        delta: the estimate with its interval, 0 to 1; not resolvable (no value, interval 0 to 1) where nothing was
            probed.
        logs: natural logarithms of value, low and high: far below 1e-300 a leakage is still a number here.
        law: what it was computed with: ``candidates`` (the joint law of the candidates' losses) or ``coordinates`` (how
            much of each float weight the deployed code retains).
        status: ``ok``; ``unresolved`` (the interval spans more than a factor of three); ``single_candidate`` (no rival
            was generated: nothing is known); ``too_few_records``; ``contradicted`` (an attack shows more than the
            whole interval says); ``not_stored`` (read from a file that has none, of an earlier version).
        needed_records: evaluation records that would tell a gap of n r = 2 from a tie, where there are fewer.
        plug_in: log of what the seen gaps would give if they were exact; NaN where not computed.
        replaced: the prediction in whose place ``delta`` says what an attack shows at least: the attack refuted it, or
            it was none. None where ``delta`` is a prediction.
    """

    delta: Estimate
    logs: tuple[float, float, float]
    law: str
    status: str
    needed_records: int | None = None
    plug_in: float = math.nan
    replaced: Estimate | None = None

    @property
    def is_probed(self) -> bool:
        """Whether there is a figure at all."""
        return self.delta.resolvable and math.isfinite(self.delta.value)

    @property
    def mis(self) -> float | None:
        """``MIS_n = 1 - Delta_n``; None unless the status is ``ok``."""
        return 1.0 - self.delta.value if self.is_probed and self.status == "ok" else None

    @classmethod
    def of_logs(
        cls,
        logs: tuple[float, float, float],
        *,
        n: int,
        method: str,
        law: str,
        level: float,
        is_shown: bool = True,
        needed_records: int | None = None,
        plug_in: float = math.nan,
    ) -> Self:
        """A prediction from the logarithms of value, low and high: ``ok``, or ``unresolved`` where it says too little.

        Args:
            logs: see the class.
            n: what the interval rests on, records or refits.
            method: how it was estimated.
            law: see the class.
            level: coverage of the interval.
            is_shown: whether what it rests on can show what decides; else it is unresolved, however narrow.
            needed_records: see the class.
            plug_in: see the class.
        """
        value, low, high = logs
        delta = Estimate(math.exp(value), math.exp(low), math.exp(high), n, method, level)
        is_wide = high - low > math.log(RESOLVED_FACTOR)
        return cls(delta, logs, law, "ok" if is_shown and not is_wide else "unresolved", needed_records, plug_in)

    @classmethod
    def unknown(cls, *, n: int, law: str, status: str, level: float = 0.95, needed_records: int | None = None) -> Self:
        """Of a quantizer that was not probed: the interval holds everything."""
        nothing = Estimate(math.nan, 0.0, 1.0, n, law, level, resolvable=False)
        return cls(nothing, (math.nan, -math.inf, 0.0), law, status, needed_records)

    def floored(self, low: float) -> Leakage:
        """The same where an attack shows at least ``low``.

        An interval that lies below it is refuted: what is left is that the leakage is at least so large.
        """
        if not low > 0.0:
            return self
        bound = math.log(low)
        if self.is_probed and self.delta.high >= low:
            value, lower = max(self.delta.value, low), max(self.delta.low, low)
            logs = (max(self.logs[0], bound), max(self.logs[1], bound), self.logs[2])
            return replace(self, delta=replace(self.delta, value=value, low=lower), logs=logs)
        delta = replace(self.delta, value=low, low=low, high=1.0, resolvable=True)
        status = "contradicted" if self.is_probed else self.status
        return replace(self, delta=delta, logs=(bound, bound, 0.0), status=status, replaced=self.delta)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "delta": self.delta.to_json(),
            "logs": [fields.finite(value) for value in self.logs],
            "law": self.law,
            "status": self.status,
            "needed_records": self.needed_records,
            "plug_in": fields.finite(self.plug_in),
            "replaced": None if self.replaced is None else self.replaced.to_json(),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """What :meth:`to_json` wrote; what is missing was not probed."""
        delta = Estimate.from_json(node.get("delta"))
        law, status = fields.text(node, "law"), fields.text(node, "status")
        needed = fields.integer(node, "needed_records")
        if delta is None:
            return cls.unknown(n=0, law=law, status=status or "not_stored", needed_records=needed)
        logs = fields.numbers(node, "logs")
        value, low, high = logs if len(logs) == 3 else (None, None, None)
        ends = (
            math.nan if value is None else value,
            -math.inf if low is None else low,
            0.0 if high is None else high,
        )
        replaced = Estimate.from_json(node.get("replaced"))
        return cls(delta, ends, law, status, needed, fields.figure(node, "plug_in"), replaced)


@dataclass(frozen=True)
class Comparison:
    """Whether one quantizer leaks more than another, from paired draws of the same records.

    Args:
        log_ratio: ``log(Delta_this / Delta_other)`` with its interval.
    """

    log_ratio: Estimate

    @property
    def verdict(self) -> str:
        """``safer``, ``leaks more`` or ``not resolved``."""
        if not self.log_ratio.resolvable:
            return "not resolved"
        if self.log_ratio.high < 0.0:
            return "safer"
        return "leaks more" if self.log_ratio.low > 0.0 else "not resolved"

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"log_ratio": self.log_ratio.to_json(), "verdict": self.verdict}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """What :meth:`to_json` wrote; None where there is no ratio."""
        ratio = Estimate.from_json(node.get("log_ratio"))
        return None if ratio is None else cls(ratio)


@dataclass(frozen=True)
class Witness:
    """An attack of the same audit on the same variant: ``Delta_n`` cannot be below its ``2 Acc - 1``.

    Args:
        attack: its name.
        variant: the variant that it attacked.
        runtime: where that ran.
        advantage: ``2 Acc - 1`` at a cut that was fixed on other data, with its interval.
    """

    attack: str
    variant: str
    runtime: str
    advantage: Estimate

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "attack": self.attack,
            "variant": self.variant,
            "runtime": self.runtime,
            "advantage": self.advantage.to_json(),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """What :meth:`to_json` wrote; None where there is no advantage."""
        advantage = Estimate.from_json(node.get("advantage"))
        if advantage is None:
            return None
        return cls(fields.text(node, "attack"), fields.text(node, "variant"), fields.text(node, "runtime"), advantage)
