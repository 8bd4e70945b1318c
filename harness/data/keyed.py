"""Arrays by key, wherever they come from: an .npz file, tables, or the memory of whoever calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from harness.errors import InputError
from harness.types import Array

__all__ = ["InMemory", "Keyed"]


class Keyed(Protocol):
    """What reads arrays by the keys of `harness.data.answers`."""

    @property
    def path(self) -> Path | str:
        """How messages call the source."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in the source's order."""

    def under(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin with ``prefix``."""

    def unread(self) -> tuple[str, ...]:
        """The keys of arrays that have not been read."""

    def array(self, key: str) -> Array:
        """The array of ``key``; InputError where it is missing or cannot be used."""


class InMemory:
    """Arrays that are in memory already.

    Args:
        path: how messages call the source.
        arrays: key -> array, or anything that numpy makes one of.
    """

    def __init__(self, path: Path | str, arrays: Mapping[str, object]) -> None:
        self.path = path
        self._arrays = arrays
        self._unread = dict.fromkeys(arrays)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in the order given."""
        return tuple(self._arrays)

    def under(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin with ``prefix``."""
        return tuple(key for key in self._arrays if key.startswith(prefix))

    def unread(self) -> tuple[str, ...]:
        """The keys of arrays that have not been read."""
        return tuple(self._unread)

    def array(self, key: str) -> Array:
        """The array of ``key``.

        Raises:
            InputError: it is missing, or no array of plain numbers or texts.
        """
        if key not in self._arrays:
            present = ", ".join(self.keys[:8]) + (", ..." if len(self.keys) > 8 else "")
            raise InputError(f"{self.path}: key {key} is missing", hint=f"present: {present or 'none'}")
        self._unread.pop(key, None)
        try:
            values: Array = np.asarray(self._arrays[key])
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.path}: key {key} is no array: {error}", hint="give rows of one length") from None
        if values.dtype.kind == "O":
            values = np.asarray(values.tolist())
        if values.dtype.hasobject:
            raise InputError(f"{self.path}: key {key} holds objects", hint="give plain numbers")
        return values
