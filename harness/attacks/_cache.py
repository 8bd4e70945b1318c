"""What one evaluation computes once and several attacks use: signals, folds, out-of-fold scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

from harness.types import Observations

__all__ = ["Cache"]

T = TypeVar("T")


class Cache:
    """A memo that lives as long as one evaluation; nothing is shared between two of them.

    Entries are known by a key and by the identity of the observations they were made from. The observations are kept
    alive beside the entry, so that an identity can never be reused by another object.

    Args:
        target: the population that will be scored, where it is known in advance. A learned classifier then scores it
            while it is in memory and is dropped: ten forests of 500 trees over 100k rows would not fit otherwise.
    """

    def __init__(self, target: Observations | None = None) -> None:
        self.target = target
        self._memo: dict[Hashable, tuple[object, tuple[Observations, ...]]] = {}

    def get(self, key: Hashable, owners: Sequence[Observations], make: Callable[[], T]) -> T:
        """The entry of ``key`` for these observations, made on first use."""
        full = (key, tuple(map(id, owners)))
        if full not in self._memo:
            self._memo[full] = (make(), tuple(owners))
        return cast(T, self._memo[full][0])
