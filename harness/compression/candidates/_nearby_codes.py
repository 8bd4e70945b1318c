"""Codes that training on another sample might choose: the near ties of the quadratic loss, several codes at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.types import Array, FloatArray, IntArray

__all__ = ["NearbyCodes", "QuadraticLoss", "near_ties", "nearby_codes"]

# Codes that are kept and looked around, for each one that is asked for, and at least.
POOL_FACTOR, MIN_POOL = 8, 512
# Pairs of coordinates that are moved together, for each coordinate: those whose curvature is coupled most.
PAIRS_PER_COORDINATE = 8
# Codes whose neighbours are looked at together.
BATCH = 64
# Times that a code lower than the lowest so far may begin the search anew.
MAX_RESTARTS = 64
# A variance below this share of the largest single one is rounding: the step changes no record's loss.
NO_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class QuadraticLoss:
    """The mean training loss around a code, and how much one record's loss varies.

    A step ``s`` away from the code changes the mean loss by ``g s + s H s / 2``, and one record's by that with a
    variance of ``s C s``. After n other records the sum of the second decides, so what counts is the ratio of the first
    to the root of the second. Our own derivation.

    Args:
        gradient: ``g [d]``, mean over the records, at the code.
        curvature: ``H [d, d]``, symmetric.
        covariance: ``C [d, d]`` of the records' gradients.
    """

    gradient: FloatArray
    curvature: FloatArray
    covariance: FloatArray

    def __post_init__(self) -> None:
        d = len(self.gradient)
        for name, value, shape in (
            ("gradient", self.gradient, (d,)),
            ("curvature", self.curvature, (d, d)),
            ("covariance", self.covariance, (d, d)),
        ):
            if value.size == 0 or value.shape != shape or not np.isfinite(value).all():
                raise InputError(f"quadratic loss: {name} is {value.shape}, expected finite {shape}")

    def rise(self, steps: FloatArray) -> FloatArray:
        """Change of the mean loss for each of the steps ``[K, d]``: ``[K]``."""
        return np.asarray(steps @ self.gradient + 0.5 * np.sum((steps @ self.curvature) * steps, axis=1))

    def spread(self, steps: FloatArray) -> FloatArray:
        """Standard deviation over records of the change of the loss, for steps ``[K, d]``: ``[K]``."""
        return np.asarray(np.sqrt(np.maximum(np.sum((steps @ self.covariance) * steps, axis=1), 0.0)))


@dataclass(frozen=True, eq=False)
class NearbyCodes:
    """Codes in order: the one of least loss first, then its rivals by their signal to noise.

    Args:
        codes: indices of levels, ``[K, d]``.
        steps: weights less those of the code that the search began at, ``[K, d]``.
        rise: mean loss less that of the code that the search began at, by the quadratic model, ``[K]``.
        ratio: excess over the first code in standard deviations of one record's excess, ``[K]``; 0 for the first.
    """

    codes: IntArray
    steps: FloatArray
    rise: FloatArray
    ratio: FloatArray


def nearby_codes(
    loss: QuadraticLoss, levels: Array, code: IntArray, *, count: int, max_moved: int | None = None
) -> NearbyCodes:
    """Find the code of least quadratic loss, and the rivals that another sample would most likely prefer to it.

    Rivals are ordered by the signal to noise of what they cost: excess mean loss over the standard deviation of one
    record's excess. On correlated features a flip that another makes good is closer than either alone, so coordinates
    are moved alone and in pairs, the pairs of most coupled curvature. The search first descends from ``code``. Then it
    keeps a bounded list of the closest codes found, and looks around each of them until no neighbour enters the list;
    a code of less loss begins it anew. Nothing is drawn: equal arguments give equal codes.

    Args:
        loss: the quadratic loss around ``code``.
        levels: ascending values of each coordinate's levels, ``[d, L]``, or ``[L]`` where all have the same; NaN is a
            level that the coordinate cannot take.
        code: index of each coordinate's level where the search begins, ``[d]``.
        count: codes to return at most, the first included.
        max_moved: coordinates that may differ from ``code`` at once; None sets no bound.

    Returns:
        Up to ``count`` codes; fewer where there are no more that change any record's loss.

    Raises:
        InputError: shapes disagree, the code has no value, or a number is below one.
    """
    search = _checked(loss, levels, code, count, max_moved, floor=0.0)
    best, size = search.descend(search.begin), max(MIN_POOL, POOL_FACTOR * count)
    for _ in range(MAX_RESTARTS):
        pool = search.around(best, size)
        if not search.is_lower(pool[0], best):
            break
        best = search.descend(pool[0])
    else:
        pool = search.around(best, size, restart=False)
    return search.found(pool[:count], best)


def near_ties(
    loss: QuadraticLoss, levels: Array, code: IntArray, *, count: int, n: int, max_moved: int | None = None
) -> NearbyCodes:
    """The nearest ties of a code that another rule than the least loss has chosen, such as rounding.

    The code stands for the choice even where others have less loss, so the distance of a rival is the size of the loss
    difference, whatever its sign, over the standard deviation of one record's difference. What is within one standard
    error of n records is a tie, and of ties those come first that move fewest coordinates. So single flips come before
    joint ones where enough of them are ties, and joint flips where the single ones cost more than what they cost
    together.

    Args:
        loss: the quadratic loss around ``code``.
        levels: as in :func:`nearby_codes`.
        code: index of each coordinate's level, ``[d]``.
        count: codes to return at most, ``code`` included.
        n: records of the training set.
        max_moved: coordinates that may differ from ``code`` at once; None sets no bound.

    Returns:
        Up to ``count`` codes, ``code`` first.

    Raises:
        InputError: shapes disagree, the code has no value, or a number is below one.
    """
    if n < 1:
        raise InputError(f"near ties: n={n}; a training set has at least one record")
    search = _checked(loss, levels, code, count, max_moved, floor=n**-0.5)
    return search.found(search.around(search.begin, max(MIN_POOL, POOL_FACTOR * count))[:count], search.begin)


def _checked(
    loss: QuadraticLoss, levels: Array, code: IntArray, count: int, max_moved: int | None, *, floor: float
) -> _Search:
    begin = np.asarray(code, dtype=np.int64)
    d = len(loss.gradient)
    values = np.broadcast_to(np.asarray(levels, dtype=np.float64), (d, np.shape(levels)[-1]))
    if begin.shape != (d,) or not ((begin >= 0) & (begin < values.shape[1])).all():
        raise InputError(f"nearby codes: code {begin.shape}, expected {d} indices of {values.shape[1]} levels")
    if not np.isfinite(values[np.arange(d), begin]).all():
        raise InputError("nearby codes: the code has a level without a value", hint="give every level in use a value")
    if count < 1 or (max_moved is not None and max_moved < 1):
        raise InputError(f"nearby codes: count={count}, max_moved={max_moved}; both must be at least 1")
    return _Search(loss, values, begin, d if max_moved is None else max_moved, floor)


@dataclass(frozen=True, eq=False)
class _Moves:
    """Changes of one or two coordinates by one level: a single one has the coordinate d, which is none, beside it."""

    first: IntArray
    up_first: NDArray[np.bool_]
    second: IntArray
    up_second: NDArray[np.bool_]


class _Search:
    """The neighbours of codes, what they cost, and their order.

    Args:
        floor: 0 where the least loss is the choice; else distances count whatever their sign, and up to this they tie.
    """

    def __init__(self, loss: QuadraticLoss, values: FloatArray, begin: IntArray, max_moved: int, floor: float) -> None:
        self.loss, self.values, self.begin, self.max_moved, self.floor = loss, values, begin, max_moved, floor
        self.coordinates = np.arange(len(begin))
        self.origin = values[self.coordinates, begin]
        self.moves = _moves(loss.curvature)
        # One more coordinate that costs nothing, so that single moves are pairs too.
        self.curvature, self.covariance = (np.pad(m, (0, 1)) for m in (loss.curvature, loss.covariance))
        reach = np.nanmax(np.abs(values - self.origin[:, None]), axis=1)
        self.no_spread = NO_SPREAD * float(np.max(np.diag(loss.covariance) * reach**2))

    def steps(self, codes: IntArray) -> FloatArray:
        return np.asarray(self.values[self.coordinates, codes] - self.origin, dtype=np.float64)

    def found(self, codes: IntArray, best: IntArray) -> NearbyCodes:
        """The codes with what they cost, against the best one."""
        steps, least = self.steps(codes), self.steps(best[None])
        rise, spread = self.loss.rise(steps), self.loss.spread(steps - least)
        ratio = _ratio(rise - self.loss.rise(least), spread**2, self.no_spread)
        ratio = np.abs(ratio) if self.floor else np.maximum(ratio, 0.0)
        return NearbyCodes(codes, steps, rise, np.where((codes == best).all(axis=1), 0.0, ratio))

    def order(self, rise: FloatArray, variance: FloatArray, moved: FloatArray) -> FloatArray:
        """What codes are sorted by; infinite where no record's loss changes."""
        ratio = _ratio(rise, variance, self.no_spread)
        if not self.floor:
            return ratio
        # Ties fill the room below the floor, those that move fewest coordinates first.
        share = (moved + np.abs(ratio) / self.floor) / (len(self.begin) + 2)
        return np.where(np.abs(ratio) <= self.floor, self.floor * share, np.abs(ratio))

    def is_lower(self, code: IntArray, than: IntArray) -> bool:
        """Whether a code has less loss, by more than rounding."""
        a, b = self.loss.rise(self.steps(np.stack([code, than]))).tolist()
        return bool(a < b - 1e-9 * max(abs(a), abs(b)))

    def descend(self, code: IntArray) -> IntArray:
        """The code at which no single move and no pair of moves lowers the loss, by the steepest of them."""
        while True:
            rise, _, apart = self._neighbours(code[None], code)
            lowest = int(np.argmin(np.where(np.isfinite(apart), rise, np.inf)[0]))
            moved = self._moved(code[None], np.array([lowest]))[0]
            if not np.isfinite(apart[0, lowest]) or not self.is_lower(moved, code):
                return code
            code = moved

    def around(self, best: IntArray, size: int, *, restart: bool = True) -> IntArray:
        """The best code and those closest to it that are found, at most ``size`` of them ``[<= size, d]``, in order.

        Where the least loss is the choice and a code of less loss comes up, the search ends with that code in front,
        unless it is not to begin anew.
        """
        codes, keys, looked = best[None], np.zeros(1), np.array([False])
        seen = {best.tobytes()}
        while not looked.all():
            rows = np.flatnonzero(~looked)[:BATCH]
            looked[rows] = True
            grown, found = self._closest(codes[rows], best, size, keys[-1] if len(codes) == size else np.inf)
            fresh = [i for i, row in enumerate(grown) if _enters(row, seen)]
            if restart and not self.floor and fresh and self.is_lower(grown[fresh[0]], best):
                return grown[fresh]
            codes = np.concatenate([codes, grown[fresh]])
            # Where a lower code than the best does not begin the search anew, it is a tie.
            keys = np.concatenate([keys, np.maximum(found[fresh], 0.0)])
            looked = np.concatenate([looked, np.zeros(len(fresh), dtype=bool)])
            order = np.argsort(keys, kind="stable")[:size]
            codes, keys, looked = codes[order], keys[order], looked[order]
        return codes

    def _closest(self, codes: IntArray, best: IntArray, size: int, bound: float) -> tuple[IntArray, FloatArray]:
        """The closest neighbours of codes within a bound, in order, and what they are sorted by."""
        rise, variance, apart = self._neighbours(codes, best)
        keys = np.where(np.isfinite(apart), self.order(rise, variance, apart), np.inf).reshape(-1)
        # The same neighbour is reached in several ways, so more are taken than can enter.
        near = np.flatnonzero(keys < bound)
        near = near[np.argsort(keys[near], kind="stable")[: 4 * size]]
        parents, moves = np.divmod(near, rise.shape[1])
        return self._moved(codes[parents], moves), keys[near]

    def _neighbours(self, codes: IntArray, best: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of codes ``[B, d]`` after every move: excess over the best, its variance, how many coordinates differ from
        where the search began, infinite where the move is not allowed; ``[B, P]``.

        A move is reckoned from its code, whose slope and covariance with the best are known: no product of matrices
        for each neighbour.
        """
        steps, least = self.steps(codes), self.steps(best[None])
        away = steps - least
        slope = np.pad(self.loss.gradient + steps @ self.loss.curvature, ((0, 0), (0, 1)))
        pull = np.pad(away @ self.loss.covariance, ((0, 0), (0, 1)))
        rise = self.loss.rise(steps) - self.loss.rise(least)
        variance = self.loss.spread(away) ** 2
        m, down, up = self.moves, self._changes(codes, -1), self._changes(codes, 1)
        one, apart_one = (np.where(m.up_first, b[:, m.first], a[:, m.first]) for a, b in zip(down, up, strict=True))
        two, apart_two = (np.where(m.up_second, b[:, m.second], a[:, m.second]) for a, b in zip(down, up, strict=True))
        apart = np.sum(codes != self.begin, axis=1)[:, None] + apart_one + apart_two
        allowed = np.isfinite(one) & np.isfinite(two) & (apart <= self.max_moved)
        apart = np.where(allowed, apart, np.inf)
        one, two = (np.where(allowed, step, 0.0) for step in (one, two))
        return (
            rise[:, None] + _grown(slope, 0.5 * self.curvature, m, one, two),
            variance[:, None] + _grown(2.0 * pull, self.covariance, m, one, two),
            apart,
        )

    def _changes(self, codes: IntArray, by: int) -> tuple[FloatArray, IntArray]:
        """Of every coordinate one level on: the step (NaN: none), and how many more differ then; ``[B, d + 1]``."""
        moved = codes + by
        inside = (moved >= 0) & (moved < self.values.shape[1])
        moved = np.where(inside, moved, codes)
        step = self.values[self.coordinates, moved] - self.values[self.coordinates, codes]
        apart = (moved != self.begin).astype(np.int64) - (codes != self.begin)
        return np.pad(np.where(inside, step, np.nan), ((0, 0), (0, 1))), np.pad(apart, ((0, 0), (0, 1)))

    def _moved(self, codes: IntArray, moves: IntArray) -> IntArray:
        """Codes ``[B, d]`` after one move each."""
        m, rows = self.moves, np.arange(len(codes))
        grown = np.pad(codes, ((0, 0), (0, 1)))
        grown[rows, m.first[moves]] += np.where(m.up_first[moves], 1, -1)
        grown[rows, m.second[moves]] += np.where(m.up_second[moves], 1, -1)
        return np.ascontiguousarray(grown[:, :-1])


def _moves(curvature: FloatArray) -> _Moves:
    """Every coordinate alone, and the pairs of coordinates whose curvature is coupled most, up and down."""
    d = len(curvature)
    diagonal = np.sqrt(np.maximum(np.diag(curvature), np.finfo(np.float64).tiny))
    rows, columns = np.triu_indices(d, 1)
    coupling = np.abs(curvature[rows, columns]) / (diagonal[rows] * diagonal[columns])
    strong = np.argsort(-coupling, kind="stable")[: PAIRS_PER_COORDINATE * d]
    first = np.concatenate([np.repeat(np.arange(d), 2), np.repeat(rows[strong], 4)])
    second = np.concatenate([np.full(2 * d, d), np.repeat(columns[strong], 4)])
    up_first = np.concatenate([np.tile([True, False], d), np.tile([True, True, False, False], len(strong))])
    up_second = np.concatenate([np.full(2 * d, True), np.tile([True, False, True, False], len(strong))])
    return _Moves(first, up_first, second, up_second)


def _grown(slope: FloatArray, square: FloatArray, moves: _Moves, one: FloatArray, two: FloatArray) -> FloatArray:
    """``slope s + s square s`` of steps in two coordinates, ``[B, P]``."""
    diagonal = np.diag(square)
    value = one * (slope[:, moves.first] + diagonal[moves.first] * one)
    value += two * (slope[:, moves.second] + diagonal[moves.second] * two)
    value += 2.0 * square[moves.first, moves.second] * one * two
    return value


def _ratio(rise: FloatArray, variance: FloatArray, no_spread: float) -> FloatArray:
    spread = np.sqrt(np.where(variance > no_spread, variance, 1.0))
    return np.where(variance > no_spread, rise / spread, np.inf)


def _enters(row: IntArray, seen: set[bytes]) -> bool:
    key = row.tobytes()
    if key in seen:
        return False
    seen.add(key)
    return True
