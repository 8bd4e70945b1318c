"""SST-2 (Socher et al. 2013): whole sentences (stsa.binary.*), or the phrases of GLUE's train.tsv and dev.tsv."""

from __future__ import annotations

from pathlib import Path

from harness.data._text_files import lines_of, rows_of_csv
from harness.data.datasets._dataset import TextDataset
from harness.data.datasets._registry import Place, register
from harness.data.datasets._texts import Part, gathered, label_of
from harness.errors import InputError

__all__: list[str] = []

CLASSES = ("negative", "positive")
NUMBERS = ("0", "1")
SENTENCES = ("stsa.binary.train", "stsa.binary.dev", "stsa.binary.test")
PHRASES = ("train.tsv", "dev.tsv")
COLUMNS = ("label", "sentence")


@register("sst2")
def _load(place: Place) -> TextDataset:
    """Read a folder's sentences, or GLUE's phrases where it has no sentences, or one file by its own path.

    GLUE's phrases are parts of the same sentences, so a phrase among the non-members may be a part of a member. The
    sentences are the better data for an audit.
    """
    path = place.path("the folder that holds stsa.binary.train or train.tsv, or one such file")
    known = (*SENTENCES, *PHRASES)
    if path.is_file():
        files = [path]
    else:
        present = [path / name for name in known if (path / name).is_file()]
        files = [file for file in present if file.name in SENTENCES] or present
    if not files:
        raise InputError(f"{path}: there is none of {', '.join(known)}")
    parts = []
    for file in files:
        number = known.index(file.name) if file.name in known else len(known)
        parts.append(_phrases(number, file) if file.suffix == ".tsv" else _sentences(number, file))
    return gathered(place, parts, CLASSES)


def _sentences(number: int, path: Path) -> Part:
    """Read a file whose lines are a class, a space and a sentence."""
    labels, texts = [], []
    for line, row in lines_of(path):
        label, _, text = row.partition(" ")
        labels.append(label_of(label, NUMBERS, f"{path}: line {line}"))
        texts.append(text)
    return Part(number, path.name, labels, texts)


def _phrases(number: int, path: Path) -> Part:
    """Read a file with a header and tab-separated cells; the columns may be in either order."""
    rows = rows_of_csv(path, delimiter="\t", quoted=False)
    _, header = next(rows, (0, []))
    if sorted(header) != sorted(COLUMNS):
        raise InputError(f"{path}: columns {', '.join(header)}, expected {' and '.join(COLUMNS)}")
    label, sentence = (header.index(column) for column in COLUMNS)
    labels, texts = [], []
    for line, row in rows:
        if len(row) != len(COLUMNS):
            raise InputError(f"{path}: line {line} has {len(row)} cells, expected {' and '.join(COLUMNS)}")
        labels.append(label_of(row[label], NUMBERS, f"{path}: line {line}"))
        texts.append(row[sentence])
    return Part(number, path.name, labels, texts)
