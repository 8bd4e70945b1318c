"""The MIS indicator of loss matrices that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness import mis as indicator
from harness.arrays._sources import digests
from harness.data import losses as matrices
from harness.results import QuantizerMis
from harness.types import Array

__all__ = ["mis", "mis_file"]

SCHEMA = "edgeleak.mis/1"


def mis(
    losses: str | Path | Mapping[str, Array], *, n: int, level: float = 0.95, seed: int = 0
) -> tuple[QuantizerMis, ...]:
    """Estimate the MIS indicator of quantizers: how fast their membership leakage falls with the training set.

    "Membership Inference Risks in Quantized Models" (arXiv 2502.06567, AISTATS 2026), by formulas that are derived
    here; see :func:`harness.mis.estimate`.

    Args:
        losses: an .npz file with keys ``losses/<quantizer>``, or quantizer -> matrix: the losses of its candidates on
            records that were used neither for training nor for calibration, ``[candidates, records]`` each.
        n: size of the training set that the indicator is read against.
        level: nominal coverage of the intervals.
        seed: the same seed gives the same answer.

    Returns:
        One result a quantizer, in the order given.

    Raises:
        InputError: an array cannot be used; its key is named.
    """
    if isinstance(losses, Mapping):
        table: Mapping[str, Array] = {name: np.asarray(matrix) for name, matrix in losses.items()}
    else:
        table = matrices.load(losses)
    return indicator.estimate(table, n=n, level=level, seed=seed)


def mis_file(path: Path, *, n: int, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """What :func:`mis` says of a file, and what it was made with, as one JSON object."""
    rows = mis(path, n=n, level=level, seed=seed)
    made_with = {"edgeleak": __version__, "seed": seed, "inputs_sha256": list(digests([path]))}
    n_eval = rows[0].n_eval if rows else 0
    return {"schema": SCHEMA, **made_with, "n": n, "n_eval": n_eval, "quantizers": [row.to_json() for row in rows]}
