"""Score populations with a leakage that is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from scipy.stats import norm

from harness.types import FloatArray, IntArray

# Scores of records and the membership of each: 1 a member, 0 a non-member.
Scored = tuple[FloatArray, IntArray]


@dataclass(frozen=True)
class Population:
    """Non-members score N(0, 1); a share ``exposed`` of the members scores N(shift, 1), the others as non-members."""

    shift: float
    exposed: float = 1.0

    @property
    def auc(self) -> float:
        return float(self.exposed * norm.cdf(self.shift / np.sqrt(2)) + (1 - self.exposed) * 0.5)

    def tpr(self, fpr: float) -> float:
        return float(self.exposed * norm.sf(norm.isf(fpr) - self.shift) + (1 - self.exposed) * fpr)

    def tpr_above(self, threshold: float) -> float:
        return float(self.exposed * norm.sf(threshold - self.shift) + (1 - self.exposed) * norm.sf(threshold))

    def draw(self, n_members: int, n_nonmembers: int, rng: np.random.Generator) -> Scored:
        scores = rng.normal(size=n_members + n_nonmembers)
        scores[:n_members] += self.shift * (rng.random(n_members) < self.exposed)
        membership = np.zeros(n_members + n_nonmembers, dtype=np.int64)
        membership[:n_members] = 1
        return scores, membership

    def __str__(self) -> str:
        return f"AUC {self.auc:.2f}" + (f", {self.exposed:.0%} of members exposed" if self.exposed < 1 else "")


NOTHING = Population(0.0)
WEAK = (Population(0.178), Population(0.358), Population(0.742))  # AUC .55, .60, .70
FEW_EXPOSED = Population(2.5, exposed=0.1)
STRONG = Population(2.5)


@st.composite
def scored(draw: st.DrawFn, *, max_side: int = 25, values: int = 12) -> Scored:
    """Scores with many ties and a membership with both kinds, in any order."""
    m, n = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    scores = draw(st.lists(st.integers(-values, values), min_size=m + n, max_size=m + n))
    membership = draw(st.permutations([1] * m + [0] * n))
    return np.array(scores, dtype=float), np.array(membership)
