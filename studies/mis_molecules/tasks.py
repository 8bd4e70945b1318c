"""Molecular-property tasks: which column of which file, and the molecules that are left once bad rows are out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InputError
from harness.packages import require
from harness.types import FloatArray, IntArray

__all__ = ["MIN_CLASS", "MIN_MOLECULES", "TASKS", "Dropped", "Molecules", "Task", "read", "tasks_of"]

# Fewer cannot be split into four parts that each hold enough for a fit or an interval.
MIN_MOLECULES = 40
MIN_CLASS = 10


@dataclass(frozen=True)
class Task:
    """One property to predict.

    Args:
        name: as the command line knows it.
        file: CSV file in the data folder.
        label: column of the property.
        smiles: column of the structures.
        classes: 2, or None for regression.
        unit: of the property, for regression.
        most: molecules to keep at most: all of class 1 and a seeded sample of class 0; None keeps all.
    """

    name: str
    file: str
    label: str
    smiles: str = "smiles"
    classes: int | None = 2
    unit: str = ""
    most: int | None = None


# MoleculeNet (Wu et al. 2018), with the columns of its original files.
TASKS = {
    task.name: task
    for task in (
        Task("BBBP", "BBBP.csv", "p_np"),
        Task("ClinTox", "clintox.csv", "CT_TOX"),
        Task("Tox21-SR-MMP", "tox21.csv", "SR-MMP"),
        Task("HIV", "HIV.csv", "HIV_active", most=8000),
        Task(
            "ESOL", "delaney-processed.csv", "measured log solubility in mols per litre", classes=None, unit="log mol/l"
        ),
        Task("Lipophilicity", "Lipophilicity.csv", "exp", classes=None, unit="log D"),
        Task("FreeSolv", "SAMPL.csv", "expt", classes=None, unit="kcal/mol"),
    )
}


@dataclass(frozen=True)
class Dropped:
    """Rows of a file that are not used, in the order in which they went.

    Args:
        rows: rows in the file.
        unlabelled: without a value of the property.
        unparseable: whose structure RDKit does not take.
        duplicates: of a molecule that an earlier row has, by canonical SMILES.
        conflicting: duplicates whose value differs from the row that stayed; counted in ``duplicates``.
        unsampled: left out by the task's bound on its size.
    """

    rows: int
    unlabelled: int
    unparseable: int
    duplicates: int
    conflicting: int
    unsampled: int


@dataclass(frozen=True, eq=False)
class Molecules:
    """Distinct molecules with their property.

    Args:
        structures: RDKit molecules ``[N]``.
        labels: class numbers or values, float64 ``[N]``.
        dropped: what went before.
    """

    structures: tuple[Any, ...]
    labels: FloatArray
    dropped: Dropped


def tasks_of(names: tuple[str, ...] | None) -> tuple[Task, ...]:
    """The tasks of these names, all of them for None.

    Raises:
        InputError: a name is not known, is given twice, or there is none.
    """
    chosen = tuple(TASKS) if names is None else names
    for name in chosen:
        if name not in TASKS:
            raise InputError(f"tasks: {name!r} is not known", hint=f"known: {', '.join(TASKS)}")
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"tasks: {', '.join(chosen) or 'none'}", hint="give one or more, each once")
    return tuple(TASKS[name] for name in chosen)


def read(task: Task, data_dir: Path, *, seed: int) -> Molecules:
    """Read a task's molecules: labelled, parseable, each once.

    Args:
        task: which column of which file.
        data_dir: where the files lie.
        seed: of the sample, where the task bounds its size.

    Raises:
        DependencyError: RDKit or pandas is not installed.
        InputError: no readable file, no such column, a value that is none, or too few molecules; names file and column.
    """
    require("rdkit", "pandas", extra="molecules")
    from rdkit import Chem, rdBase

    path = data_dir / task.file
    smiles, values = _columns(path, task)
    rows = len(values)
    labelled = np.flatnonzero(~np.isnan(values))
    distinct: dict[str, tuple[Any, float]] = {}
    unparseable = duplicates = conflicting = 0
    with rdBase.BlockLogs():
        for row in labelled:
            molecule = Chem.MolFromSmiles(smiles[row])
            if molecule is None or molecule.GetNumAtoms() == 0:
                unparseable += 1
                continue
            name = Chem.MolToSmiles(molecule)
            if name in distinct:
                duplicates += 1
                conflicting += distinct[name][1] != values[row]
            else:
                distinct[name] = (molecule, float(values[row]))
    labels = np.array([value for _, value in distinct.values()])
    _check_enough(path, task, labels)
    chosen = _sample(task, labels, seed)
    structures = [molecule for molecule, _ in distinct.values()]
    return Molecules(
        structures=tuple(structures[i] for i in chosen),
        labels=labels[chosen],
        dropped=Dropped(
            rows, rows - len(labelled), unparseable, duplicates, int(conflicting), len(labels) - len(chosen)
        ),
    )


def _columns(path: Path, task: Task) -> tuple[list[str], FloatArray]:
    """Structures as text and the property as numbers, NaN where it is missing."""
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=True)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors, bytes that are no text as well
        raise InputError(f"{path}: not a readable CSV file: {str(error).splitlines()[0]}") from None
    for column in (task.smiles, task.label):
        if column not in table.columns:
            present = ", ".join(map(str, table.columns[:8]))
            raise InputError(f"{path}: column {column!r} is missing", hint=f"present: {present}")
    values = pd.to_numeric(table[task.label], errors="coerce").to_numpy(dtype=np.float64)
    wrong = table[task.label].notna().to_numpy() & ~np.isfinite(values)
    if task.classes is not None:
        wrong |= ~np.isnan(values) & ~np.isin(values, np.arange(task.classes))
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = "a finite number" if task.classes is None else "0 or 1"
        raise InputError(
            f"{path}: column {task.label!r}, row {row + 1} is {table[task.label].iloc[row]!r}, expected {expected}"
        )
    return table[task.smiles].fillna("").tolist(), values


def _check_enough(path: Path, task: Task, labels: FloatArray) -> None:
    where = f"{path}: column {task.label!r}"
    if len(labels) < MIN_MOLECULES:
        raise InputError(
            f"{where}: {len(labels)} labelled, parseable, distinct molecules, at least {MIN_MOLECULES} are needed",
            hint=f"structures are read from column {task.smiles!r} as SMILES",
        )
    if task.classes is not None:
        for value, count in enumerate(np.bincount(labels.astype(np.int64), minlength=task.classes)):
            if count < MIN_CLASS:
                raise InputError(f"{where}: class {value} has {count} molecules, at least {MIN_CLASS} are needed")
    elif np.ptp(labels) == 0:
        raise InputError(f"{where}: all values are {labels[0]:g}", hint="there is nothing to predict")


def _sample(task: Task, labels: FloatArray, seed: int) -> IntArray:
    """Rows to keep, ascending: all of class 1, and of class 0 as many as fit."""
    if task.most is None or len(labels) <= task.most:
        return np.arange(len(labels))
    rare, common = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    drawn = np.random.default_rng(seed).permutation(common)[: task.most - len(rare)]
    return np.sort(np.concatenate([rare, drawn]))
