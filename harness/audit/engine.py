"""Independent tasks in processes of their own, through joblib: local processes, or whatever backend is active."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from joblib import Parallel
from joblib.externals.loky import get_reusable_executor

__all__ = ["run"]


def run(tasks: Iterable[Any], *, jobs: int | None) -> Iterator[int]:
    """Run `joblib.delayed` tasks; yields how many are finished, in whatever order they end.

    Args:
        tasks: each does its own writing, whole or not at all.
        jobs: processes at once; None takes one per core.

    Raises:
        Exception: what a task raised; the others are stopped at once, since what they finished is on disk already.
    """
    with warnings.catch_warnings():
        # Converters keep memory; loky then replaces a worker, loses nothing, and tells about it.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
        finished = Parallel(n_jobs=jobs or -1, return_as="generator_unordered")(tasks)
        try:
            for done, _ in enumerate(finished, start=1):
                yield done
        except BaseException:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)
            raise
