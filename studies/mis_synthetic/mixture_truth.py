"""The true leakage of rounded prototypes: given how many records fell into each mode, weights are independent."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp, ndtr

from harness.types import FloatArray, IntArray
from studies.mis_synthetic.mixture_law import MixtureLaw
from studies.mis_synthetic.regression_truth import TWO_SIDED, Bracket

__all__ = ["leakage_of_rounding"]

# A chance below this is not told from none.
TINY = 1e-300


def leakage_of_rounding(
    law: MixtureLaw, quantizer: str, *, n: int, records: int, codes: int, counts: int, rng: np.random.Generator
) -> Bracket:
    """``Delta_n = E_z E_code max(0, 1 - L_z(code))`` with L_z the code's likelihood with record z over that without.

    Given the other records' modes the mean is Gaussian with independent weights, so a code's likelihood is a product,
    and that product averaged over drawn mode counts is the likelihood. Half of these draws decide whether L_z < 1, the
    other half how much it lacks (biased down); all of them do both (biased up).

    Args:
        law: the law.
        quantizer: whose codes leak.
        n: training-set size, at least 2.
        records: target records to average over.
        codes: codes drawn from the law without z.
        counts: draws of the mode counts, even.
        rng: source of all.
    """
    targets = law.records(records, rng).features
    drawn = law.codes(law.means(law.counts(codes, n, rng), rng), quantizer)
    cuts = law.grids[quantizer].cuts[0]
    picks = _one_hot(drawn, len(cuts) + 1)
    others = law.counts(counts, n - 1, rng)
    one_more = others + law.counts(counts, 1, rng)
    usual = _log_likelihoods(picks, cuts, one_more @ law.modes / n, 1.0 / math.sqrt(n))
    shifted, left = others @ law.modes / n, math.sqrt(n - 1) / n
    low, high = np.empty(records), np.empty(records)
    parts = (slice(0, counts // 2), slice(counts // 2, counts))
    base = [logsumexp(usual[:, part], axis=1) for part in parts]
    for row, target in enumerate(targets):
        logs = _log_likelihoods(picks, cuts, shifted + target / n, left)
        ratio = [np.exp(logsumexp(logs[:, part], axis=1) - one) for part, one in zip(parts, base, strict=True)]
        both = np.exp(logsumexp(logs, axis=1) - np.logaddexp(*base))
        crossed = (1.0 - ratio[1]) * (ratio[0] < 1.0) + (1.0 - ratio[0]) * (ratio[1] < 1.0)
        low[row], high[row] = 0.5 * crossed.mean(), np.maximum(1.0 - both, 0.0).mean()
    reach = TWO_SIDED / math.sqrt(records)
    bottom = float(low.mean()) - reach * float(low.std(ddof=1))
    top = float(high.mean()) + reach * float(high.std(ddof=1))
    value = 0.5 * float(low.mean() + high.mean())
    return Bracket(max(value, 0.0), min(max(bottom, 0.0), max(value, 0.0)), min(top, 1.0), "modes' counts")


def _one_hot(codes: IntArray, levels: int) -> FloatArray:
    """Which level each weight of each code has, ``[C, d * levels]``."""
    return np.asarray((codes[:, :, None] == np.arange(levels)).reshape(len(codes), -1), dtype=np.float64)


def _log_likelihoods(picks: FloatArray, cuts: FloatArray, means: FloatArray, spread: float) -> FloatArray:
    """``log P(code | mean)`` of C codes for U means, ``[C, U]``."""
    edges = ndtr((cuts - means[..., None]) / spread)
    inner = np.concatenate([np.zeros((*means.shape, 1)), edges, np.ones((*means.shape, 1))], axis=-1)
    logs = np.log(np.maximum(np.diff(inner, axis=-1), TINY))
    return np.asarray(picks @ logs.reshape(len(means), -1).T, dtype=np.float64)
