"""Numbers as people read them: a value never goes without its interval, its unit, or the reason why it is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from harness.report._clean import NOT_AVAILABLE, clean
from harness.types import Estimate, TprEstimate

__all__ = [
    "at_least",
    "bytes_text",
    "chosen",
    "counted",
    "duration",
    "grouped",
    "interval",
    "percent",
    "ratio",
    "rough",
    "seconds",
    "share",
    "short",
    "signed",
    "tied",
    "whole",
]

KIBIBYTE = 1024
# Below one per cent one decimal would hide differences, and low false-positive rates lie there.
FINE_PERCENT = 1.0


def ratio(value: float) -> str:
    """Three decimals: AUCs differ by a few thousandths at most at the sizes that audits have."""
    return f"{value:.3f}"


def signed(value: float) -> str:
    """Three decimals with the sign, for differences."""
    return f"{value:+.3f}"


def percent(value: float) -> str:
    """A share as per cent."""
    scaled = 100 * value
    return f"{scaled:.2f}%" if 0 < scaled < FINE_PERCENT else f"{scaled:.1f}%"


def short(value: float) -> str:
    """Three significant digits, for numbers without a natural scale; ``n/a`` for what is not finite."""
    return f"{value:.3g}" if math.isfinite(value) else NOT_AVAILABLE


def rough(value: float) -> str:
    """Two significant digits, for narrow tables; ``n/a`` for what is not finite."""
    return f"{value:.2g}" if math.isfinite(value) else NOT_AVAILABLE


def duration(value: float) -> str:
    """Nanoseconds in the unit that suits them."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} ns"


def seconds(value: float) -> str:
    """Seconds of a stage."""
    return duration(value * 1e9)


def bytes_text(value: float | None) -> str:
    """A size in bytes, KiB, MiB or GiB."""
    if value is None:
        return NOT_AVAILABLE
    for unit, size in (("GiB", KIBIBYTE**3), ("MiB", KIBIBYTE**2), ("KiB", KIBIBYTE)):
        if abs(value) >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"


def whole(value: float | None) -> str:
    """A count."""
    return NOT_AVAILABLE if value is None else f"{value:.0f}"


def grouped(count: int) -> str:
    """A count whose thousands are set apart, ``48,000``."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun, ``1 shadow`` and ``2 shadows``."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def share(value: float | None) -> str:
    """A share without an interval, such as the zeros that were counted in a file."""
    return NOT_AVAILABLE if value is None else percent(value)


def interval(estimate: Estimate | None, style: Callable[[float], str] = ratio) -> str:
    """``value [low, high]`` in the given style; why there is none where n cannot answer, ``n/a`` for nothing."""
    if estimate is None:
        return NOT_AVAILABLE
    if not estimate.resolvable:
        return _unresolved(estimate)
    if not math.isfinite(estimate.value):
        return NOT_AVAILABLE
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return style(estimate.value)
    return f"{style(estimate.value)} [{style(estimate.low)}, {style(estimate.high)}]"


def tied(estimate: Estimate | None) -> float:
    """The share of the non-members whose equal scores hide the rate; 0.0 where it is something else, or nothing."""
    if not isinstance(estimate, TprEstimate) or estimate.resolvable or estimate.needed_n is not None:
        return 0.0
    return estimate.tied


def _unresolved(estimate: Estimate) -> str:
    if estimate.needed_n is not None:
        return f"needs n ≥ {estimate.needed_n}"
    share = tied(estimate)
    return f"tied: {percent(share)} of non-members" if share else "not resolvable"


def chosen(choices: Mapping[str, str | float | int]) -> str:
    """What an attack chose, ``a = 0.3, gamma = 2``; empty where it chose nothing."""
    return ", ".join(f"{clean(name)} = {clean(value)}" for name, value in choices.items())


def at_least(estimate: Estimate) -> str:
    """A lower bound: only the end that is guaranteed is shown."""
    if not estimate.resolvable:
        return interval(estimate)
    bound = estimate.low if math.isfinite(estimate.low) else estimate.value
    return f"≥ {bound:.2f}" if math.isfinite(bound) else NOT_AVAILABLE
