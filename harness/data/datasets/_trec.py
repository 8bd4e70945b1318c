"""TREC questions (Li & Roth 2002) with their six coarse classes: a line is `COARSE:fine question`, in Latin-1."""

from __future__ import annotations

from pathlib import Path

from harness.data._text_files import lines_of
from harness.data.datasets._dataset import TextDataset
from harness.data.datasets._registry import Place, register
from harness.data.datasets._texts import Part, gathered, label_of
from harness.errors import InputError

__all__: list[str] = []

CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
# Each part has two names.
PARTS = (("TREC.train", "train_5500.label"), ("TREC.test", "TREC_10.label"))


@register("trec")
def _load(place: Place) -> TextDataset:
    folder = place.folder("the folder that holds TREC.train and TREC.test, or train_5500.label and TREC_10.label")
    parts = []
    for number, names in enumerate(PARTS):
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is not None:
            parts.append(_read(number, path))
    if not parts:
        raise InputError(f"{folder}: there is none of {', '.join(name for names in PARTS for name in names)}")
    return gathered(place, parts, CLASSES)


def _read(number: int, path: Path) -> Part:
    labels, texts = [], []
    for line, row in lines_of(path, encoding="latin-1"):
        label, _, question = row.partition(" ")
        labels.append(label_of(label.partition(":")[0], CLASSES, f"{path}: line {line}"))
        texts.append(question.strip())
    return Part(number, path.name, labels, texts)
