"""CIFAR-10 and CIFAR-100 from the official binary files (Krizhevsky 2009): label bytes, then 3 x 32 x 32 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._text_files import read_bytes, sources_by_file
from harness.data.datasets._dataset import Dataset
from harness.data.datasets._images import normalised
from harness.data.datasets._registry import Place, register
from harness.errors import InputError

__all__: list[str] = []

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class _Layout:
    """One data set's files.

    Args:
        starts: file name -> id of its first record; ids do not change with the files present.
        most_records: file name -> largest number of records of the official file.
        label_bytes: bytes before the pixels; the last one is the label.
        n_classes: number of classes.
        mean: mean of each channel over the official training set.
        std: standard deviation of each channel over the official training set.
    """

    starts: Mapping[str, int]
    most_records: Mapping[str, int]
    label_bytes: int
    n_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def record_bytes(self) -> int:
        return self.label_bytes + PIXELS


# The test file follows the five training files in the official order.
TEN_FILES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
TEN = _Layout(
    starts={name: 10_000 * number for number, name in enumerate(TEN_FILES)},
    most_records=dict.fromkeys(TEN_FILES, 10_000),
    label_bytes=1,
    n_classes=10,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)
# A coarse label of 20 and then the fine one of 100: the fine one is the class.
HUNDRED = _Layout(
    starts={"train.bin": 0, "test.bin": 50_000},
    most_records={"train.bin": 50_000, "test.bin": 10_000},
    label_bytes=2,
    n_classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)


@register("cifar10")
def _load_ten(place: Place) -> Dataset:
    return _load(place, TEN, "the folder that holds data_batch_*.bin")


@register("cifar100")
def _load_hundred(place: Place) -> Dataset:
    return _load(place, HUNDRED, "the folder that holds train.bin and test.bin")


def _load(place: Place, layout: _Layout, what: str) -> Dataset:
    folder = place.folder(what)
    names = [name for name in layout.starts if (folder / name).is_file()]
    if not names:
        raise InputError(f"{folder}: there is none of {', '.join(layout.starts)}", hint="get the binary version")
    raw = [_read(folder / name, layout) for name in names]
    table = np.concatenate(raw)
    ids = np.concatenate([layout.starts[name] + np.arange(len(r)) for name, r in zip(names, raw, strict=True)])
    return Dataset(
        name=place.name,
        inputs=normalised(table[:, layout.label_bytes :].reshape(-1, *SHAPE), mean=layout.mean, std=layout.std),
        labels=table[:, layout.label_bytes - 1].astype(np.int64),
        ids=ids.astype(np.int64),
        n_classes=layout.n_classes,
        sources=sources_by_file([len(r) for r in raw]),
        source_names=tuple(names),
    )


def _read(path: Path, layout: _Layout) -> NDArray[np.uint8]:
    size, most = layout.record_bytes, layout.most_records[path.name]
    # Reads up to twice an official file, so that the message below can state the number of records.
    data = np.frombuffer(read_bytes(path, most=2 * most * size), dtype=np.uint8)
    if len(data) == 0 or len(data) % size:
        raise InputError(
            f"{path}: {len(data)} bytes is not a whole number of {size}-byte records", hint="get the binary version"
        )
    table = data.reshape(-1, size)
    if len(table) > most:
        raise InputError(f"{path}: {len(table)} records, an official file holds at most {most}")
    label = table[:, layout.label_bytes - 1]
    if label.max() >= layout.n_classes:
        bad = int(np.argmax(label >= layout.n_classes))
        raise InputError(f"{path}: record {bad} has a label above {layout.n_classes - 1}")
    return table
