"""Cache of one evaluation: signals, folds and out-of-fold scores that several attacks use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

from harness.types import Observations

__all__ = ["Cache"]

T = TypeVar("T")


class Cache:
    """A memo for one evaluation; evaluations share nothing.

    An entry is identified by a key and by the identity of the observations it was computed from. The cache holds a
    reference to these observations, so that no other object can get the same identity.

    Args:
        target: the population to be scored, where it is known in advance. A learned classifier then scores it right
            after the fit and is dropped: ten forests of 500 trees over 100k rows do not fit in memory.
    """

    def __init__(self, target: Observations | None = None) -> None:
        self.target = target
        self._memo: dict[Hashable, tuple[object, tuple[Observations, ...]]] = {}

    def get(self, key: Hashable, owners: Sequence[Observations], compute: Callable[[], T]) -> T:
        """The entry of ``key`` for these observations, computed on first use."""
        entry = (key, tuple(map(id, owners)))
        if entry not in self._memo:
            self._memo[entry] = (compute(), tuple(owners))
        return cast(T, self._memo[entry][0])
