"""Records that somebody else stored, as pools of members and non-members: read, checked against each other, named.

A record is known by its content: the same values have the same id in whichever file they lie, so that a record in two
pools, or in the target's and a shadow's, is recognised. Its number is its place in the files: a person finds it there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.attacks import MIN_SIDE_RECORDS
from harness.data import records as stored
from harness.data import tables
from harness.data.groups import as_canary, as_column, require_few
from harness.errors import InputError, UnresolvedError
from harness.subject.names import CANARIES
from harness.types import Array, IntArray, Records

if TYPE_CHECKING:
    from harness.config import RecordsConfig, ShadowConfig

__all__ = ["Columns", "Pool", "read_pools", "with_ids"]

# The name under which a table's columns are fed: such a model has one input, whatever its own name is.
INPUT = "inputs"
ID_BYTES = 16
# How tables write whether a record is a canary.
MARKS = {"0": 0, "1": 1, "false": 0, "true": 1}


@dataclass(frozen=True)
class Columns:
    """What the columns of files of records mean, beside those that a model is fed.

    Args:
        label: the classes, in a table; None takes the usual name.
        groups: what each record belongs to.
        canary: which records were inserted on purpose; None where none were.
        required: whether groups and canary have to be there: in the audited files, not in those of others.
    """

    label: str | None
    groups: tuple[str, ...] = ()
    canary: str | None = None
    required: bool = True


@dataclass(frozen=True, eq=False)
class Pool:
    """Records in a fixed order, and who of them was in the training set.

    Args:
        name: of the population in the run.
        source: how messages call it: the files that hold it.
        records: members and non-members mixed; ``ids`` are by content, before :func:`with_ids` places in the files.
        membership: 1 for members, int64 ``[n]``; None for records in nobody's training set.
    """

    name: str
    source: str
    records: Records
    membership: IntArray | None

    @property
    def members(self) -> IntArray:
        """Ids of the members."""
        return self.records.ids[self.membership == 1] if self.membership is not None else np.empty(0, dtype=np.int64)


def read_pools(
    target: RecordsConfig, shadows: Sequence[ShadowConfig], *, audit: str, outside: str, seed: int
) -> dict[str, Pool]:
    """Read every pool of an audit of supplied files; name of the population -> pool, the target's first.

    Members and non-members are shuffled together by the seed, so that no batch holds one kind only. Canaries are a
    pool of their own, after the target's other records.

    Raises:
        InputError: a file or an array cannot be used, records of two files differ in shape or type, or a record is
            both a member and not; file, key and row are named.
        UnresolvedError: fewer than 25 members or non-members.
    """
    columns = Columns(target.label, target.groups, target.canary)
    if target.file is not None:
        audited = _mixed(audit, Path(target.file), columns, seed)
    else:
        audited = _pool(audit, _path(target.members), _path(target.nonmembers), columns, seed)
    pools = list(_without_canaries(audited))
    columns = replace(columns, required=False)
    if target.population is not None:
        path = Path(target.population)
        pools.append(Pool(outside, str(path), _read(path, columns), None))
    for number, shadow in enumerate(shadows):
        name = f"shadow-{number}"
        pools.append(_pool(name, Path(shadow.members), Path(shadow.nonmembers), columns, seed))
    for pool in pools[1:]:
        _require_alike(pools[0].source, pools[0].records, pool.source, pool.records)
    return {pool.name: pool for pool in with_ids(pools)}


def with_ids(pools: Sequence[Pool]) -> list[Pool]:
    """The same pools with ids by content: the first place at which it lies in the files, taken one after the other.

    A record of the target's members has the number of its row, from 0; non-members go on where members end.

    Raises:
        InputError: a record is both a member and a non-member of one model, a member and in the population, a canary
            and an ordinary record, or a canary twice.
    """
    places = np.concatenate(list(_places(pools)))
    digests = np.concatenate([_digests(pool.records) for pool in pools])
    order = np.argsort(places, kind="stable")
    _, first, inverse = np.unique(digests[order], return_index=True, return_inverse=True)
    ids = np.empty(len(places), dtype=np.int64)
    ids[order] = places[order][first][inverse.reshape(-1)]
    own = np.split(ids, np.cumsum([len(pool.records) for pool in pools])[:-1])
    named = [replace(pool, records=replace(pool.records, ids=ids)) for pool, ids in zip(pools, own, strict=True)]
    for pool in named:
        if pool.membership is not None:
            _require_disjoint(pool.source, pool.members, pool.records.ids[pool.membership == 0], "non-members")
    audited = [pool for pool in named if pool.name in (named[0].name, CANARIES)]
    for pool in named:
        if pool.membership is None:
            for one in audited:
                files = f"{one.source}, {pool.source}"
                _require_disjoint(files, one.members, pool.records.ids, "in the population")
    for pool in audited[1:]:
        _require_independent(audited[0], pool)
    return named


def _places(pools: Sequence[Pool]) -> Iterator[IntArray]:
    """Each record's place among all files; the canaries lie in the same files as the other audited records."""
    starts: dict[str, int] = {}
    end = 0
    for pool in pools:
        start = starts.setdefault(pool.source, end)
        yield start + pool.records.ids
        in_source = sum(len(other.records) for other in pools if other.source == pool.source)
        end = max(end, start + in_source)


def _without_canaries(pool: Pool) -> Iterator[Pool]:
    """The ordinary records and, where there are any, the canaries as a pool of their own."""
    marks = pool.records.canary
    if marks is None:
        yield pool
        return
    assert pool.membership is not None  # noqa: S101 - the audited records have sides
    if not marks.any():
        raise InputError(f"{pool.source}: no record is a canary", hint="leave canary out under [records]")
    for name, mark in ((pool.name, 0), (CANARIES, 1)):
        rows = np.flatnonzero(marks == mark)
        yield Pool(name, pool.source, pool.records.take(rows), pool.membership[rows])


def _pool(name: str, members: Path, nonmembers: Path, columns: Columns, seed: int) -> Pool:
    inside, outside = _read(members, columns), _read(nonmembers, columns)
    source = f"{members}, {nonmembers}"
    _require_alike(str(members), inside, str(nonmembers), outside)
    labels = np.concatenate([inside.labels, outside.labels])
    records = Records(
        {key: np.concatenate([inside.inputs[key], outside.inputs[key]]) for key in inside.inputs},
        labels,
        np.arange(len(labels)),
        _joined_groups(source, inside, outside),
        None if inside.canary is None or outside.canary is None else np.concatenate([inside.canary, outside.canary]),
    )
    membership = np.repeat([1, 0], [len(inside), len(outside)])
    n_members, n_others = _ordinary(records, membership)
    _require_enough(n_members, n_others, f"{members}: {n_members} members, {nonmembers}: {n_others} non-members")
    return _shuffled(name, source, records, membership, seed)


def _joined_groups(source: str, inside: Records, outside: Records) -> dict[str, Array]:
    """The columns of both files; texts where one of them holds texts."""
    joined = {}
    for name in inside.groups:
        if name in outside.groups:
            sides = [inside.groups[name], outside.groups[name]]
            if len({side.dtype.kind for side in sides}) > 1:
                sides = [side.astype(np.str_) for side in sides]
            joined[name] = np.concatenate(sides)
            require_few(joined[name], where=f"{source}: column {name}")
    return joined


def _mixed(name: str, path: Path, columns: Columns, seed: int) -> Pool:
    """Members and non-members of one .npz file with an array of membership."""
    records, membership = stored.read(path, groups=columns.groups, canary=columns.canary)
    _require_columns(path, records, columns)
    if membership is None:
        raise InputError(
            f"{path}: key membership is missing",
            hint="1 for members and 0 for non-members, or give two files: members and nonmembers",
        )
    n_members, n_others = _ordinary(records, membership)
    _require_enough(n_members, n_others, f"{path}: {n_members} members and {n_others} non-members")
    return _shuffled(name, str(path), records, membership, seed)


def _shuffled(name: str, source: str, records: Records, membership: IntArray, seed: int) -> Pool:
    order = np.random.default_rng(seed).permutation(len(records))
    return Pool(name, source, records.take(order), np.asarray(membership[order], dtype=np.int64))


def _read(path: Path, columns: Columns) -> Records:
    """The records of one file.

    Raises:
        InputError: its suffix is not known, or an array or a cell of it cannot be used.
    """
    if path.suffix in tables.SUFFIXES:
        return _of_table(path, columns)
    if path.suffix == ".npz":
        if columns.label is not None:
            raise InputError(f"{path}: label names a column of a table, and this is none", hint="leave label out")
        records, membership = stored.read(path, groups=columns.groups, canary=columns.canary)
        _require_columns(path, records, columns)
        if membership is not None:
            raise InputError(
                f"{path}: key membership: this file holds one kind of record",
                hint="leave the key out, or give the file as records with membership",
            )
        return records
    raise InputError(
        f"{path}: suffix {path.suffix or 'none'} is none of .npz, {', '.join(tables.SUFFIXES)}",
        hint="store arrays inputs and labels with numpy.savez",
    )


def _of_table(path: Path, columns: Columns) -> Records:
    apart = (*columns.groups, *filter(None, (columns.canary,)))
    table = tables.read(path, label=columns.label, apart=apart)
    labels = _class_numbers(path, table)
    groups = {
        name: as_column(np.array([cell.strip() for cell in table.apart[name]]), where=f"{path}: column {name}")
        for name in columns.groups
        if name in table.apart
    }
    canary = None
    if columns.canary is not None and columns.canary in table.apart:
        marks = [MARKS.get(cell.strip().lower(), -1) for cell in table.apart[columns.canary]]
        canary = as_canary(np.array(marks), where=f"{path}: column {columns.canary}")
    records = Records({INPUT: table.values.astype(np.float32)}, labels, np.arange(len(labels)), groups, canary)
    _require_columns(path, records, columns)
    return records


def _require_columns(path: Path, records: Records, columns: Columns) -> None:
    """Raise where the audited records lack a column that the configuration names."""
    if not columns.required:
        return
    missing = [name for name in columns.groups if name not in records.groups]
    if missing:
        raise InputError(
            f"{path}: there is no column of groups {missing[0]!r}",
            hint=f"a table has it as a column, an .npz file as the array groups/{missing[0]}",
        )
    if columns.canary is not None and records.canary is None:
        raise InputError(
            f"{path}: there is no column {columns.canary!r} of canaries", hint="1 for canaries, 0 for all others"
        )


def _class_numbers(path: Path, table: tables.Table) -> IntArray:
    """The column of classes as numbers: the places of the classes in the model's output."""
    for row, cell in enumerate(table.classes):
        if not (cell.strip().isascii() and cell.strip().isdecimal()):
            raise InputError(
                f"{path}: column {table.label}: record {row + 1} has the class {cell[:40]!r}, not a number",
                hint="write the number of the class in the model's output, from 0",
            )
    return np.array([int(cell) for cell in table.classes], dtype=np.int64)


def _require_alike(first: str, one: Records, second: str, other: Records) -> None:
    if set(one.inputs) != set(other.inputs):
        raise InputError(f"{first} has the inputs {_listed(one.inputs)}, {second} has {_listed(other.inputs)}")
    for key, values in one.inputs.items():
        theirs = other.inputs[key]
        if values.dtype != theirs.dtype or values.shape[1:] != theirs.shape[1:]:
            raise InputError(
                f"{first}: input {key} is {_shown(values)}, {second}: {_shown(theirs)}",
                hint="prepare members and non-members in the same way",
            )


def _ordinary(records: Records, membership: IntArray) -> tuple[int, int]:
    """Members and non-members that are no canaries."""
    sides = membership if records.canary is None else membership[records.canary == 0]
    return int(sides.sum()), int(len(sides) - sides.sum())


def _require_enough(members: int, nonmembers: int, said: str) -> None:
    """Raise where a side has too few ordinary records.

    Raises:
        UnresolvedError: it has.
    """
    if min(members, nonmembers) < MIN_SIDE_RECORDS:
        raise UnresolvedError(
            f"{said}: too few to attack",
            hint=f"needs at least {MIN_SIDE_RECORDS} of each, canaries not counted",
        )


def _require_independent(ordinary: Pool, canaries: Pool) -> None:
    """Raise unless each canary was trained on by a coin of its own alone: it occurs once, and only as a canary."""
    ids = canaries.records.ids
    if len(np.unique(ids)) < len(ids):
        raise InputError(
            f"{canaries.source}: {len(ids) - len(np.unique(ids))} canaries occur more than once",
            hint="insert each canary once; copies of one are not independent",
        )
    shared = np.intersect1d(ids, ordinary.records.ids)
    if len(shared):
        raise InputError(
            f"{canaries.source}: {len(shared)} records are canaries and ordinary records at once",
            hint="remove them on one side",
        )


def _require_disjoint(source: str, members: IntArray, others: IntArray, what: str) -> None:
    shared = np.intersect1d(members, others)
    if len(shared):
        raise InputError(
            f"{source}: {len(shared)} records are members and {what} at once",
            hint="a record was either trained on or not; remove it from one of the files",
        )


def _digests(records: Records) -> Array:
    """A digest of each record's content over all inputs, ``[n]``."""
    ordered: list[NDArray[Any]] = [values for _, values in sorted(records.inputs.items())]
    # Minus zero has other bytes than zero and is the same value; adding zero makes it plus.
    columns = [np.ascontiguousarray(values + values.dtype.type(0)).reshape(len(records), -1) for values in ordered]
    digests = np.empty(len(records), dtype=f"V{ID_BYTES}")
    for row in range(len(records)):
        hashed = hashlib.sha256()
        for column in columns:
            hashed.update(column[row].data)
        digests[row] = hashed.digest()[:ID_BYTES]
    return digests.view([("high", "<u8"), ("low", "<u8")])


def _listed(inputs: Mapping[str, Array]) -> str:
    return ", ".join(sorted(inputs))


def _shown(values: Array) -> str:
    return f"{values.dtype.name} {list(values.shape[1:])} a record"


def _path(path: str | None) -> Path:
    assert path is not None  # noqa: S101 - the configuration has either a file or both sides
    return Path(path)
