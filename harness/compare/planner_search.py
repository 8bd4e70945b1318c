"""Which sets of variants a plan measures: all of them, or a chain that grows by what adds least; and what that bounds.

A set is a bit mask: bit ``i`` is the file at place ``i``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

__all__ = ["EXHAUSTIVE_TO", "MOST_FILES", "all_sets", "grown_sets", "largest_possible", "places_of"]

# All sets of so many files are 1,023; of one more they would be twice as many.
EXHAUSTIVE_TO = 10
# A chain through more files measures thousands of sets.
MOST_FILES = 40


def places_of(mask: int) -> tuple[int, ...]:
    """The places in a set, ascending."""
    return tuple(place for place in range(mask.bit_length()) if mask >> place & 1)


def all_sets(files: int) -> list[int]:
    """Every set of so many files but the empty one."""
    return list(range(1, 1 << files))


def grown_sets(files: int, cost: Callable[[int], float], *, also: Iterable[int] = ()) -> list[int]:
    """Every file, every pair, and a chain from the cheapest file to all, with every set that each step could take.

    Args:
        files: how many there are.
        cost: of a set; each step takes the file that makes it smallest. It must not look at the audited membership,
            else the chain would be chosen on what is scored.
        also: further sets that are measured.

    Returns:
        The sets in the order in which they were looked at, each once.
    """
    singles = [1 << place for place in range(files)]
    sets = [*singles, *(a | b for place, a in enumerate(singles) for b in singles[place + 1 :])]
    held = min(singles, key=cost)
    while held != (1 << files) - 1:
        steps = [held | one for one in singles if not held & one]
        sets += steps
        held = min(steps, key=cost)
    return list(dict.fromkeys([*sets, *also]))


def largest_possible(files: int, passing: Collection[int]) -> int:
    """An upper bound on the number of files in a set of which no file and no pair is known to be too much.

    Whoever holds a set may ignore the rest of it, so a set can only pass where all of its files and pairs do: they
    are all joined in the graph of the pairs that pass. Files that are not joined can share a colour, and files of one
    colour are never together in a set, so the colours that a greedy colouring needs are a bound.

    Args:
        files: how many there are.
        passing: the sets that pass; every file and every pair was looked at.
    """
    fit = [place for place in range(files) if 1 << place in passing]
    apart = {a: {b for b in fit if b != a and (1 << a | 1 << b) not in passing} for a in fit}
    colours: list[set[int]] = []
    # A file that goes with few others finds a colour more easily while there are few.
    for place in sorted(fit, key=lambda one: (len(apart[one]), one)):
        colour = next((group for group in colours if group <= apart[place]), None)
        if colour is None:
            colours.append({place})
        else:
            colour.add(place)
    return len(colours)


def in_order(masks: Sequence[int]) -> list[int]:
    """Sets by their size, then by their files' places."""
    return sorted(masks, key=lambda mask: (mask.bit_count(), places_of(mask)))
