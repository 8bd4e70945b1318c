"""Location-30, Purchase-100 and Texas-100 (Shokri et al. 2017): tables of binary features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.data._text_files import members
from harness.data.datasets._dataset import Dataset
from harness.data.datasets._labels import check_numbers
from harness.data.datasets._registry import Place, register
from harness.data.npz import Archive
from harness.errors import InputError
from harness.types import Array, IntArray

__all__: list[str] = []

ZERO, COMMA = ord("0"), ord(",")
# Largest size of a class in quotation marks with a comma and a line end.
LONGEST_LABEL = 16


@dataclass(frozen=True)
class _Layout:
    """The files of one data set.

    Args:
        archive: the published packed tar.
        table: the member with the features, one record per line.
        labels: the member with the classes; None where they are the first column of the table.
        n_features: features of a record.
        n_classes: classes; the files number them from 1.
        most: largest number of records.
    """

    archive: str
    table: str
    labels: str | None
    n_features: int
    n_classes: int
    most: int


LOCATION = _Layout("dataset_location.tgz", "bangkok", None, 446, 30, 5_010)
PURCHASE = _Layout("dataset_purchase.tgz", "dataset_purchase", None, 600, 100, 197_324)
TEXAS = _Layout("dataset_texas.tgz", "texas/100/feats", "texas/100/labels", 6_169, 100, 67_330)


@register("location30")
def _load_location(place: Place) -> Dataset:
    return _load(place, LOCATION)


@register("purchase100")
def _load_purchase(place: Place) -> Dataset:
    return _load(place, PURCHASE)


@register("texas100")
def _load_texas(place: Place) -> Dataset:
    return _load(place, TEXAS)


def _load(place: Place, layout: _Layout) -> Dataset:
    """Read the packed tar, or NAME.npz with `features` and `labels`, a common form of these data sets."""
    npz = f"{place.name}.npz"
    path = place.path(f"the folder that holds {layout.archive} or {npz}, or one of them")
    if path.is_dir():
        path = next((path / name for name in (layout.archive, npz) if (path / name).is_file()), path / layout.archive)
    features, labels = _from_npz(path, layout) if path.suffix == ".npz" else _from_tar(path, layout)
    ids = np.arange(len(labels), dtype=np.int64)
    return Dataset(place.name, features.astype(np.float32), labels, ids, layout.n_classes)


def _from_tar(path: Path, layout: _Layout) -> tuple[NDArray[np.uint8], IntArray]:
    rows: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    with members(path) as files:
        for name, _, stream in files:
            where = f"{path}: {name}"
            if name == layout.table:
                for line, row in _lines(where, stream, longest=2 * layout.n_features + LONGEST_LABEL, most=layout.most):
                    if layout.labels is None:
                        label, _, row = row.partition(b",")
                        labels.append(_class(where, line, label, layout.n_classes))
                    rows.append(_parsed(where, line, row, layout.n_features))
            elif name == layout.labels:
                lines = _lines(where, stream, longest=LONGEST_LABEL, most=layout.most)
                labels.extend(_class(where, line, row, layout.n_classes) for line, row in lines)
    if not rows or not labels:
        missing = layout.labels if rows else layout.table
        raise InputError(f"{path}: {missing} is missing or empty", hint="get the published archive")
    if len(labels) != len(rows):
        raise InputError(f"{path}: {len(labels)} labels for {len(rows)} records")
    return np.stack(rows), np.array(labels, dtype=np.int64)


def _lines(where: str, stream: IO[bytes], *, longest: int, most: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a stream with their numbers; refuses longer lines and more lines than the layout has."""
    count = 0
    while line := stream.readline(longest + 1):
        count += 1
        if len(line) > longest:
            raise InputError(f"{where}: line {count} is longer than {longest} bytes")
        if count > most:
            raise InputError(f"{where}: more than {most} lines, the published file has no more")
        if line.strip():
            yield count, line.strip()


def _parsed(where: str, line: int, row: bytes, n_features: int) -> NDArray[np.uint8]:
    """Parse `0,1,1,...` to bytes 0 and 1."""
    cells = np.frombuffer(row, dtype=np.uint8)
    values = cells[::2] - np.uint8(ZERO)
    if len(cells) != 2 * n_features - 1 or values.max() > 1 or (cells[1::2] != COMMA).any():
        raise InputError(f"{where}: line {line} is not {n_features} digits 0 or 1 between commas")
    return values


def _class(where: str, line: int, cell: bytes, n_classes: int) -> int:
    number = cell.strip().strip(b'"')
    if not number.isdigit() or not 1 <= int(number) <= n_classes:
        raise InputError(f"{where}: line {line}: class {number[:20]!r} is outside 1..{n_classes}")
    return int(number) - 1


def _from_npz(path: Path, layout: _Layout) -> tuple[NDArray[np.uint8], IntArray]:
    with Archive.open(path) as archive:
        features, labels = archive.array("features"), archive.array("labels")
    if features.ndim != 2 or features.shape[1] != layout.n_features or len(features) == 0:
        raise InputError(f"{path}: features are {features.shape}, expected [n, {layout.n_features}]")
    bad = np.flatnonzero(~np.isin(features, (0, 1)).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: features: record {int(bad[0])} holds something else than 0 and 1")
    return features.astype(np.uint8), _from_array(path, labels, layout)


def _from_array(path: Path, labels: Array, layout: _Layout) -> IntArray:
    """Labels from an array of numbers from 0, or from one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] == layout.n_classes:
        if not (np.isin(labels, (0, 1)).all() and (np.count_nonzero(labels, axis=1) == 1).all()):
            raise InputError(f"{path}: labels: a row does not hold a single 1")
        return np.asarray(labels.argmax(axis=1), dtype=np.int64)
    numbers = check_numbers(labels, f"{path}: labels")
    if numbers.max() >= layout.n_classes:
        bad = int(np.argmax(numbers >= layout.n_classes))
        raise InputError(f"{path}: labels: record {bad} has a label above {layout.n_classes - 1}")
    return numbers
