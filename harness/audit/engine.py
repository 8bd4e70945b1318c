"""Independent tasks in processes of their own, through joblib: local processes, or whatever backend is active."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from joblib import Parallel
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend import resource_tracker as loky_tracker

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
        # Converters keep memory; loky then replaces a worker, loses nothing, and warns of it.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
        with _interrupts_held_back():
            finished = Parallel(n_jobs=jobs or -1, return_as="generator_unordered")(tasks)
        try:
            for done, _ in enumerate(finished, start=1):
                yield done
        except BaseException:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)
            raise


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start worker processes that never see Ctrl-C, which a terminal sends to every process of the command.

    This process alone decides what an interrupt means, and stops its workers. One that was still importing would print
    a traceback. A signal mask is inherited by the processes, and by the thread that starts later ones; an interrupt
    that comes meanwhile waits and is delivered at the end of the block.
    """
    # A tracker that has to be started clears the mask again, so both are started before.
    resource_tracker.ensure_running()  # multiprocessing's
    loky_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
