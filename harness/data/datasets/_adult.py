"""UCI Adult (Becker & Kohavi 1996), census income: `adult.data` and `adult.test`, one-hot and standardised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._text_files import ids_by_file, rows_of_csv, sources_by_file
from harness.data.datasets._dataset import Dataset
from harness.data.datasets._registry import Place, register
from harness.errors import InputError
from harness.types import IntArray

__all__: list[str] = []

FILES = ("adult.data", "adult.test")
CLASSES = ("<=50K", ">50K")

# A number has its mean and deviation over the published adult.data; a category, its values as adult.names lists them.
# Both are constants, so no audited record influences the preprocessing of another. A missing value is written "?" and
# is a value of its own.
Scale = tuple[float, float]
COLUMNS: tuple[tuple[str, Scale | tuple[str, ...]], ...] = (
    ("age", (38.5816, 13.6402)),
    (
        "workclass",
        (
            *("?", "Federal-gov", "Local-gov", "Never-worked", "Private", "Self-emp-inc", "Self-emp-not-inc"),
            *("State-gov", "Without-pay"),
        ),
    ),
    ("fnlwgt", (189778.3665, 105548.3569)),
    (
        "education",
        (
            *("10th", "11th", "12th", "1st-4th", "5th-6th", "7th-8th", "9th", "Assoc-acdm", "Assoc-voc", "Bachelors"),
            *("Doctorate", "HS-grad", "Masters", "Preschool", "Prof-school", "Some-college"),
        ),
    ),
    ("education-num", (10.0807, 2.5727)),
    (
        "marital-status",
        (
            *("Divorced", "Married-AF-spouse", "Married-civ-spouse", "Married-spouse-absent", "Never-married"),
            *("Separated", "Widowed"),
        ),
    ),
    (
        "occupation",
        (
            *("?", "Adm-clerical", "Armed-Forces", "Craft-repair", "Exec-managerial", "Farming-fishing"),
            *("Handlers-cleaners", "Machine-op-inspct", "Other-service", "Priv-house-serv", "Prof-specialty"),
            *("Protective-serv", "Sales", "Tech-support", "Transport-moving"),
        ),
    ),
    ("relationship", ("Husband", "Not-in-family", "Other-relative", "Own-child", "Unmarried", "Wife")),
    ("race", ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White")),
    ("sex", ("Female", "Male")),
    ("capital-gain", (1077.6488, 7385.1787)),
    ("capital-loss", (87.3038, 402.9540)),
    ("hours-per-week", (40.4375, 12.3472)),
    (
        "native-country",
        (
            *("?", "Cambodia", "Canada", "China", "Columbia", "Cuba", "Dominican-Republic", "Ecuador", "El-Salvador"),
            *("England", "France", "Germany", "Greece", "Guatemala", "Haiti", "Holand-Netherlands", "Honduras"),
            *("Hong", "Hungary", "India", "Iran", "Ireland", "Italy", "Jamaica", "Japan", "Laos", "Mexico"),
            *("Nicaragua", "Outlying-US(Guam-USVI-etc)", "Peru", "Philippines", "Poland", "Portugal"),
            *("Puerto-Rico", "Scotland", "South", "Taiwan", "Thailand", "Trinadad&Tobago", "United-States"),
            *("Vietnam", "Yugoslavia"),
        ),
    ),
)


@register("adult")
def _load(place: Place) -> Dataset:
    folder = place.folder("the folder that holds adult.data and adult.test")
    files = [(number, folder / name) for number, name in enumerate(FILES) if (folder / name).is_file()]
    if not files:
        raise InputError(f"{folder}: there is neither {' nor '.join(FILES)}", hint="give the folder that holds them")
    tables = [_read(path) for _, path in files]
    lengths = [len(labels) for _, labels in tables]
    return Dataset(
        name=place.name,
        inputs=np.concatenate([inputs for inputs, _ in tables]),
        labels=np.concatenate([labels for _, labels in tables]),
        ids=ids_by_file([number for number, _ in files], [range(n) for n in lengths]),
        n_classes=len(CLASSES),
        class_names=CLASSES,
        sources=sources_by_file(lengths),
        source_names=tuple(path.name for _, path in files),
    )


def _read(path: Path) -> tuple[NDArray[np.float32], IntArray]:
    """Inputs ``[n, d]`` and labels; a category becomes one column per value."""
    rows = []
    for line, row in rows_of_csv(path):
        cells = [cell.strip() for cell in row]
        if len(cells) == 1 and cells[0].startswith("|"):
            continue  # adult.test begins with a comment
        if len(cells) != len(COLUMNS) + 1:
            raise InputError(f"{path}: line {line} has {len(cells)} cells, expected {len(COLUMNS) + 1}")
        rows.append((line, cells))
    if not rows:
        raise InputError(f"{path}: there are no records", hint="download it again")
    parts = []
    for position, (name, kind) in enumerate(COLUMNS):
        column = [(line, cells[position]) for line, cells in rows]
        where = f"{path}: column {name}"
        if isinstance(kind[0], str):
            parts.append(np.eye(len(kind), dtype=np.float32)[_numbers(where, column, kind)])
        else:
            mean, deviation = kind
            parts.append(((_values(where, column) - mean) / deviation).astype(np.float32)[:, np.newaxis])
    # Labels of adult.test end in a full stop.
    labels = _numbers(f"{path}: column income", [(line, cells[-1].rstrip(".")) for line, cells in rows], CLASSES)
    return np.concatenate(parts, axis=1), labels


def _numbers(where: str, column: list[tuple[int, str]], known: tuple[object, ...]) -> IntArray:
    number = {value: position for position, value in enumerate(known)}
    for line, value in column:
        if value not in number:
            raise InputError(f"{where}: line {line}: {value[:40]!r} is not among the published values")
    return np.array([number[value] for _, value in column], dtype=np.int64)


def _values(where: str, column: list[tuple[int, str]]) -> NDArray[np.float64]:
    for line, value in column:
        if not (value.isascii() and value.isdigit()):
            raise InputError(f"{where}: line {line}: {value[:40]!r} is not a whole number")
    return np.array([float(value) for _, value in column])
