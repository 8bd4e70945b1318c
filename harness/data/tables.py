"""Tables that somebody else wrote, .csv or .parquet: one column of classes, numbers in all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        apart: name of a column that no model is fed -> its cells as written.
    """

    values: FloatArray
    classes: tuple[str, ...]
    label: str
    apart: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read(path: Path, *, label: str | None = None, apart: Sequence[str] = ()) -> Table:
    """Read a table by its suffix; see :func:`read_csv` and :func:`read_parquet`."""
    return (read_csv if path.suffix == ".csv" else read_parquet)(path, label=label, apart=apart)


def read_csv(path: Path, *, label: str | None = None, apart: Sequence[str] = ()) -> Table:
    """Read a .csv file with a header.

    Args:
        path: the file.
        label: name of the column of classes; None takes :data:`LABEL`.
        apart: columns that no model is fed; those that the file has are read as texts.

    Raises:
        InputError: the file or a cell cannot be used; the message names line and column.
    """
    rows = rows_of_csv(path)
    _, header = next(rows, (0, []))
    place = _column(path, header, label or LABEL)
    aside = _aside(path, header, place, apart)
    classes, values, cells = [], [], []
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} cells, the header has {len(header)}")
        classes.append(row[place])
        cells.append([row[k] for k in aside])
        values.append(
            [_number(path, line, header[k], cell) for k, cell in enumerate(row) if k != place and k not in aside]
        )
    if not values:
        raise InputError(f"{path}: there are no records below the header")
    columns = zip(*cells, strict=True)
    named = {header[k]: tuple(column) for k, column in zip(aside, columns, strict=True)} if aside else {}
    return Table(np.array(values, dtype=np.float64), tuple(classes), header[place], named)


def read_parquet(path: Path, *, label: str | None = None, apart: Sequence[str] = ()) -> Table:
    """Read a .parquet file.

    Args:
        path: the file.
        label: name of the column of classes; None takes :data:`LABEL`.
        apart: columns that no model is fed; those that the file has are read as texts.

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
    aside = _aside(path, table.column_names, place, apart)
    for column in table.column_names:
        nulls = np.flatnonzero(table[column].is_null().to_numpy())
        if len(nulls):
            raise InputError(f"{path}: column {column}: row {int(nulls[0]) + 1} is empty")
    values = []
    for k, column in enumerate(table.schema):
        if k != place and k not in aside:
            if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
                raise InputError(f"{path}: column {column.name} holds {column.type}, not numbers", hint="encode it")
            values.append(table[k].to_numpy().astype(np.float64))
    if table.num_rows == 0:
        raise InputError(f"{path}: there are no records")
    classes = tuple(str(value) for value in table[place].to_pylist())
    named = {table.schema[k].name: tuple(str(value) for value in table[k].to_pylist()) for k in aside}
    return Table(np.stack(values, axis=1), classes, table.schema[place].name, named)


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


def _aside(path: Path, header: Sequence[str], place: int, apart: Sequence[str]) -> list[int]:
    """Where the columns are that no model is fed.

    Raises:
        InputError: the column of classes is among them, or nothing else is left.
    """
    aside = [k for k, name in enumerate(header) if name in apart]
    if place in aside:
        raise InputError(
            f"{path}: column {header[place]} holds the classes, which have slices already", hint="leave it out"
        )
    if len(aside) + 1 == len(header):
        raise InputError(f"{path}: there is no column left to feed to the model beside {', '.join(header)}")
    return aside


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
