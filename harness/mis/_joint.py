"""Leakage of all rivals together, from ties to far tails: the joint Gaussian limit, sampled where rivals win."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import log_ndtr

from harness.mis._chernoff import chernoff
from harness.mis._local import gaussian
from harness.mis._pairs import SNR_LIMIT
from harness.mis._saddle import gauss_log_delta, saddle_log_delta
from harness.types import FloatArray

__all__ = ["JointLaw", "joint_law", "log_sum"]

# Rivals that have a component of the sampling law; the others win beside these or not at all.
MAX_COMPONENTS = 32
# Share of the draws that are made around no rival: they see who wins where nothing is close.
PLAIN_SHARE = 0.2
# Stand for minus infinity, and for the zero that is its exponential, so that no difference of two is NaN.
LARGEST, LEAST = 1e300, 1e-300
# A pair's variance below this share of the largest is rounding.
ROUNDING = 1e-12
# Draws in memory at once, and products of candidates, directions and records in the mean over records.
CHUNK, MAX_PRODUCTS = 4096, 1 << 27
# Standard deviations of the summed loss beyond which the closest pair's closed form is all that can be computed.
FARTHEST = 1e5


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

    @cached_property
    def precisions(self) -> FloatArray:
        """One over the variance of every pair's loss difference, ``[K, K]``; infinite where it does not vary."""
        products = self.root @ self.root.T
        squares = np.diag(products)
        variances = squares[None, :] + squares[:, None] - 2.0 * products
        # What is left by rounding is no spread.
        out = np.where(variances > ROUNDING * squares.max(), 1.0 / np.maximum(variances, 1e-300), np.inf)
        np.fill_diagonal(out, 0.0)
        return out

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

        Returns:
            A number <= ``log(1 - 1/K)``; minus infinity where no rival's loss varies against that of the best.
        """
        closest = self._closest(gaps)
        if not math.isfinite(closest):
            return -math.inf
        if closest * math.sqrt(n) > FARTHEST:  # beyond, draws around so far a point are lost in rounding
            value = float(gauss_log_delta(np.array(closest), n=n))
        else:
            vectors, offset = self._pulls(gaps, n, normals)
            total = float(np.abs(vectors @ self.records).sum(axis=0).mean())
            if total <= 0.0:
                return -math.inf
            value = math.log(0.5 * total) + offset - 0.5 * math.log(n)
        return min(value + self._tail_correction(gaps, n), math.log1p(-1.0 / len(gaps)))

    def standard_error(self, gaps: FloatArray, *, n: int, normals: FloatArray) -> float:
        """Standard error of :meth:`log_delta` at known gaps: N records also had to tell how losses spread. Derived.

        First order, by each record's influence on the mean of ``|g . l|`` and on the covariance that scales it. For two
        candidates that tie it is exact: ``.27 / sqrt(N)`` where losses are normal.
        """
        if not self._closest(gaps) * math.sqrt(n) <= FARTHEST:
            return 0.0
        vectors, _ = self._pulls(gaps, n, normals)
        vectors = vectors[np.abs(vectors).sum(axis=1) > 0.0]
        along = vectors @ self.records
        mean = float(np.abs(along).sum(axis=0).mean())
        if mean <= 0.0:
            return 0.0
        signs = np.sign(along) @ self.records.T / along.shape[1]
        influence = np.abs(along).sum(axis=0) - 0.5 * (along * (signs @ self.records)).sum(axis=0)
        points, used = len(self.closest), along.shape[1]
        # Records that are left out of the mean know the spreads, but not the mean.
        left_out = max(0.0, 1.0 / used - 1.0 / points) * float(np.abs(along).sum(axis=0).var())
        return math.sqrt(float(influence.var()) / points + left_out) / mean

    def _closest(self, gaps: FloatArray) -> float:
        """The smallest gap in standard deviations; infinite where no rival's loss varies."""
        spreads = self.spreads
        varies = (spreads > 0.0) & (np.arange(len(gaps)) != self.best)
        return float((gaps[varies] / spreads[varies]).min()) if varies.any() else math.inf

    def _pulls(self, gaps: FloatArray, n: int, normals: FloatArray) -> tuple[FloatArray, float]:
        """``g_k`` in the coordinates of ``records``, ``[K, rank]``, and the log of their unit."""
        (first, second), offset = self._gradients(math.sqrt(n) * gaps, normals)
        both = first + second
        # Noise lengthens a vector; the product of its two halves has none.
        lengths, products = (both * both).sum(axis=1), (first * second).sum(axis=1)
        shares = np.divide(4.0 * products, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
        return np.sqrt(np.clip(shares, 0.0, 1.0))[:, None] * both, offset

    def _gradients(self, h: FloatArray, normals: FloatArray) -> tuple[tuple[FloatArray, FloatArray], float]:
        """``E[e 1{argmin(h + root e) = k}]`` of either half of the draws, ``[K, rank]``, and the log of their unit."""
        spreads = self.spreads
        rivals = np.flatnonzero((spreads > 0.0) & (np.arange(len(h)) != self.best))
        distance = h[rivals] / spreads[rivals]
        near = np.argsort(distance, kind="stable")[:MAX_COMPONENTS]
        centres = -(distance[near] / spreads[rivals[near]])[:, None] * self.root[rivals[near]]
        log_share = log_ndtr(-distance[near])
        log_share += math.log(1.0 - PLAIN_SHARE) - float(log_sum(log_share[None])[0])
        centres = np.concatenate([np.zeros((1, centres.shape[1])), centres])
        log_share = np.concatenate([[math.log(PLAIN_SHARE)], log_share])
        edges = np.concatenate([[0.0], np.cumsum(np.exp(log_share))])
        # Every component gets its share of either half of the draws, at evenly spread places.
        places = (np.arange(len(normals) // 2) + 0.5) / (len(normals) // 2)
        of = np.clip(np.searchsorted(edges, places) - 1, 0, len(centres) - 1)
        lost = []
        for begin in (0, len(of)):
            e = normals[begin : begin + len(of)] + centres[of]
            weights, winners = self._weighed(h, e, centres, log_share)
            rival = winners != self.best
            lost.append((weights[rival], winners[rival], e[rival]))
        offset = max((float(weights.max()) for weights, _, _ in lost if len(weights)), default=0.0)
        first, second = (
            _summed(winners, np.exp(weights - offset)[:, None] * e, len(h)) / (2 * len(of))
            for weights, winners, e in lost
        )
        # All candidates together move nothing, so the best one's part is what the rivals take.
        first[self.best], second[self.best] = -first.sum(axis=0), -second.sum(axis=0)
        return (first, second), offset

    def _weighed(
        self, h: FloatArray, e: FloatArray, centres: FloatArray, log_share: FloatArray
    ) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.intp]]]:
        log_weights = np.empty(len(e))
        winners = np.empty(len(e), dtype=np.intp)
        half_norms = 0.5 * (centres * centres).sum(axis=1)
        for begin in range(0, len(e), CHUNK):
            rows = slice(begin, begin + CHUNK)
            # Relative to the standard normal law, whose own exponent cancels.
            log_weights[rows] = -log_sum(log_share + e[rows] @ centres.T - half_norms)
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


def log_sum(exponents: FloatArray) -> FloatArray:
    """Logarithm of every row's sum of exponentials; of nothing it is a large negative number."""
    top = np.maximum(exponents.max(axis=1), -LARGEST)
    return np.asarray(top + np.log(np.maximum(np.exp(exponents - top[:, None]).sum(axis=1), LEAST)))


def _summed(winners: np.ndarray[tuple[int], np.dtype[np.intp]], rows: FloatArray, count: int) -> FloatArray:
    """Sum of the rows of each winner, ``[count, rank]``."""
    out = np.zeros((count, rows.shape[1]))
    if len(winners):
        order = np.argsort(winners, kind="stable")
        present, starts = np.unique(winners[order], return_index=True)
        out[present] = np.add.reduceat(rows[order], starts, axis=0)
    return out


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
    step = max(1, math.ceil(root.size * centred.shape[1] / MAX_PRODUCTS))
    records = law.pull.T @ centred[:, ::step]
    # A spread below the rounding of the gap is none: that rival never wins.
    root[np.linalg.norm(root, axis=1) * SNR_LIMIT <= gaps] = 0.0
    spreads = np.linalg.norm(root, axis=1)
    ratios = np.where(spreads > 0.0, gaps / np.where(spreads > 0.0, spreads, 1.0), np.inf)
    ratios[best] = np.inf
    nearest = int(np.argmin(ratios)) if np.isfinite(ratios).any() else best
    return JointLaw(gaps, root, records, best, centred[nearest], nearest)
