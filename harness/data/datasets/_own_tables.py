"""The user's own records: a .csv or .parquet with a column of classes, an .npz, or a pair of .npy files.

Values are fed as they are, as float32: what the deployed model's author scales and encodes, the file has to hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.datasets._dataset import Dataset
from harness.data.datasets._files import require, rows_of_csv
from harness.data.datasets._labels import check_numbers, number_classes
from harness.data.datasets._registry import Place, register
from harness.errors import InputError
from harness.data.npz import Archive
from harness.types import Array, IntArray

__all__: list[str] = []

# The column of classes where the configuration names none.
LABEL = "label"


@register("csv", has_label=True)
def _load_csv(place: Place) -> Dataset:
    path = place.file("a .csv file with a header, a column of classes, and numbers in all others")
    rows = rows_of_csv(path)
    _, header = next(rows, (0, []))
    label = _column(path, header, place.label or LABEL)
    classes, values = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} cells, the header has {len(header)}")
        classes.append(row[label])
        values.append([_number(path, line, header[k], cell) for k, cell in enumerate(row) if k != label])
    if not values:
        raise InputError(f"{path}: there are no records below the header")
    labels, names = number_classes(classes, f"{path}: column {header[label]}")
    return _made(place, path, np.array(values, dtype=np.float64), labels, names)


@register("parquet", has_label=True)
def _load_parquet(place: Place) -> Dataset:
    require("pyarrow", extra="parquet")
    import pyarrow
    import pyarrow.parquet

    path = place.file("a .parquet file with a column of classes, and numbers in all others")
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable .parquet file: {reason}") from None
    label = _column(path, table.column_names, place.label or LABEL)
    for column in table.column_names:
        nulls = np.flatnonzero(table[column].is_null().to_numpy())
        if len(nulls):
            raise InputError(f"{path}: column {column}: row {int(nulls[0]) + 1} is empty")
    values = []
    for k, field in enumerate(table.schema):
        if k != label:
            if not (pyarrow.types.is_integer(field.type) or pyarrow.types.is_floating(field.type)):
                raise InputError(f"{path}: column {field.name} holds {field.type}, not numbers", hint="encode it")
            values.append(table[k].to_numpy().astype(np.float64))
    if table.num_rows == 0:
        raise InputError(f"{path}: there are no records")
    labels, names = number_classes(
        [str(value) for value in table[label].to_pylist()], f"{path}: {table.schema[label].name}"
    )
    return _made(place, path, np.stack(values, axis=1), labels, names)


@register("npz")
def _load_npz(place: Place) -> Dataset:
    path = place.file("an .npz file with the arrays inputs and labels")
    with Archive.open(path) as archive:
        inputs, labels = archive.array("inputs"), archive.array("labels")
    return _from_arrays(place, path, inputs, labels)


@register("npy")
def _load_npy(place: Place) -> Dataset:
    folder = place.folder("the folder that holds inputs.npy and labels.npy")
    return _from_arrays(place, folder, _array(folder / "inputs.npy"), _array(folder / "labels.npy"))


def _array(path: Path) -> Array:
    """One array; mapped first, so that a header which claims more than the file holds is refused before memory is."""
    try:
        mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.array(mapped)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # numpy raises many kinds for damaged bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable .npy file: {reason}", hint="write it with numpy.save") from None


def _from_arrays(place: Place, path: Path, inputs: Array, labels: Array) -> Dataset:
    if inputs.dtype.kind not in "iufb" or inputs.ndim not in (2, 4):
        raise InputError(f"{path}: inputs are {inputs.dtype} {inputs.shape}, expected numbers [n, d] or [n, C, H, W]")
    if labels.ndim != 1 or len(labels) != len(inputs) or len(inputs) == 0:
        raise InputError(
            f"{path}: inputs {inputs.shape}, labels {labels.shape}: expected [n, ...] and [n], n at least 1"
        )
    where = f"{path}: labels"
    if labels.dtype.kind in "US":
        numbers, names = number_classes([str(value) for value in labels.astype(np.str_)], where)
    else:
        numbers, names = check_numbers(labels, where), ()
    return _made(place, path, inputs, numbers, names)


def _made(place: Place, path: Path, values: Array, labels: IntArray, names: tuple[str, ...]) -> Dataset:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is named below
        inputs = values.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: inputs: record {int(bad[0]) + 1} holds NaN, infinity or a number beyond float32")
    ids = np.arange(len(labels), dtype=np.int64)
    return Dataset(place.name, np.ascontiguousarray(inputs), labels, ids, int(labels.max()) + 1, names)


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
        raise InputError(f"{path}: there is no column {label!r}", hint=f"set data.label; columns: {shown or 'none'}")
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
