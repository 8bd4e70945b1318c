"""The data sets by name, and the location of their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.data.datasets._dataset import Dataset, TextDataset
from harness.data.datasets._images import ImageFiles
from harness.errors import ConfigError, InputError

__all__ = ["Place", "Source", "load", "names", "register"]

Source = Dataset | TextDataset | ImageFiles


@dataclass(frozen=True)
class Place:
    """The location of a data set's files, from the configuration.

    Args:
        name: the data set.
        data_dir: a folder, or a file where the data set is one.
        label: the column of a table that holds the classes; None means ``label``.
    """

    name: str
    data_dir: Path | None
    label: str | None = None

    def path(self, what: str) -> Path:
        """``data_dir``, which must exist.

        Args:
            what: its expected content, for error messages.

        Raises:
            ConfigError: it is not given.
            InputError: it does not exist.
        """
        if self.data_dir is None:
            raise ConfigError(f"data set {self.name} needs data_dir", hint=what)
        if not self.data_dir.exists():
            raise InputError(f"{self.data_dir}: no such file or folder", hint=f"data_dir is {what}")
        return self.data_dir

    def folder(self, what: str) -> Path:
        """``data_dir``, which must be a folder; see :meth:`path`."""
        path = self.path(what)
        if not path.is_dir():
            raise InputError(f"{path}: not a folder", hint=f"data_dir is {what}")
        return path

    def file(self, what: str) -> Path:
        """``data_dir``, which must be a file; see :meth:`path`."""
        path = self.path(what)
        if not path.is_file():
            raise InputError(f"{path}: not a file", hint=f"data_dir is {what}")
        return path


Loader = Callable[[Place], Source]

_LOADERS: dict[str, Loader] = {}
# Data sets of the user's own tables, for which the configuration may name the column of classes.
_LABELLED: set[str] = set()


def register(name: str, *, has_label: bool = False) -> Callable[[Loader], Loader]:
    """Register a loader by name; a second loader of that name is refused.

    Args:
        name: its value of `data.name`.
        has_label: whether it takes the name of the column of classes.

    Raises:
        ValueError: the name is taken.
    """

    def add(loader: Loader) -> Loader:
        if name in _LOADERS:
            raise ValueError(f"data set {name!r} is registered already")
        _LOADERS[name] = loader
        if has_label:
            _LABELLED.add(name)
        return loader

    return add


def names() -> tuple[str, ...]:
    """The names that :func:`load` knows, sorted."""
    return tuple(sorted(_LOADERS))


def load(name: str, *, data_dir: Path | None = None, label: str | None = None) -> Source:
    """Read a data set by name; equal arguments give equal bytes.

    Args:
        name: one of :func:`names`; ``digits`` and its variants need no files.
        data_dir: folder of the data set's files, or its file.
        label: the column of classes in the user's own tables.

    Returns:
        Input arrays of a model; texts to be tokenized; or image files to be decoded.

    Raises:
        ConfigError: the name is not known, the data set needs ``data_dir``, or it takes no ``label``.
        InputError: a file is missing or malformed.
        DependencyError: a package that reads such files is not installed.
    """
    try:
        loader = _LOADERS[name]
    except KeyError:
        raise ConfigError(f"data set {name!r} is not known", hint=f"one of: {', '.join(names())}") from None
    if label is not None and name not in _LABELLED:
        raise ConfigError(
            f"data.label: data set {name} has no columns to choose from", hint=f"for {', '.join(sorted(_LABELLED))}"
        )
    return loader(Place(name, data_dir, label))
