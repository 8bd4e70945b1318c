"""Epochs of training in other processes, counted by a byte each in a small file of each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

__all__ = ["counting", "watched"]

# Seconds between two looks at the files.
PERIOD_S = 0.5


def counting(file: Path) -> Callable[[int, int, float], None]:
    """What `harness.training.train` takes as its progress, in the process that trains.

    Args:
        file: of this model; what an interrupted training left in it is removed.
    """
    file.write_bytes(b"")

    def progress(_epoch: int, _epochs: int, _loss: float) -> None:
        with file.open("ab") as stream:
            stream.write(b".")

    return progress


@contextmanager
def watched(files: Mapping[Path, Path], epochs: int, report: Callable[[int, int], None]) -> Iterator[None]:
    """Report the epochs of all models while the block runs, and once more at its end.

    Args:
        files: a model's weights, which are there once it is trained -> the file in which its epochs are counted.
        epochs: that each model takes.
        report: called with the epochs that are done and those that there are, when they have changed.
    """
    total, ended, last = epochs * len(files), Event(), [-1]

    def look() -> None:
        done = sum(epochs if weights.exists() else min(_size(file), epochs) for weights, file in files.items())
        if done != last[0]:
            last[0] = done
            report(done, total)

    def watch() -> None:
        while not ended.wait(PERIOD_S):
            look()

    look()
    thread = Thread(target=watch, name="epochs", daemon=True)
    thread.start()
    try:
        yield
        ended.set()
        thread.join()
        look()
    finally:
        ended.set()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
