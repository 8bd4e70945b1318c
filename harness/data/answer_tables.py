"""Answers in tables, .csv, .parquet or a DataFrame, as the arrays that an .npz of answers holds.

`harness.data.answer_columns` says what the columns mean. A .csv is read row by row in float64; what is kept of it is
its numbers. The numbers of a .parquet file and of a DataFrame keep their type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data._cell_readers import columns_of
from harness.data._cells import Cells, classes_of, groups_of, ids_of, marks_of
from harness.data.answer_columns import CANARY, GROUPS, ID, LABEL, MEMBERSHIP, Layout
from harness.data.keyed import InMemory
from harness.errors import InputError
from harness.types import SUM_TOLERANCE, Array

__all__ = ["SUFFIXES", "TableAnswers", "read"]

SUFFIXES = (".csv", ".parquet")


class TableAnswers(InMemory):
    """The arrays of a target's table and of its shadows'.

    Args:
        path: how messages call the target's table.
        arrays: key -> array, as `harness.data.answers` describes them.
        id_texts: the target's ids as they were written, where they are texts.
    """

    def __init__(self, path: Path | str, arrays: Mapping[str, object], id_texts: tuple[str, ...] | None) -> None:
        super().__init__(path, arrays)
        self.id_texts = id_texts


@dataclass(frozen=True, eq=False)
class _Table:
    """One table with its columns checked: key after the prefix -> array, and the ids as written."""

    layout: Layout
    arrays: dict[str, Array]
    ids: list[int] | list[str] | None


def read(table: object, shadows: Sequence[object] = (), *, name: str = "DataFrame") -> TableAnswers:
    """Read the answers of a target and of its shadows, every cell checked.

    Args:
        table: a path that ends in .csv or .parquet, a DataFrame (pandas or polars), or a pyarrow Table.
        shadows: the same, one for each shadow model: its answers to records of its own.
        name: how messages call a table that is no file.

    Raises:
        InputError: a table cannot be used; the message names it, and the column and the row.
        DependencyError: it is a .parquet file and pyarrow is not installed.
    """
    target = _one(table, name, None)
    others = [_one(shadow, f"{name} of shadow {k}", target.layout) for k, shadow in enumerate(shadows)]
    arrays: dict[str, object] = {f"target/{key}": values for key, values in target.arrays.items()}
    for k, shadow in enumerate(others):
        arrays |= {f"shadow/{k}/{key}": values for key, values in shadow.arrays.items()}
    texts = _add_ids(arrays, target, others)
    return TableAnswers(table if isinstance(table, Path) else name, arrays, texts)


def _one(table: object, name: str, like: Layout | None) -> _Table:
    source: Path | str = Path(table) if isinstance(table, str | Path) else name
    try:
        cells = columns_of(table, source, like)
        return _checked(cells, is_shadow=like is not None)
    except MemoryError:
        raise InputError(f"{source}: does not fit in memory", hint="give fewer records") from None


def _checked(cells: Cells, *, is_shadow: bool) -> _Table:
    """The table's arrays, each cell checked; of several bad ones the column that stands first here is named."""
    layout = cells.layout
    arrays: dict[str, Array] = {
        "labels": classes_of(cells, LABEL, layout),
        "membership": marks_of(cells, MEMBERSHIP),
    }
    if CANARY in layout.marks:
        if is_shadow:
            raise InputError(f"{cells.source}: column {CANARY}: a shadow has no canaries", hint="leave it out")
        arrays[CANARY] = marks_of(cells, CANARY)
    if not is_shadow:  # leakage is reported by the target's groups
        for group in layout.groups:
            arrays[f"{GROUPS}{group}"] = groups_of(cells, f"{GROUPS}{group}")
    for key in layout.answers:
        arrays[key] = _numbers(cells, key)
    return _Table(layout, arrays, ids_of(cells, ID) if ID in layout.marks else None)


def _numbers(cells: Cells, key: str) -> Array:
    """One variant's answers ``[n, C]``: finite, and rows of confidences sum to one."""
    values: Array = cells.numbers.pop(key)
    kind = key.partition("/")[0]
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite.all(axis=1)))
        column = cells.column(key, int(np.argmin(finite[row])))
        raise InputError(
            f"{cells.where(row, column)}: {float(values[row, int(np.argmin(finite[row]))])} is not a finite number",
            hint="a record without an answer cannot be attacked: leave out its row",
        )
    if kind == "confidences":
        sums = values.sum(axis=1, dtype=np.float64)
        bad = np.flatnonzero((np.abs(sums - 1.0) > SUM_TOLERANCE) | (values.min(axis=1) < 0))
        if len(bad):
            row, columns = int(bad[0]), f"{cells.column(key, 0)} to {cells.column(key, -1)}"
            raise InputError(
                f"{cells.where(row, columns)}: sums to {sums[row]:.4g} or is negative; a row of confidences sums to "
                "one",
                hint="logits go in columns logits/VARIANT:CLASS",
            )
    return values


def _add_ids(arrays: dict[str, object], target: _Table, shadows: Sequence[_Table]) -> tuple[str, ...] | None:
    """Number the ids of all tables, the same id alike; whole numbers are their own.

    Returns:
        The target's ids where they are texts.
    """
    tables = {"target": target} | {f"shadow/{k}": shadow for k, shadow in enumerate(shadows)}
    given = {name: table.ids for name, table in tables.items() if table.ids is not None}
    if all(isinstance(one, int) for ids in given.values() for one in ids):
        arrays |= {f"{name}/ids": np.array(ids, dtype=np.int64) for name, ids in given.items()}
        return None
    numbers: dict[str, int] = {}
    for name, ids in given.items():
        arrays[f"{name}/ids"] = np.array([numbers.setdefault(str(one), len(numbers)) for one in ids], dtype=np.int64)
    return None if target.ids is None else tuple(map(str, target.ids))
