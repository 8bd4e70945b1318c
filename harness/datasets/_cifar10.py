"""CIFAR-10 from the official binary files (Krizhevsky 2009): one label byte, then 3 x 32 x 32 pixels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets._registry import Dataset, register
from harness.errors import ConfigError, InputError

__all__: list[str] = []

SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + 3 * 32 * 32
N_CLASSES = 10
# Records of one official file; ids are ``file * FILE_RECORDS + row``, so they do not change with the files present.
FILE_RECORDS = 10_000
# The test file follows the five training files in the official order.
TEST_FILE = 5
# Channel means and standard deviations of the official training set.
MEAN = np.array([0.4914, 0.4822, 0.4465], dtype=np.float32).reshape(1, 3, 1, 1)
STD = np.array([0.2470, 0.2435, 0.2616], dtype=np.float32).reshape(1, 3, 1, 1)
MAX_GREY = np.float32(255.0)


@register("cifar10")
def _load(data_dir: Path | None) -> Dataset:
    if data_dir is None:
        raise ConfigError("data set cifar10 needs data_dir", hint="the folder that holds data_batch_*.bin")
    files = sorted((_number(p), p) for p in data_dir.glob("*.bin") if _number(p) >= 0)
    if not files:
        raise InputError(f"{data_dir}: there is no data_batch_*.bin or test_batch.bin", hint="CIFAR-10 binary version")
    raw = [_read(path) for _, path in files]
    table = np.concatenate(raw)
    ids = np.concatenate([number * FILE_RECORDS + np.arange(len(r)) for (number, _), r in zip(files, raw, strict=True)])
    pixels = table[:, 1:].reshape(-1, *SHAPE).astype(np.float32)
    inputs = (pixels / MAX_GREY - MEAN) / STD
    return Dataset("cifar10", inputs, table[:, 0].astype(np.int64), ids.astype(np.int64), N_CLASSES)


def _number(path: Path) -> int:
    """Place of the file in the official order, -1 where it is not one of the official files."""
    if path.name == "test_batch.bin":
        return TEST_FILE
    match = re.fullmatch(r"data_batch_([1-5])\.bin", path.name)
    return int(match[1]) - 1 if match else -1


def _read(path: Path) -> NDArray[np.uint8]:
    data = np.fromfile(path, dtype=np.uint8)
    if len(data) == 0 or len(data) % RECORD_BYTES:
        raise InputError(f"{path}: {len(data)} bytes is not a whole number of {RECORD_BYTES}-byte records")
    table = data.reshape(-1, RECORD_BYTES)
    if len(table) > FILE_RECORDS:
        raise InputError(f"{path}: {len(table)} records, an official file holds at most {FILE_RECORDS}")
    if table[:, 0].max() >= N_CLASSES:
        raise InputError(f"{path}: record {int(np.argmax(table[:, 0] >= N_CLASSES))} has a label above {N_CLASSES - 1}")
    return table
