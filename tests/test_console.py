"""Progress where there is no terminal: a line every ten seconds, and one at the end."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from harness.cli._console import ProgressView


def printed(
    calls: Sequence[tuple[float, str, int, int]], *, quiet: bool = False, stages: Sequence[str] = ()
) -> list[str]:
    stream, now = io.StringIO(), [0.0]
    with ProgressView(Console(file=stream, width=80), quiet=quiet, stages=stages, clock=lambda: now[0]) as view:
        for moment, label, done, total in calls:
            now[0] = moment
            view(label, done, total)
    return stream.getvalue().splitlines()


def test_long_work_is_reported_every_ten_seconds_and_at_its_end() -> None:
    calls = [(second, "export", second, 30) for second in range(31)]
    assert printed(calls) == ["export: 10/30, about 20 s left", "export: 20/30, about 10 s left", "export: 30/30"]


def test_work_of_minutes_says_so() -> None:
    assert printed([(0, "mis", 0, 100), (3, "mis", 1, 100), (15, "mis", 5, 100)]) == ["mis: 5/100, about 5 min left"]


def test_before_a_second_step_is_done_nothing_is_known_of_the_rest() -> None:
    assert printed([(0, "mis", 0, 100), (15, "mis", 0, 100), (30, "mis", 1, 100)]) == ["mis: 0/100", "mis: 1/100"]


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("collect", "collect 2 of 3"),
        ("collect target, audit", "collect 2 of 3, target, audit"),
        ("adb:PHONE: attack", "adb:PHONE: attack 3 of 3"),
        ("query", "query"),
        ("collection", "collection"),
    ],
)
def test_a_stage_says_its_place_among_those_of_the_audit(label: str, shown: str) -> None:
    calls = [(0.0, label, 1, 1)]
    assert printed(calls, stages=("train", "collect", "attack")) == [f"{shown}: 1/1"]


def test_a_name_of_a_device_does_not_steer_the_terminal() -> None:
    (line,) = printed([(0.0, "\x1b[2J\x1b]0;x\x07" + "y" * 10_000 + ": collect", 1, 1)], stages=("collect",))
    assert "\x1b" not in line
    assert "\x07" not in line
    assert len(line) < 300


def test_bars_on_a_terminal_name_the_stage_and_read_no_markup() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=True, color_system=None)
    with ProgressView(console, stages=("train", "collect")) as view:
        view("[red]board[/red]: collect", 1, 2)
    assert "[red]board[/red]: collect 2 of 2" in stream.getvalue()


def test_short_work_is_one_line() -> None:
    assert printed([(0.1 * k, "[bold]", k, 3) for k in range(4)]) == ["[bold]: 3/3"]


def test_quiet_prints_nothing() -> None:
    assert printed([(0.0, "export", 3, 3)], quiet=True) == []
