"""How often attacks' intervals miss "no leakage", beside what shuffled membership does."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Self

from harness import fields

__all__ = ["NullSummary", "PooledNull"]


@dataclass(frozen=True, kw_only=True)
class NullSummary:
    """What a calibration says in figures; NaN where a figure is not known.

    Args:
        attacks: number of attacks.
        n_members: number of members.
        n_nonmembers: number of non-members.
        level: nominal coverage of the pointwise intervals.
        permutations: number of permutations.
        missing: the attacks whose pointwise interval misses 0.5.
        miss_share: their share.
        null_share: mean share of misses over the permutations.
        null_quantile: share that permutations exceed with probability ``1 - level`` at most.
        p_value: probability of this many misses or more where membership is shuffled.
        max_z: largest ``abs(z)`` over the attacks.
        critical_z: the quantile that all intervals must use to hold 0.5 together.
        max_z_p_value: family-wise p-value of the strongest attack.
        holds: whether every attack's simultaneous interval holds 0.5.
    """

    attacks: int
    n_members: int
    n_nonmembers: int
    level: float
    permutations: int
    missing: tuple[str, ...]
    miss_share: float
    null_share: float
    null_quantile: float
    p_value: float
    max_z: float
    critical_z: float
    max_z_p_value: float
    holds: bool

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            name: (None if isinstance(value, float) and not math.isfinite(value) else value)
            for name, value in (asdict(self) | {"missing": list(self.missing)}).items()
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The summary that :meth:`to_json` wrote; None where the object counts no attacks."""
        attacks = fields.integer(node, "attacks")
        if attacks is None:
            return None

        return cls(
            attacks=attacks,
            n_members=fields.integer(node, "n_members") or 0,
            n_nonmembers=fields.integer(node, "n_nonmembers") or 0,
            level=fields.figure(node, "level"),
            permutations=fields.integer(node, "permutations") or 0,
            missing=fields.strings(node, "missing"),
            miss_share=fields.figure(node, "miss_share"),
            null_share=fields.figure(node, "null_share"),
            null_quantile=fields.figure(node, "null_quantile"),
            p_value=fields.figure(node, "p_value"),
            max_z=fields.figure(node, "max_z"),
            critical_z=fields.figure(node, "critical_z"),
            max_z_p_value=fields.figure(node, "max_z_p_value"),
            holds=fields.flag(node, "holds"),
        )


@dataclass(frozen=True)
class PooledNull:
    """The misses of several audits together, compared with chance.

    Args:
        audits: number of audits.
        tests: number of intervals in all.
        misses: intervals that miss 0.5.
        level: nominal coverage of the pointwise intervals.
        null_share: mean share of misses by chance.
        null_quantile: share that chance exceeds with probability ``1 - level`` at most.
        p_value: probability of this many misses or more by chance.
    """

    audits: int
    tests: int
    misses: int
    level: float
    null_share: float
    null_quantile: float
    p_value: float

    @property
    def miss_share(self) -> float:
        """Share of intervals that miss 0.5."""
        return self.misses / self.tests

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "audits": self.audits,
            "tests": self.tests,
            "misses": self.misses,
            "miss_share": self.miss_share,
            "level": self.level,
            "null_share": self.null_share,
            "null_quantile": self.null_quantile,
            "p_value": self.p_value,
        }
