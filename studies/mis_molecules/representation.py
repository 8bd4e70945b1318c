"""Frozen representations of molecules: fingerprints, descriptors, an embedding; projected by what others taught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import FloatArray, IntArray

__all__ = ["BITS", "KINDS", "RADIUS", "Raw", "Represented", "raw_features", "represent"]

# Kind -> the raw features that it is made of.
KINDS = {
    "both": ("fingerprints", "descriptors"),
    "fingerprints": ("fingerprints",),
    "descriptors": ("descriptors",),
    "chemnet": ("embedding",),
}

BITS, RADIUS = 2048, 2
# Descriptors are clipped to these shares of the representation part: a few grow like factorials of the size.
TAILS = (0.005, 0.995)
# A molecule this many times as long as the typical one is shortened to it, or its single loss would steer the head.
LONGEST = 2.0
# Share of the first direction's variance below which a direction is rounding.
ROUNDING = 1e-10
# Molecules between two reports of progress.
REPORT = 200


@dataclass(frozen=True, eq=False)
class Raw:
    """What RDKit, and where it is asked ChemNet, say of N molecules.

    Args:
        bits: Morgan fingerprints, 0 or 1, ``[N, BITS]``.
        descriptors: RDKit's 2D descriptors ``[N, D]``; may hold NaN and infinities.
        embedding: last layer of ChemNet, ``[N, 512]``; None where it is not used.
    """

    bits: NDArray[np.uint8]
    descriptors: FloatArray
    embedding: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Represented:
    """Features that a linear head sees.

    Args:
        features: ``[N, dimensions + 1]``; the last column is constant, so that the offset is a weight like the others.
        replaced: descriptor values that were not finite and became the descriptor's median; 0 where none is used.
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
    return Raw(np.stack(bits).astype(np.uint8), np.array(descriptors, dtype=np.float64))


def represent(raw: Raw, rows: IntArray, *, kind: str, dimensions: int) -> Represented:
    """Standardise, whiten and project, all by the molecules in ``rows`` alone.

    Args:
        raw: all molecules.
        rows: the representation part, used for nothing else.
        kind: which of the raw features; see :data:`KINDS`.
        dimensions: principal components to keep, fewer than ``rows``.
    """
    from sklearn.decomposition import PCA

    descriptors, replaced = _finite(raw.descriptors, rows)
    low, high = np.quantile(descriptors[rows], TAILS, axis=0)
    parts = {"fingerprints": raw.bits.astype(np.float64), "descriptors": np.clip(descriptors, low, high)}
    if raw.embedding is not None:
        parts["embedding"] = raw.embedding
    columns = np.hstack([parts[part] for part in KINDS[kind]])
    centre, spread = columns[rows].mean(axis=0), columns[rows].std(axis=0)
    varies = spread > 0
    standard = (columns[:, varies] - centre[varies]) / spread[varies]
    pca = PCA(n_components=min(dimensions, standard.shape[1]), whiten=True, svd_solver="full").fit(standard[rows])
    # Descriptors repeat each other: a direction that holds nothing but rounding is left out.
    carries = pca.explained_variance_ > ROUNDING * pca.explained_variance_[0]
    projected = pca.transform(standard)[:, carries]
    root = np.sqrt(projected.shape[1])  # the typical length of a whitened row
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    projected *= np.minimum(1.0, LONGEST * root / np.maximum(length, root))
    # As long as a typical row: its weight is then as large as the others together need to be, and a coarse grid
    # that fits them fits it, too.
    offset = np.full((len(projected), 1), root)
    replaced *= "descriptors" in KINDS[kind]
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
