"""Tables that somebody else wrote, .csv or .parquet: one column of classes, numbers in all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data._text_files import rows_of_csv
from harness.errors import DependencyError, InputError
from harness.types import FloatArray

__all__ = ["LABEL", "SUFFIXES", "Table", "read", "read_csv", "read_parquet"]

# The column of classes where none is named.
LABEL = "label"
SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class Table:
    """A table with its column of classes set apart.

    Args:
        values: float64 ``[n, d]``, finite, in the order of the columns.
        classes: the column of classes, as written.
        label: name of that column.
    """

    values: FloatArray
    classes: tuple[str, ...]
    label: str


def read(path: Path, *, label: str | None = None) -> Table:
    """Read a table by its suffix; see :func:`read_csv` and :func:`read_parquet`."""
    return read_csv(path, label=label) if path.suffix == ".csv" else read_parquet(path, label=label)


def read_csv(path: Path, *, label: str | None = None) -> Table:
    """Read a .csv file with a header.

    Args:
        path: the file.
        label: name of the column of classes; None takes :data:`LABEL`.

    Raises:
        InputError: the file or a cell cannot be used; the message names line and column.
    """
    rows = rows_of_csv(path)
    _, header = next(rows, (0, []))
    place = _column(path, header, label or LABEL)
    classes, values = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} cells, the header has {len(header)}")
        classes.append(row[place])
        values.append([_number(path, line, header[k], cell) for k, cell in enumerate(row) if k != place])
    if not values:
        raise InputError(f"{path}: there are no records below the header")
    return Table(np.array(values, dtype=np.float64), tuple(classes), header[place])


def read_parquet(path: Path, *, label: str | None = None) -> Table:
    """Read a .parquet file.

    Args:
        path: the file.
        label: name of the column of classes; None takes :data:`LABEL`.

    Raises:
        InputError: the file or a column cannot be used; the message names it.
        DependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DependencyError("pyarrow is not installed", hint='pip install "edgeleak[parquet]"') from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable .parquet file: {reason}") from None
    place = _column(path, table.column_names, label or LABEL)
    for column in table.column_names:
        nulls = np.flatnonzero(table[column].is_null().to_numpy())
        if len(nulls):
            raise InputError(f"{path}: column {column}: row {int(nulls[0]) + 1} is empty")
    values = []
    for k, field in enumerate(table.schema):
        if k != place:
            if not (pyarrow.types.is_integer(field.type) or pyarrow.types.is_floating(field.type)):
                raise InputError(f"{path}: column {field.name} holds {field.type}, not numbers", hint="encode it")
            values.append(table[k].to_numpy().astype(np.float64))
    if table.num_rows == 0:
        raise InputError(f"{path}: there are no records")
    classes = tuple(str(value) for value in table[place].to_pylist())
    return Table(np.stack(values, axis=1), classes, table.schema[place].name)


def _column(path: Path, header: Sequence[str], label: str) -> int:
    """Where the column of classes is.

    Raises:
        InputError: it is not there, a name occurs twice, or there is nothing beside it.
    """
    twice = [name for name in header if header.count(name) > 1] if len(set(header)) < len(header) else []
    if twice:
        raise InputError(f"{path}: two columns are called {twice[0]!r}", hint="rename one")
    if label not in header:
        shown = ", ".join(header[:8]) + (", ..." if len(header) > 8 else "")
        raise InputError(
            f"{path}: there is no column {label!r}",
            hint=f"name the column of classes with label; columns: {shown or 'none'}",
        )
    if len(header) < 2:
        raise InputError(f"{path}: there is no column beside {label!r}")
    return list(header).index(label)


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise InputError(
            f"{path}: line {line}, column {column}: {cell[:40]!r} is not a number", hint="encode categories as numbers"
        ) from None
    if not math.isfinite(value):
        raise InputError(f"{path}: line {line}, column {column}: {cell[:40]!r} is not finite")
    return value
