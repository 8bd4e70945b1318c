"""Whether two runs audited the same records, and their scores record by record where they did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.errors import RunError
from harness.store import Run
from harness.subject import AUDIT
from harness.subject._inputs import kept_inputs
from harness.types import FloatArray, IntArray, View

__all__ = ["Paired", "Rows", "paired"]

_INDEPENDENT = "the two audits count as independent (MOVER)"


@dataclass(frozen=True, eq=False)
class Rows:
    """The records of two runs in one order.

    Args:
        member: whether each is a member, ``[n]``.
        ours: gives the first run's scores of a view, ``[n]``.
        theirs: the second run's.
    """

    member: NDArray[np.bool_]
    ours: Callable[[View], FloatArray]
    theirs: Callable[[View], FloatArray]


@dataclass(frozen=True, eq=False)
class Paired:
    """How two runs can be compared.

    Args:
        why: as a sentence.
        rows: None where they do not hold the same records.
    """

    why: str
    rows: Rows | None = None


def paired(ours: Run, theirs: Run, *, common: bool = False) -> Paired:
    """Whether two runs audited the same records, by their ids, classes and membership.

    Ids of one data set mean the same in both runs; ids of supplied files are places in these, so that the files have
    to be the same; answers that name no records are known by their rows, which other files need not share.

    Args:
        ours: one run; its results name no device.
        theirs: the other.
        common: pair the records that both audited, where these are not all.

    Raises:
        RunError: a run lacks its arrays.
    """
    problem = _other_source(ours, theirs)
    if problem:
        return Paired(f"not paired: {problem}; {_INDEPENDENT}")
    (ids, order, labels, membership), (other_ids, other_order, other_labels, other_membership) = map(
        _records, (ours, theirs)
    )
    sizes = (len(ids), len(other_ids))
    if common:
        _, mine, others = np.intersect1d(ids, other_ids, assume_unique=True, return_indices=True)
        ids, order, labels, membership = ids[mine], order[mine], labels[mine], membership[mine]
        other_ids, other_order = other_ids[others], other_order[others]
        other_labels, other_membership = other_labels[others], other_membership[others]
    if not len(ids) or not np.array_equal(ids, other_ids):
        return Paired(f"not paired: other records; {_INDEPENDENT}")
    if not (np.array_equal(labels, other_labels) and np.array_equal(membership, other_membership)):
        return Paired(f"not paired: the same ids have other classes or another membership; {_INDEPENDENT}")
    is_unnamed = ours.config.kind == "answers" and np.array_equal(ids, np.arange(len(ids)))
    if is_unnamed and kept_inputs(ours) != kept_inputs(theirs):
        return Paired(f"not paired: the answers name no records (target/ids); {_INDEPENDENT}")
    rows = Rows(membership == 1, _scores(ours, order, sizes[0]), _scores(theirs, other_order, sizes[1]))
    if (len(ids), len(ids)) != sizes:
        return Paired(f"paired on the {len(ids)} records that both audited, of {sizes[0]} and {sizes[1]}", rows)
    return Paired("paired, record by record", rows)


def _records(run: Run) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Ids in ascending order, that order, and the records' classes and membership in it."""
    ids = run.arrays.read_ids(AUDIT)
    order = np.argsort(ids, kind="stable")
    return ids[order], order, run.arrays.read_labels(AUDIT)[order], run.arrays.read_membership()[order]


def _scores(run: Run, order: IntArray, count: int) -> Callable[[View], FloatArray]:
    def read(view: View) -> FloatArray:
        scores = run.arrays.read_scores(replace(view, device="").key)
        if len(scores) != count:
            raise RunError(f"{run.folder}: scores of {len(scores)} records for {count}", hint="audit again")
        return scores[order]

    return read


def _other_source(ours: Run, theirs: Run) -> str:
    """Why the ids of two runs do not name the same records; empty where they do."""
    mine, other = ours.config, theirs.config
    if mine.kind != other.kind:
        return "audits of different kinds"
    if mine.kind == "trained":
        same = all(getattr(mine.data, key) == getattr(other.data, key) for key in ("name", "data_dir", "label"))
        return "" if same else "another data set"
    if mine.kind == "supplied" and _files_of_records(ours) != _files_of_records(theirs):
        return "other files of records"
    return ""


def _files_of_records(run: Run) -> tuple[str, ...]:
    """SHA-256 of the files of members and non-members, which stand behind those of the models."""
    records = run.config.records
    models = len(run.config.artifact) + sum(len(one.artifact) for one in run.config.shadow)
    files = 0 if records is None else sum(bool(one) for one in (records.members, records.nonmembers, records.file))
    return kept_inputs(run)[models : models + files]
