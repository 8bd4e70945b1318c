"""The data sets by name, and the one shape that all of them have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, InputError
from harness.types import IntArray, Records

__all__ = ["INPUT_NAME", "Dataset", "load", "names", "register"]

# What torch.export, and so LiteRT's converter, call a model's first positional argument; records use the same name.
INPUT_NAME = "args_0"

Loader = Callable[[Path | None], "Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled records as a model is fed them, preprocessed once and deterministically.

    Args:
        name: the registered name.
        inputs: float32 ``[n, C, H, W]``.
        labels: true class, int64 ``[n]``, in ``0..n_classes - 1``.
        ids: distinct, stable id of each record, int64 ``[n]``.
        n_classes: number of classes.

    Raises:
        InputError: lengths differ, ids repeat, a label is out of range or an input is not finite.
    """

    name: str
    inputs: NDArray[np.float32]
    labels: IntArray
    ids: IntArray
    n_classes: int

    def __post_init__(self) -> None:
        n = len(self.inputs)
        if n == 0:
            raise InputError(f"data set {self.name}: there are no records")
        if self.inputs.dtype != np.float32 or self.inputs.ndim != 4:
            raise InputError(
                f"data set {self.name}: inputs are {self.inputs.dtype} {self.inputs.shape}, not float32 [n, C, H, W]"
            )
        if len(self.labels) != n or len(self.ids) != n:
            raise InputError(f"data set {self.name}: {n} inputs, {len(self.labels)} labels, {len(self.ids)} ids")
        if len(np.unique(self.ids)) != n:
            raise InputError(f"data set {self.name}: ids repeat")
        if self.labels.min() < 0 or self.labels.max() >= self.n_classes:
            raise InputError(f"data set {self.name}: a label is outside 0..{self.n_classes - 1}")
        if not np.isfinite(self.inputs).all():
            raise InputError(f"data set {self.name}: an input holds NaN or infinity")

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of one record, ``(C, H, W)``."""
        return tuple(int(d) for d in self.inputs.shape[1:])

    @cached_property
    def _order(self) -> IntArray:
        return np.argsort(self.ids)

    def rows(self, ids: IntArray) -> IntArray:
        """Where the records with these ids are, in the order of ``ids``.

        Raises:
            InputError: an id is not in this data set.
        """
        places = np.searchsorted(self.ids, ids, sorter=self._order)
        found: IntArray = self._order[np.minimum(places, len(self) - 1)]
        missing = np.flatnonzero(self.ids[found] != ids)
        if len(missing):
            raise InputError(f"data set {self.name}: there is no record {int(ids[missing[0]])}")
        return found

    def take(self, ids: IntArray) -> Records:
        """The records with these ids, in that order, as every later stage wants them."""
        rows = self.rows(ids)
        return Records({INPUT_NAME: self.inputs[rows]}, self.labels[rows], self.ids[rows])


_LOADERS: dict[str, Loader] = {}


def register(name: str) -> Callable[[Loader], Loader]:
    """Put a loader under a name; a second loader of that name is refused.

    Raises:
        ValueError: the name is taken.
    """

    def add(loader: Loader) -> Loader:
        if name in _LOADERS:
            raise ValueError(f"data set {name!r} is registered already")
        _LOADERS[name] = loader
        return loader

    return add


def names() -> tuple[str, ...]:
    """The names that :func:`load` knows, sorted."""
    return tuple(sorted(_LOADERS))


def load(name: str, *, data_dir: Path | None = None) -> Dataset:
    """Read a data set by name; equal arguments give equal bytes.

    Args:
        name: ``digits`` needs nothing; ``cifar10`` reads the official binary files.
        data_dir: folder of the data set's files, where it has any.

    Raises:
        ConfigError: the name is not known, or the data set needs ``data_dir``.
        InputError: a file is missing or malformed.
    """
    try:
        loader = _LOADERS[name]
    except KeyError:
        raise ConfigError(f"data set {name!r} is not known", hint=f"one of: {', '.join(names())}") from None
    return loader(data_dir)
