"""The user's own records: a .csv or .parquet with a column of classes, an .npz, or a pair of .npy files.

Values become float32 and are not scaled: the file has to hold the inputs of the deployed model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.data import tables
from harness.data.datasets._dataset import Dataset
from harness.data.datasets._labels import check_numbers, number_classes
from harness.data.datasets._registry import Place, register
from harness.data.npz import Archive
from harness.errors import InputError
from harness.packages import require
from harness.types import Array, IntArray

__all__: list[str] = []


@register("csv", has_label=True)
def _load_csv(place: Place) -> Dataset:
    path = place.file("a .csv file with a header, a column of classes, and numbers in all others")
    return _from_table(place, path, tables.read_csv(path, label=place.label))


@register("parquet", has_label=True)
def _load_parquet(place: Place) -> Dataset:
    require("pyarrow", extra="parquet")
    path = place.file("a .parquet file with a column of classes, and numbers in all others")
    return _from_table(place, path, tables.read_parquet(path, label=place.label))


def _from_table(place: Place, path: Path, table: tables.Table) -> Dataset:
    labels, names = number_classes(table.classes, f"{path}: column {table.label}")
    return _dataset(place, path, table.values, labels, names)


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
    """Read one array; mapped first, so that a header that claims more than the file holds costs no memory."""
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
    return _dataset(place, path, inputs, numbers, names)


def _dataset(place: Place, path: Path, values: Array, labels: IntArray, names: tuple[str, ...]) -> Dataset:
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinite, and are refused below
        inputs = values.astype(np.float32)
    invalid = np.flatnonzero(~np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1))
    if len(invalid):
        raise InputError(f"{path}: inputs: record {int(invalid[0]) + 1} holds NaN, infinity or a number beyond float32")
    ids = np.arange(len(labels), dtype=np.int64)
    return Dataset(place.name, np.ascontiguousarray(inputs), labels, ids, int(labels.max()) + 1, names)
