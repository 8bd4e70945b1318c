"""Scores of attacked records as columns: whoever has the records can see which of them stand out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DependencyError
from harness.types import Array

if TYPE_CHECKING:
    from harness.arrays._findings import ArrayFindings

__all__ = ["as_csv", "as_npz", "as_parquet", "columns_of"]

# A spreadsheet reads a text that begins with one of these as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns_of(found: ArrayFindings) -> dict[str, Any]:
    """``id``, ``label`` and ``member`` of each record, then a column of scores for each view, named by its key."""
    return {
        "id": np.array(found.ids) if found.ids and isinstance(found.ids[0], int) else list(found.ids),
        "label": found.labels,
        "member": found.membership,
        **found.scores,
    }


def as_csv(found: ArrayFindings) -> bytes:
    """The columns as text; a number is written so that reading it gives the same bits."""
    columns = columns_of(found)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(_inert, columns))
    cells = (values if isinstance(values, list) else values.tolist() for values in columns.values())
    for row in zip(*cells, strict=True):
        writer.writerow(map(_inert, row))
    return stream.getvalue().encode()


def as_parquet(found: ArrayFindings) -> bytes:
    """The columns as a .parquet file.

    Raises:
        DependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DependencyError("pyarrow is not installed", hint='pip install "edgeleak[parquet]"') from None
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns_of(found)), buffer)
    return buffer.getvalue()


def as_npz(found: ArrayFindings) -> bytes:
    """Arrays ``ids``, ``labels``, ``membership`` and ``scores/<view>``, as `edgeleak records --out` writes them."""
    table: dict[str, Array] = {
        "ids": np.array(found.ids),
        "labels": found.labels,
        "membership": found.membership,
        **{f"scores/{key}": scores for key, scores in found.scores.items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **table)  # type: ignore[arg-type]  # numpy types its own option as a key
    return buffer.getvalue()


def _inert(cell: object) -> object:
    """A text that no spreadsheet takes for a formula; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
