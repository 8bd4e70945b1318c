"""The first picture: where the strongest attack of each adversary lies between guessing and certainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report._format import interval
from harness.report.pictures._svg import MARKERS, Canvas, Picture
from harness.results import Result

__all__ = ["draw"]

WIDTH, SIZE = 380.0, 12.5
LEFT, RIGHT, TOP, ROW = 34.0, 366.0, 30.0, 34.0
LOW, HIGH = 0.45, 1.0


def draw(strongest: Sequence[Result], limit: float | None) -> Picture | None:
    """A line for each adversary's strongest attack; None where none has an AUC.

    Args:
        strongest: one an adversary.
        limit: the AUC that the policy allows; None where it limits none.
    """
    known = [one for one in strongest if one.headline.resolvable and math.isfinite(one.headline.value)]
    if not known:
        return None
    bottom = TOP + ROW * len(known)
    words = "; ".join(f"{one.adversary} {interval(one.headline)}" for one in known)
    allowed = "" if limit is None else f" The limit is {limit:g}."
    canvas = Canvas(
        "scale", width=WIDTH, height=bottom + 24,
        title="The strongest attacks between guessing and certainty", description=f"AUC: {words}.{allowed}",
    )  # fmt: skip
    for value in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        canvas.line([(_x(value), TOP - 4), (_x(value), bottom)], "grid", width=0.8)
        canvas.text((_x(value), bottom + 15), f"{value:g}", size=SIZE - 1, anchor="middle", color="soft")
    canvas.line([(_x(0.5), TOP - 4), (_x(0.5), bottom)], "soft", width=1.2, dashes="4 3")
    canvas.text((_x(0.5), TOP - 9), "guessing", size=SIZE - 1, anchor="middle", color="soft")
    if limit is None or limit < 0.88:
        canvas.text((RIGHT + 6, TOP - 9), "certainty", size=SIZE - 1, anchor="end", color="soft")
    if limit is not None:
        canvas.line([(_x(limit), TOP - 4), (_x(limit), bottom)], "limit", width=2)
        centre = min(max(_x(limit), _x(0.5) + 58), RIGHT - 24)
        canvas.text((centre, TOP - 9), f"limit {limit:g}", size=SIZE - 1, anchor="middle", color="limit")
    for number, one in enumerate(known):
        y = TOP + ROW * (number + 0.6)
        estimate = one.headline
        low, high = (end if math.isfinite(end) else estimate.value for end in (estimate.low, estimate.high))
        canvas.text((0, y + 0.35 * SIZE), one.adversary, size=SIZE)
        canvas.line([(_x(low), y), (_x(high), y)], "s0", width=5)
        canvas.marker((_x(estimate.value), y), MARKERS[0], "s0", hollow=True)
        canvas.text((_x(estimate.value), y - 8), f"{estimate.value:.2f}", size=SIZE - 1, anchor="middle")
    return Picture(
        canvas.svg(), "AUC of the strongest attacks", (), "Bars: intervals that hold for all attacks at once (95%)."
    )


def _x(value: float) -> float:
    return LEFT + (RIGHT - LEFT) * (min(max(value, LOW), HIGH) - LOW) / (HIGH - LOW)
