"""What a person sees while an audit works: progress on stderr, bars on a terminal and plain lines elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console

from harness.plain import plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressView"]

# Off a terminal, a long step says how far it is this often; a log is read later, not watched.
PLAIN_INTERVAL_S = 10.0
# A device may name itself.
LABEL_LENGTH = 200
MINUTE_S = 60.0


class ProgressView:
    """Shows `(label, done, total)` calls; use as a context manager.

    Args:
        console: where to write; stderr, so that results on stdout stay clean.
        quiet: show nothing.
        stages: those of the audit, in their order; a label that begins with one says its place among them.
        clock: seconds, injected for tests.
    """

    def __init__(
        self,
        console: Console,
        *,
        quiet: bool = False,
        stages: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._quiet = quiet
        self._clock = clock
        self._places = {stage: f"{stage} {number} of {len(stages)}" for number, stage in enumerate(stages, start=1)}
        self._tasks: dict[str, TaskID] = {}
        # Label -> when it was last said, and the moment at which its first steps were done, with their number.
        self._said: dict[str, float] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._bars: Progress | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
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
        self._console.print(sentence, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def __call__(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `label` are finished."""
        if self._quiet:
            return
        if self._bars is not None:
            if label not in self._tasks:
                self._tasks[label] = self._bars.add_task(self._shown(label), total=total)
            self._bars.update(self._tasks[label], completed=done, total=total)
            return
        now = self._clock()
        # Processes that have to start make the first step longer than those after it.
        began, first = self._began.setdefault(label, (now, done)) if done else (now, 0)
        if done >= total or now - self._said.setdefault(label, now) >= PLAIN_INTERVAL_S:
            self._said[label] = now
            left = _left(now - began, done - first, total - done)
            line = f"{self._shown(label)}: {done}/{total}{left}"
            self._console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def _shown(self, label: str) -> str:
        """The label, with the place of its stage; a device's name may stand before it, with a colon."""
        text = plain(label, length=LABEL_LENGTH)
        words = re.search(r"(?:^|: )([a-z]+)(?: (.*))?$", text)
        place = self._places.get(words[1]) if words else None
        if words is None or place is None:
            return text
        return text[: words.start(1)] + place + (f", {words[2]}" if words[2] else "")


def _left(elapsed: float, done: int, rest: int) -> str:
    """How long the rest takes at the speed so far; nothing where that is not known yet, and nothing at the end."""
    if done <= 0 or rest <= 0:
        return ""
    seconds = elapsed / done * rest
    if seconds < MINUTE_S:
        return f", about {max(1, round(seconds))} s left"
    return f", about {round(seconds / MINUTE_S)} min left"
