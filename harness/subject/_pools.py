"""Records that somebody else stored, as pools of members and non-members: read, checked against each other, named.

A record is known by its content: the same values have the same id in whichever file they lie, so that a record in two
pools, or in the target's and a shadow's, is recognised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.attacks import MIN_SIDE_RECORDS
from harness.data import records as stored
from harness.data import tables
from harness.errors import InputError, UnresolvedError
from harness.types import Array, IntArray, Records

if TYPE_CHECKING:
    from harness.config import RecordsConfig, ShadowConfig

__all__ = ["Pool", "read_pools", "with_ids"]

# The name under which a table's columns are fed: such a model has one input, whatever its own name is.
INPUT = "inputs"
ID_BYTES = 16


@dataclass(frozen=True, eq=False)
class Pool:
    """Records in a fixed order, and who of them was in the training set.

    Args:
        name: of the population in the run.
        source: how messages call it: the files that hold it.
        records: members and non-members mixed; ``ids`` are by content.
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

    Members and non-members are shuffled together by the seed, so that no batch holds one kind only.

    Raises:
        InputError: a file or an array cannot be used, records of two files differ in shape or type, or a record is
            both a member and not; file, key and row are named.
        UnresolvedError: fewer than 25 members or non-members.
    """
    if target.file is not None:
        pools = [_mixed(audit, Path(target.file), seed)]
    else:
        pools = [_pool(audit, _path(target.members), _path(target.nonmembers), target.label, seed)]
    if target.population is not None:
        path = Path(target.population)
        pools.append(Pool(outside, str(path), _read(path, target.label), None))
    for number, shadow in enumerate(shadows):
        name = f"shadow-{number}"
        pools.append(_pool(name, Path(shadow.members), Path(shadow.nonmembers), target.label, seed))
    for pool in pools[1:]:
        _require_alike(pools[0].source, pools[0].records, pool.source, pool.records)
    return {pool.name: pool for pool in with_ids(pools)}


def with_ids(pools: Sequence[Pool]) -> list[Pool]:
    """The same pools with ids by content, numbered in the order of first appearance.

    Raises:
        InputError: a record is both a member and a non-member of one model, or a member and in the population.
    """
    digests = [_digests(pool.records) for pool in pools]
    _, first, inverse = np.unique(np.concatenate(digests), return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    ids = np.split(rank[inverse.reshape(-1)], np.cumsum([len(d) for d in digests])[:-1])
    named = [
        Pool(pool.name, pool.source, Records(pool.records.inputs, pool.records.labels, own), pool.membership)
        for pool, own in zip(pools, ids, strict=True)
    ]
    for pool in named:
        if pool.membership is not None:
            _require_disjoint(pool.source, pool.members, pool.records.ids[pool.membership == 0], "non-members")
    audited = named[0]
    for pool in named:
        if pool.membership is None:
            files = f"{audited.source}, {pool.source}"
            _require_disjoint(files, audited.members, pool.records.ids, "in the population")
    return named


def _pool(name: str, members: Path, nonmembers: Path, label: str | None, seed: int) -> Pool:
    inside, outside = _read(members, label), _read(nonmembers, label)
    _require_alike(str(members), inside, str(nonmembers), outside)
    if min(len(inside), len(outside)) < MIN_SIDE_RECORDS:
        raise UnresolvedError(
            f"{members}: {len(inside)} members, {nonmembers}: {len(outside)} non-members: too few to attack",
            hint=f"needs at least {MIN_SIDE_RECORDS} of each",
        )
    inputs = {key: np.concatenate([inside.inputs[key], outside.inputs[key]]) for key in inside.inputs}
    labels = np.concatenate([inside.labels, outside.labels])
    membership = np.repeat([1, 0], [len(inside), len(outside)])
    records = Records(inputs, labels, np.arange(len(labels)))
    return _shuffled(name, f"{members}, {nonmembers}", records, membership, seed)


def _mixed(name: str, path: Path, seed: int) -> Pool:
    """Members and non-members of one .npz file with an array of membership."""
    records, membership = stored.read(path)
    if membership is None:
        raise InputError(
            f"{path}: key membership is missing",
            hint="1 for members and 0 for non-members, or give two files: members and nonmembers",
        )
    members = int(membership.sum())
    if min(members, len(membership) - members) < MIN_SIDE_RECORDS:
        raise UnresolvedError(
            f"{path}: {members} members and {len(membership) - members} non-members: too few to attack",
            hint=f"needs at least {MIN_SIDE_RECORDS} of each",
        )
    return _shuffled(name, str(path), records, membership, seed)


def _shuffled(name: str, source: str, records: Records, membership: IntArray, seed: int) -> Pool:
    order = np.random.default_rng(seed).permutation(len(records))
    return Pool(name, source, records.take(order), np.asarray(membership[order], dtype=np.int64))


def _read(path: Path, label: str | None) -> Records:
    """The records of one file.

    Raises:
        InputError: its suffix is not known, or an array or a cell of it cannot be used.
    """
    if path.suffix in tables.SUFFIXES:
        table = tables.read(path, label=label)
        labels = _class_numbers(path, table)
        return Records({INPUT: table.values.astype(np.float32)}, labels, np.arange(len(labels)))
    if path.suffix == ".npz":
        if label is not None:
            raise InputError(f"{path}: label names a column of a table, and this is none", hint="leave label out")
        records, membership = stored.read(path)
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
