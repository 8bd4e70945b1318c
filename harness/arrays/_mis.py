"""The predicted leakage of quantizers and the MIS indicator, of loss matrices that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__, compression
from harness import mis as indicator
from harness.arrays._sources import digests
from harness.data import losses as matrices
from harness.errors import ConfigError
from harness.results import MisFindings, QuantizerMis
from harness.types import Array

__all__ = ["mis", "mis_file"]

SCHEMA = "edgeleak.mis/2"


def mis(
    losses: str | Path | Mapping[str, Array], *, n: int, level: float = 0.95, seed: int = 0
) -> tuple[QuantizerMis, ...]:
    """Predict the membership leakage of quantizers, and how fast it falls with the training set.

    After "An Indicator of Membership Inference Security in Post-Training Quantized Models" (AISTATS 2026; arXiv
    2502.06567), by formulas that are derived here; see :func:`harness.mis.estimate`. A quantizer that is called as a
    float format is, such as ``fp32``, is listed and not compared: it has no finite set of codes.

    Args:
        losses: an .npz file with keys ``losses/<quantizer>``, or quantizer -> matrix: the losses of its candidates on
            records that were used neither for training nor for calibration, ``[candidates, records]`` each.
        n: size of the training set that the leakage is predicted for.
        level: nominal coverage of the intervals.
        seed: the same seed gives the same answer.

    Returns:
        One result a quantizer, in the order given.

    Raises:
        InputError: an array cannot be used; its key is named.
    """
    return _findings(losses, n=n, level=level, seed=seed).quantizers


def mis_file(path: Path, *, n: int, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """What :func:`mis` says of a file, the smallest predicted leakage first, and what it was made with, as JSON."""
    found = _findings(path, n=n, level=level, seed=seed).in_order()
    made_with = {"edgeleak": __version__, "seed": seed, "inputs_sha256": list(digests([path]))}
    return {"schema": SCHEMA, **made_with, **found.to_json()}


def _findings(losses: str | Path | Mapping[str, Array], *, n: int, level: float, seed: int) -> MisFindings:
    if isinstance(losses, Mapping):
        table: Mapping[str, Array] = {name: np.asarray(matrix) for name, matrix in losses.items()}
    else:
        table = matrices.load(losses)
    rows = indicator.estimate(table, n=n, level=level, seed=seed)
    found = MisFindings(rows, n, rows[0].n_eval if rows else 0)
    return found.with_float_formats({name for name in table if _is_float(name)})


def _is_float(name: str) -> bool:
    """Whether a quantizer is called as a float format is; names are free, and most name nothing that is known here."""
    try:
        return compression.parse_quantizer(name).is_float
    except ConfigError:
        return False
