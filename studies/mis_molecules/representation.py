"""A frozen representation of molecules: fingerprints and descriptors, projected by what other molecules taught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import FloatArray, IntArray

__all__ = ["BITS", "RADIUS", "Raw", "Represented", "raw_features", "represent"]

BITS, RADIUS = 2048, 2
# Descriptors are clipped to these shares of the representation part: a few grow like factorials of the size.
TAILS = (0.005, 0.995)
# A molecule this many times as long as the typical one is shortened to it, or its single loss would steer the head.
LONGEST = 2.0
# Molecules between two reports of progress.
REPORT = 200


@dataclass(frozen=True, eq=False)
class Raw:
    """What RDKit says of N molecules.

    Args:
        bits: Morgan fingerprints, 0 or 1, ``[N, BITS]``.
        descriptors: RDKit's 2D descriptors ``[N, D]``; may hold NaN and infinities.
    """

    bits: NDArray[np.uint8]
    descriptors: FloatArray


@dataclass(frozen=True, eq=False)
class Represented:
    """Features that a linear head sees.

    Args:
        features: ``[N, dimensions + 1]``; the last column is constant, so that the offset is a weight like the others.
        replaced: descriptor values that were not finite and became the descriptor's median.
        explained: share of the representation part's variance that the projection keeps.
    """

    features: FloatArray
    replaced: int
    explained: float


def raw_features(structures: Sequence[Any], progress: Callable[[int, int], None]) -> Raw:
    """Morgan fingerprints (Rogers and Hahn 2010; radius 2, 2,048 bits) and RDKit's 2D descriptors.

    Args:
        structures: RDKit molecules.
        progress: called with (done, total).
    """
    from rdkit import rdBase
    from rdkit.Chem import Descriptors, rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    describe: Callable[..., dict[str, float]] = Descriptors.CalcMolDescriptors
    bits, descriptors = [], []
    with rdBase.BlockLogs():
        for done, structure in enumerate(structures):
            if done % REPORT == 0:
                progress(done, len(structures))
            bits.append(generator.GetFingerprintAsNumPy(structure))
            descriptors.append(list(describe(structure, missingVal=np.nan).values()))
    progress(len(structures), len(structures))
    return Raw(np.stack(bits).astype(np.uint8), np.array(descriptors, dtype=np.float64))


def represent(raw: Raw, rows: IntArray, *, dimensions: int) -> Represented:
    """Standardise, whiten and project, all by the molecules in ``rows`` alone.

    Args:
        raw: all molecules.
        rows: the representation part, used for nothing else.
        dimensions: principal components to keep, fewer than ``rows``.
    """
    from sklearn.decomposition import PCA

    descriptors, replaced = _finite(raw.descriptors, rows)
    low, high = np.quantile(descriptors[rows], TAILS, axis=0)
    columns = np.hstack([raw.bits.astype(np.float64), np.clip(descriptors, low, high)])
    centre, spread = columns[rows].mean(axis=0), columns[rows].std(axis=0)
    varies = spread > 0
    standard = (columns[:, varies] - centre[varies]) / spread[varies]
    pca = PCA(n_components=dimensions, whiten=True, svd_solver="full").fit(standard[rows])
    projected = pca.transform(standard)
    root = np.sqrt(dimensions)  # the typical length of a whitened row
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    projected *= np.minimum(1.0, LONGEST * root / np.maximum(length, root))
    # As long as a typical row: its weight is then as large as the others together need to be, and a coarse grid
    # that fits them fits it, too.
    offset = np.full((len(projected), 1), root)
    return Represented(np.hstack([projected, offset]), replaced, float(pca.explained_variance_ratio_.sum()))


def _finite(descriptors: FloatArray, rows: IntArray) -> tuple[FloatArray, int]:
    """Values that are not finite become their descriptor's median over the representation part (0 without any)."""
    bad = ~np.isfinite(descriptors)
    if not bad.any():
        return descriptors, 0
    known = np.where(bad, np.nan, descriptors)[rows]
    empty = np.isnan(known).all(axis=0)
    medians = np.nanmedian(np.where(empty, 0.0, known), axis=0)
    return np.where(bad, medians, descriptors), int(bad.sum())
