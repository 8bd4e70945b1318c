"""The data sets by name, and where each of them lies."""

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
    """Where a data set's files lie, as the configuration says.

    Args:
        name: the data set.
        data_dir: a folder, or a file where the data set is one.
        label: the column of a table that holds the classes; None means ``label``.
    """

    name: str
    data_dir: Path | None
    label: str | None = None

    def path(self, what: str) -> Path:
        """``data_dir``, which has to be there.

        Args:
            what: what it should hold, for the messages.

        Raises:
            ConfigError: it is not given.
            InputError: there is nothing.
        """
        if self.data_dir is None:
            raise ConfigError(f"data set {self.name} needs data_dir", hint=what)
        if not self.data_dir.exists():
            raise InputError(f"{self.data_dir}: no such file or folder", hint=f"data_dir is {what}")
        return self.data_dir

    def folder(self, what: str) -> Path:
        """``data_dir``, which has to be a folder; see :meth:`path`."""
        path = self.path(what)
        if not path.is_dir():
            raise InputError(f"{path}: not a folder", hint=f"data_dir is {what}")
        return path

    def file(self, what: str) -> Path:
        """``data_dir``, which has to be a file; see :meth:`path`."""
        path = self.path(what)
        if not path.is_file():
            raise InputError(f"{path}: not a file", hint=f"data_dir is {what}")
        return path


Loader = Callable[[Place], Source]

_LOADERS: dict[str, Loader] = {}
# Data sets whose files are the user's own tables, so that the column of classes has to be named.
_LABELLED: set[str] = set()


def register(name: str, *, has_label: bool = False) -> Callable[[Loader], Loader]:
    """Put a loader under a name; a second loader of that name is refused.

    Args:
        name: what `data.name` calls it.
        has_label: it takes the name of the column of classes.

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
        name: ``digits`` needs nothing; the others read the files of their official layout, or the user's own.
        data_dir: folder of the data set's files, or the file where it is one.
        label: the column that holds the classes, of the user's own tables.

    Returns:
        Arrays as a model is fed them; texts that wait for a tokenizer; or image files that wait to be decoded.

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
