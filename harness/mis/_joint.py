"""Leakage of all rivals together, from ties to far tails: the joint Gaussian limit, sampled where rivals win."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, logsumexp

from harness.mis._chernoff import chernoff
from harness.mis._local import gaussian
from harness.mis._saddle import saddle_log_delta
from harness.types import FloatArray

__all__ = ["JointLaw", "joint_law"]

# Rivals that have a component of the sampling law; the others win beside these or not at all.
MAX_COMPONENTS = 32
# Share of the draws that are made around no rival: they see who wins where nothing is close.
PLAIN_SHARE = 0.2
# Draws in memory at once, and records that the mean over records is taken from.
CHUNK, MAX_RECORDS = 4096, 20_000


@dataclass(frozen=True, eq=False)
class JointLaw:
    """The law of K candidates' losses, as far as the choice among them depends on it.

    Args:
        means: mean loss less that of the best candidate, ``[K]``, all >= 0.
        root: square root of the covariance of the losses less those of the best one, ``[K, rank]``; its row is zero.
        records: the same losses of each record, centred and in the coordinates of ``root``, ``[rank, M]``.
        best: the candidate of the smallest mean.
        closest: centred loss differences of the rival with the smallest gap in standard deviations, ``[N]``.
        nearest: that rival; ``best`` where there is none.
    """

    means: FloatArray
    root: FloatArray
    records: FloatArray
    best: int
    closest: FloatArray
    nearest: int

    @property
    def spreads(self) -> FloatArray:
        """Standard deviation of every rival's loss difference, ``[K]``."""
        return np.asarray(np.linalg.norm(self.root, axis=1))

    def log_delta(self, gaps: FloatArray, *, n: int, normals: FloatArray) -> float:
        """``log Delta_n`` if the mean loss differences were ``gaps``. Derived.

        ``sqrt(n) Delta = 1/2 sum_k E|g_k . (l - E l)|`` with ``g_k`` the gradient of ``P(argmin(h + G) = k)``, ``h =
        sqrt(n) gaps``. The gradients are sampled from a mixture of normal laws, each centred on the likeliest point at
        which one rival wins, so that a rival which wins once in ``e^1000`` trainings is seen as well as a tie. The
        closest pair's saddle-point approximation then replaces its Gaussian one, which matters in the tail.

        Args:
            gaps: ``[K]``, that of ``best`` zero and the others >= 0.
            n: size of the training set.
            normals: standard normal draws ``[draws, rank]``; the same draws give a smooth function of gaps and n.
        """
        h = math.sqrt(n) * gaps
        sums, offset = self._gradients(h, normals)
        total = 0.0
        first, second = sums
        for k in range(len(h)):
            both = first[k] + second[k]
            length = float(both @ both)
            if length == 0.0:
                continue
            # Noise lengthens a vector; the product of its two halves has none.
            shrunk = math.sqrt(min(1.0, max(0.0, 4.0 * float(first[k] @ second[k]) / length)))
            total += shrunk * float(np.abs(both @ self.records).mean())
        if total <= 0.0:
            return -math.inf
        value = math.log(0.5 * total) + offset - 0.5 * math.log(n) + self._tail_correction(gaps, n)
        return min(value, math.log1p(-1.0 / len(h)))

    def _gradients(self, h: FloatArray, normals: FloatArray) -> tuple[tuple[FloatArray, FloatArray], float]:
        """``E[e 1{argmin(h + root e) = k}]`` of either half of the draws, ``[K, rank]``, and the log of their unit."""
        spreads = self.spreads
        rivals = np.flatnonzero((spreads > 0.0) & (np.arange(len(h)) != self.best))
        distance = h[rivals] / spreads[rivals]
        near = np.argsort(distance, kind="stable")[:MAX_COMPONENTS]
        centres = -(distance[near] / spreads[rivals[near]])[:, None] * self.root[rivals[near]]
        log_share = log_ndtr(-distance[near])
        log_share += math.log(1.0 - PLAIN_SHARE) - logsumexp(log_share)
        centres = np.concatenate([np.zeros((1, centres.shape[1])), centres])
        log_share = np.concatenate([[math.log(PLAIN_SHARE)], log_share])
        edges = np.concatenate([[0.0], np.cumsum(np.exp(log_share))])
        # Every component gets its share of either half of the draws, at evenly spread places.
        places = (np.arange(len(normals) // 2) + 0.5) / (len(normals) // 2)
        of = np.clip(np.searchsorted(edges, places) - 1, 0, len(centres) - 1)
        halves = []
        logs = []
        for begin in (0, len(of)):
            e = normals[begin : begin + len(of)] + centres[of]
            weights, winners = self._weighed(h, e, centres, log_share)
            logs.append(weights)
            halves.append((e, winners))
        lost = [w[winners != self.best] for w, (_, winners) in zip(logs, halves, strict=True)]
        offset = max((float(one.max()) for one in lost if len(one)), default=0.0)
        sums = []
        for weights, (e, winners) in zip(logs, halves, strict=True):
            rival = winners != self.best
            scaled = np.exp(weights[rival] - offset)[:, None] * e[rival]
            out = np.zeros((len(h), e.shape[1]))
            np.add.at(out, winners[rival], scaled)
            # All candidates together move nothing, so the best one's part is what the rivals take.
            out[self.best] = -out.sum(axis=0)
            sums.append(out / (2 * len(e)))
        return (sums[0], sums[1]), offset

    def _weighed(
        self, h: FloatArray, e: FloatArray, centres: FloatArray, log_share: FloatArray
    ) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.intp]]]:
        log_weights = np.empty(len(e))
        winners = np.empty(len(e), dtype=np.intp)
        half_norms = 0.5 * (centres * centres).sum(axis=1)
        for begin in range(0, len(e), CHUNK):
            rows = slice(begin, begin + CHUNK)
            # Relative to the standard normal law, whose own exponent cancels.
            log_weights[rows] = -logsumexp(log_share + e[rows] @ centres.T - half_norms, axis=1)
            winners[rows] = np.argmin(h + e[rows] @ self.root.T, axis=1)
        return log_weights, winners

    def _tail_correction(self, gaps: FloatArray, n: int) -> float:
        """What the closest pair's saddle-point approximation adds to its Gaussian limit."""
        spread = float(self.spreads[self.nearest])
        gap = float(gaps[self.nearest])
        if self.nearest == self.best or spread == 0.0 or gap <= 0.0:
            return 0.0
        x = self.closest + gap
        tilt = chernoff(x)
        if tilt.status in ("never_beaten", "extrapolated"):
            return 0.0
        mean_deviation = float(np.abs(self.closest).mean()) / spread
        gauss = math.log(mean_deviation) - 0.5 * math.log(2.0 * math.pi * n) - 0.5 * n * (gap / spread) ** 2
        exact = saddle_log_delta(x, n=n, tilt=tilt)
        return exact - gauss if math.isfinite(exact) else 0.0


def joint_law(matrix: FloatArray) -> JointLaw:
    """The joint law of the candidates of one quantizer.

    Args:
        matrix: losses ``[K, N]`` on held-out records, no duplicates.
    """
    means = matrix.mean(axis=1, dtype=np.float64)
    best = int(np.argmin(means))
    centred = matrix - np.asarray(matrix[best], dtype=np.float64)
    gaps = means - means[best]
    centred -= centred.mean(axis=1)[:, None]
    law = gaussian(gaps, centred @ centred.T / max(1, centred.shape[1] - 1))
    root = law.root
    root[best] = 0.0
    step = max(1, centred.shape[1] // MAX_RECORDS)
    records = law.pull.T @ centred[:, ::step]
    spreads = np.linalg.norm(root, axis=1)
    ratios = np.where(spreads > 0.0, gaps / np.where(spreads > 0.0, spreads, 1.0), np.inf)
    ratios[best] = np.inf
    nearest = int(np.argmin(ratios)) if np.isfinite(ratios).any() else best
    return JointLaw(gaps, root, records, best, centred[nearest], nearest)
