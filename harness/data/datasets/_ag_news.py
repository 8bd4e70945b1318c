"""AG News (Zhang et al. 2015): the official train.csv and test.csv, or a .tsv of descriptions and classes."""

from __future__ import annotations

from pathlib import Path

from harness.data._text_files import rows_of_csv
from harness.data.datasets._dataset import TextDataset
from harness.data.datasets._registry import Place, register
from harness.data.datasets._texts import Part, gathered, label_of
from harness.errors import InputError

__all__: list[str] = []

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
# The official files number the classes from 1.
NUMBERS = ("1", "2", "3", "4")
FILES = ("train.csv", "test.csv")


@register("ag-news")
def _load(place: Place) -> TextDataset:
    """Read a folder's official files, or one file; a .tsv repeats their articles and is read only by its own path."""
    path = place.path("the folder that holds train.csv and test.csv, or one .csv or .tsv file")
    if path.is_file():
        files = [(FILES.index(path.name) if path.name in FILES else len(FILES), path)]
    else:
        files = [(number, path / name) for number, name in enumerate(FILES) if (path / name).is_file()]
    if not files:
        raise InputError(f"{path}: there is neither {' nor '.join(FILES)}", hint="or give the path of one .tsv file")
    return gathered(place, [_read(number, file) for number, file in files], CLASSES)


def _read(number: int, path: Path) -> Part:
    labels, texts = [], []
    if path.suffix == ".tsv":
        for line, row in rows_of_csv(path, delimiter="\t", quoted=False):
            _check_width(path, line, row, ("description", "class"))
            texts.append(row[0])
            labels.append(label_of(row[1], CLASSES, f"{path}: line {line}"))
    else:
        for line, row in rows_of_csv(path):
            _check_width(path, line, row, ("class", "title", "description"))
            texts.append(f"{row[1]} {row[2]}".strip())
            labels.append(label_of(row[0], NUMBERS, f"{path}: line {line}"))
    return Part(number, path.name, labels, texts)


def _check_width(path: Path, line: int, row: list[str], columns: tuple[str, ...]) -> None:
    if len(row) != len(columns):
        raise InputError(f"{path}: line {line} has {len(row)} cells, expected {', '.join(columns)}")
