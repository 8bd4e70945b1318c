"""Reads the cells of a table of answers: a .csv file, a .parquet file, or a DataFrame that is in memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from harness.data._cells import QUOTED, Cells
from harness.data._text_files import rows_of_csv
from harness.data.answer_columns import Layout
from harness.errors import DependencyError, InputError
from harness.types import Array

__all__ = ["columns_of"]

# Rows of a .parquet file that are decoded at once.
BATCH_ROWS = 65_536
# Types of pyarrow that are numbers; those of answers are nearly always float or double.
NUMBERS = frozenset(
    ("halffloat", "float", "double", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
)


def columns_of(table: object, source: Path | str, like: Layout | None) -> Cells:
    """Read a table: a path by its suffix, a DataFrame of pandas or polars, or a pyarrow Table.

    Args:
        table: the table.
        source: how messages call it.
        like: layout of the target, where this is a shadow's.

    Raises:
        InputError: it cannot be read, a column is not one that answers have, or a cell that has to be a number is not.
        DependencyError: it is a .parquet file and pyarrow is not installed.
    """
    if isinstance(source, Path):
        return (_csv if source.suffix == ".csv" else _parquet)(source, like)
    if hasattr(table, "column_names"):
        return _frame(table, list(map(str, table.column_names)), source, like)
    if hasattr(table, "columns") and hasattr(table, "__getitem__"):
        return _frame(table, list(table.columns), source, like)
    raise InputError(
        f"a {type(table).__name__} holds no answers that can be read",
        hint="give the path of an .npz, .csv or .parquet file, a DataFrame, or arrays by name",
    )


def _csv(path: Path, like: Layout | None) -> Cells:
    rows = rows_of_csv(path)
    _, columns = next(rows, (0, []))
    layout = Layout.of(path, columns, like=like)
    kept: dict[str, list[object]] = {columns[k]: [] for k in layout.said}
    places = [(kept[columns[k]], k) for k in layout.said]
    numbers = {key: array("d") for key in layout.answers}
    pickers = [(numbers[key].extend, itemgetter(*found)) for key, found in layout.answers.items()]
    lines = array("q")
    same: dict[str, str] = {}
    for line, row in rows:
        if len(row) != len(columns):
            raise InputError(f"{path}: line {line} has {len(row)} cells, the header has {len(columns)}")
        for cells, k in places:
            cells.append(same.setdefault(row[k], row[k]))
        try:
            for extend, pick in pickers:
                extend(map(float, pick(row)))
        except ValueError:
            raise _no_number(path, columns, layout, line, row) from None
        lines.append(line)
    if not lines:
        raise InputError(f"{path}: there are no records below the header")
    shaped: dict[str, Array] = {
        key: np.frombuffer(values, dtype=np.float64).reshape(len(lines), -1) for key, values in numbers.items()
    }
    return Cells(path, columns, layout, kept, shaped, lines)


def _no_number(path: Path, columns: Sequence[str], layout: Layout, line: int, row: Sequence[str]) -> InputError:
    for place in sorted(place for found in layout.answers.values() for place in found):
        try:
            float(row[place])
        except ValueError:
            what = repr(row[place][:QUOTED]) + " is not a number" if row[place].strip() else "the cell is empty"
            return InputError(
                f"{path}: line {line}, column {columns[place]}: {what}",
                hint="write numbers with a point, e.g. 0.25, and leave out records without an answer",
            )
    raise AssertionError("some cell was no number")


def _parquet(path: Path, like: Layout | None) -> Cells:
    """A .parquet file, decoded some rows at a time: what is kept are its numbers, in their own type."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DependencyError("pyarrow is not installed", hint='pip install "edgeleak[parquet]"') from None
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = list(file.schema_arrow.names)
            layout = Layout.of(path, columns, like=like)
            parts = [
                _part(path, batch, columns, layout, before)
                for before, batch in _counted(file.iter_batches(batch_size=BATCH_ROWS))
            ]
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise InputError(
            f"{path}: not a readable .parquet file: {reason}", hint="copy or write the file again"
        ) from None
    if not parts:
        raise InputError(f"{path}: there are no records")
    texts = {name: [cell for one in parts for cell in one.texts[name]] for name in parts[0].texts}
    numbers: dict[str, Array] = {}
    for key in layout.answers:
        numbers[key] = np.concatenate([one.numbers.pop(key) for one in parts])
    return Cells(path, columns, layout, texts, numbers)


def _counted(batches: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    """Each batch with the number of rows before it."""
    before = 0
    for batch in batches:
        if len(batch):
            yield before, batch
        before += len(batch)


def _part(path: Path, batch: Any, columns: Sequence[str], layout: Layout, before: int) -> Cells:
    def cells(place: int) -> Any:
        column = batch.column(place)
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise InputError(f"{path}: row {before + row + 1}, column {columns[place]}: the cell is empty")
        return column

    def numbers(place: int) -> Array:
        column = cells(place)
        if str(column.type) not in NUMBERS:
            raise InputError(
                f"{path}: column {columns[place]} holds {column.type}, not numbers", hint="store float32 or float64"
            )
        values: Array = column.to_numpy(zero_copy_only=False)
        return values

    return _assembled(path, columns, layout, lambda place: cells(place).to_pylist(), numbers)


def _frame(table: Any, names: Sequence[object], source: Path | str, like: Layout | None) -> Cells:
    """A DataFrame, column by column."""
    columns = list(map(str, names))
    layout = Layout.of(source, columns, like=like)
    if not len(table):
        raise InputError(f"{source}: there are no records")

    def values(place: int) -> Array:
        found: Array = np.asarray(table[names[place]].to_numpy())
        return found

    def texts(place: int) -> list[object]:
        cells: list[object] = values(place).tolist()
        empty = next((row for row, cell in enumerate(cells) if _is_missing(cell)), None)
        if empty is not None:
            raise InputError(f"{source}: row {empty + 1}, column {columns[place]}: the cell is empty")
        return cells

    def numbers(place: int) -> Array:
        found = values(place)
        if found.dtype.kind in "fiub":
            return found
        for row, cell in enumerate(found.tolist()):
            if _is_missing(cell):
                raise InputError(f"{source}: row {row + 1}, column {columns[place]}: the cell is empty")
            if not isinstance(cell, int | float):
                raise InputError(
                    f"{source}: row {row + 1}, column {columns[place]}: {str(cell)[:QUOTED]!r} is not a number",
                    hint="convert the column to float64",
                )
        return found.astype(np.float64)

    return _assembled(source, columns, layout, texts, numbers)


def _is_missing(cell: object) -> bool:
    """Whether a cell is None, NaN, or what a library of tables has in its place."""
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def _assembled(
    source: Path | str,
    columns: Sequence[str],
    layout: Layout,
    texts: Callable[[int], Sequence[object]],
    numbers: Callable[[int], Array],
) -> Cells:
    """The cells of columns that are read one by one."""
    kept = {columns[k]: texts(k) for k in layout.said}
    return Cells(
        source, columns, layout, kept, {key: _stacked(found, numbers) for key, found in layout.answers.items()}
    )


def _stacked(places: Sequence[int], numbers: Callable[[int], Array]) -> Array:
    """Columns side by side ``[n, C]``, in the widest of their types; whole numbers become float32."""
    columns = [numbers(place) for place in places]
    dtype = np.result_type(*columns)
    stacked = np.empty((len(columns[0]), len(columns)), dtype=dtype if dtype.kind == "f" else np.float32)
    for place, column in enumerate(columns):
        stacked[:, place] = column
    return stacked
