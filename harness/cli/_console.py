"""What a person sees while an audit works: progress on stderr, a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressView"]

# Off a terminal, a long step says how far it is this often; a log is read later, not watched.
PLAIN_INTERVAL_S = 10.0


class ProgressView:
    """Shows `(label, done, total)` calls; use as a context manager.

    Args:
        console: where to write; stderr, so that results on stdout stay clean.
        quiet: show nothing.
        clock: seconds, injected for tests.
    """

    def __init__(self, console: Console, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._quiet = quiet
        self._clock = clock
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._bars: Progress | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, sentence: str) -> None:
        """Show a sentence that is not to be missed, above the bars; also where progress is not shown."""
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def __call__(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `label` are finished."""
        if self._quiet:
            return
        if self._bars is not None:
            if label not in self._tasks:
                self._tasks[label] = self._bars.add_task(label, total=total)
            self._bars.update(self._tasks[label], completed=done, total=total)
            return
        now = self._clock()
        if done >= total or now - self._said.setdefault(label, now) >= PLAIN_INTERVAL_S:
            self._said[label] = now
            self._console.print(f"{label}: {done}/{total}", highlight=False, markup=False, soft_wrap=True)
