"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017) from their IDX files, packed with gzip or plain."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._text_files import read_gzip, sources_by_file
from harness.data.datasets._dataset import Dataset
from harness.data.datasets._images import normalised
from harness.data.datasets._registry import Place, register
from harness.errors import InputError
from harness.types import IntArray

__all__: list[str] = []

SIDE = 28
# Two black pixels on each side turn 28 x 28 images into 32 x 32, the size of the architectures.
MARGIN = 2
N_CLASSES = 10
# The two official parts: name, id of the first record, largest number of records.
PARTS = (("train", 0, 60_000), ("t10k", 60_000, 10_000))
# Mean and standard deviation over the official training set's pixels, without the margin.
MNIST = ((0.1307,), (0.3081,))
FASHION = ((0.2860,), (0.3530,))
# An IDX file begins with two zeros, the element type (8: unsigned byte) and the number of axes.
UNSIGNED_BYTE = 8


@register("mnist")
def _load_mnist(place: Place) -> Dataset:
    return _load(place, *MNIST)


@register("fashion-mnist")
def _load_fashion(place: Place) -> Dataset:
    return _load(place, *FASHION)


def _load(place: Place, mean: tuple[float, ...], std: tuple[float, ...]) -> Dataset:
    folder = place.folder("the folder that holds train-images-idx3-ubyte and the other IDX files, with or without .gz")
    names, images, labels, ids = [], [], [], []
    for part, start, most in PARTS:
        path = _find(folder, f"{part}-images-idx3-ubyte")
        if path is None:
            continue
        labels_name = f"{part}-labels-idx1-ubyte"
        labels_path = _find(folder, labels_name)
        if labels_path is None:
            raise InputError(
                f"{folder / labels_name}: no such file, with or without .gz", hint=f"it holds the labels of {path.name}"
            )
        pixels, classes = _read(path, (SIDE, SIDE), most=most), _read(labels_path, (), most=most)
        _check(labels_path, classes, len(pixels))
        names.append(part)
        images.append(pixels)
        labels.append(classes.astype(np.int64))
        ids.append(start + np.arange(len(pixels), dtype=np.int64))
    if not names:
        raise InputError(f"{folder}: there is no train-images-idx3-ubyte or t10k-images-idx3-ubyte, nor with .gz")
    padded = np.pad(np.concatenate(images), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    return Dataset(
        name=place.name,
        inputs=normalised(padded[:, np.newaxis], mean=mean, std=std),
        labels=np.concatenate(labels),
        ids=np.concatenate(ids),
        n_classes=N_CLASSES,
        sources=sources_by_file([len(part) for part in images]),
        source_names=tuple(names),
    )


def _find(folder: Path, name: str) -> Path | None:
    """The file, plain or packed with gzip; None where it is missing."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read(path: Path, shape: tuple[int, ...], *, most: int) -> NDArray[np.uint8]:
    """The array ``[n, *shape]`` of an IDX file of unsigned bytes."""
    header = 4 * (2 + len(shape))
    data = read_gzip(path, most=header + most * int(np.prod(shape, dtype=np.int64)))
    if len(data) < header or data[:4] != bytes((0, 0, UNSIGNED_BYTE, 1 + len(shape))):
        raise InputError(f"{path}: not an IDX file of unsigned bytes with {1 + len(shape)} axes")
    n, *rest = struct.unpack(f">{1 + len(shape)}I", data[4:header])
    if tuple(rest) != shape:
        raise InputError(f"{path}: records of shape {rest}, expected {list(shape)}")
    data_bytes, claimed_bytes = len(data) - header, n * int(np.prod(shape, dtype=np.int64))
    if data_bytes != claimed_bytes:
        raise InputError(
            f"{path}: {n} records take {claimed_bytes} bytes, the file holds {data_bytes}", hint="download it again"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(n, *shape)


def _check(path: Path, labels: NDArray[np.uint8] | IntArray, images: int) -> None:
    if len(labels) != images:
        raise InputError(f"{path}: {len(labels)} labels for {images} images")
    if len(labels) and labels.max() >= N_CLASSES:
        bad = int(np.argmax(labels >= N_CLASSES))
        raise InputError(f"{path}: record {bad} has a label above {N_CLASSES - 1}")
