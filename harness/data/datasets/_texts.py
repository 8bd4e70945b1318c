"""Functions that the loaders of texts share: combining the files of a data set, and parsing classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data._text_files import ids_by_file, sources_by_file
from harness.data.datasets._dataset import TextDataset
from harness.data.datasets._registry import Place
from harness.errors import InputError

__all__ = ["Part", "gathered", "label_of"]


@dataclass(frozen=True)
class Part:
    """The records of one file.

    Args:
        number: the file's fixed number in the data set; determines the records' ids.
        source: the file's name for the user.
        labels: class of each record.
        texts: the records.
        rows: number of each record, where the file gives one; None counts the records.
    """

    number: int
    source: str
    labels: Sequence[int]
    texts: Sequence[str]
    rows: Sequence[int] | None = None


def gathered(place: Place, parts: Sequence[Part], classes: Sequence[str]) -> TextDataset:
    """Combine the parts to one data set.

    Raises:
        InputError: a text is empty; the message names its file and record.
    """
    for part in parts:
        for row, text in enumerate(part.texts, start=1):
            if not text.strip():
                raise InputError(f"{part.source}: record {row} is an empty text", hint="remove the record")
    lengths = [len(part.texts) for part in parts]
    return TextDataset(
        name=place.name,
        inputs=tuple(text for part in parts for text in part.texts),
        labels=np.array([label for part in parts for label in part.labels], dtype=np.int64),
        ids=ids_by_file([p.number for p in parts], [p.rows or range(len(p.texts)) for p in parts]),
        n_classes=len(classes),
        class_names=tuple(classes),
        sources=sources_by_file(lengths),
        source_names=tuple(part.source for part in parts),
    )


def label_of(text: str, known: Sequence[str], where: str) -> int:
    """The number of a class from its text in a file.

    Raises:
        InputError: the text is not a known class.
    """
    try:
        return known.index(text)
    except ValueError:
        raise InputError(f"{where}: class {text[:40]!r} is none of {', '.join(known)}") from None
