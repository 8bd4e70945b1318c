"""Progress where there is no terminal: a line every ten seconds, and one at the end."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from harness.cli._console import ProgressView


def printed(calls: Sequence[tuple[float, str, int, int]], *, quiet: bool = False) -> list[str]:
    stream, now = io.StringIO(), [0.0]
    with ProgressView(Console(file=stream, width=80), quiet=quiet, clock=lambda: now[0]) as view:
        for moment, label, done, total in calls:
            now[0] = moment
            view(label, done, total)
    return stream.getvalue().splitlines()


def test_long_work_is_reported_every_ten_seconds_and_at_its_end() -> None:
    calls = [(second, "export", second, 30) for second in range(31)]
    assert printed(calls) == ["export: 10/30", "export: 20/30", "export: 30/30"]


def test_short_work_is_one_line() -> None:
    assert printed([(0.1 * k, "[bold]", k, 3) for k in range(4)]) == ["[bold]: 3/3"]


def test_quiet_prints_nothing() -> None:
    assert printed([(0.0, "export", 3, 3)], quiet=True) == []
