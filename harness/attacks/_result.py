"""What one evaluation returns: results together with the scores that they were measured on."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.results import Increase, Result, Simultaneous, Skipped
from harness.types import FloatArray

__all__ = ["AttackResult", "Evaluation"]


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackResult(Result):
    """A result together with what it was measured on.

    Args:
        scores: membership scores ``[n]``; not in the JSON.
    """

    scores: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Evaluation:
    """Everything that one evaluation found.

    Args:
        results: in the order NR, SR, MR.
        skipped: attacks that did not run.
        increases: the strongest attack of each view against the strongest on the original alone.
        correction: how the simultaneous intervals were made; None where there is no result.
    """

    results: tuple[AttackResult, ...]
    skipped: tuple[Skipped, ...]
    increases: tuple[Increase, ...] = ()
    correction: Simultaneous | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object with the keys ``results``, ``skipped``, ``increases`` and ``correction``."""
        return {
            "results": [r.to_json() for r in self.results],
            "skipped": [s.to_json() for s in self.skipped],
            "increases": [i.to_json() for i in self.increases],
            "correction": None if self.correction is None else self.correction.to_json(),
        }

    def find(self, attack: str, *variants: str) -> AttackResult:
        """The result of one attack on exactly these variants.

        Raises:
            KeyError: there is none.
        """
        for result in self.results:
            if result.attack == attack and result.variants == variants:
                return result
        raise KeyError((attack, *variants))
