"""Loading by name, for tests that read what a data set of one shape holds."""

from __future__ import annotations

from pathlib import Path

from harness.data import datasets


def arrays_of(name: str, data_dir: Path | None = None, *, label: str | None = None) -> datasets.Dataset:
    """A data set of arrays: images, tables or token ids."""
    data = datasets.load(name, data_dir=data_dir, label=label)
    assert isinstance(data, datasets.Dataset)
    return data


def images_of(data_dir: Path, name: str = "image-folder") -> datasets.ImageFiles:
    """A data set of image files that are not decoded yet."""
    data = datasets.load(name, data_dir=data_dir)
    assert isinstance(data, datasets.ImageFiles)
    return data


def texts_of(name: str, data_dir: Path) -> datasets.TextDataset:
    """A data set of texts that are not tokenized yet."""
    data = datasets.load(name, data_dir=data_dir)
    assert isinstance(data, datasets.TextDataset)
    return data
