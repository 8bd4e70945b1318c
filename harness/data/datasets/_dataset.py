"""The forms of a data set: input arrays of a model, texts before tokenization, and image files (in ``_images``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.types import IntArray, Records

if TYPE_CHECKING:
    from harness.data.datasets._tokenizer import Tokenizer

__all__ = ["INPUT_NAME", "Dataset", "Kind", "Labelled", "TextDataset"]

# Name that torch.export, and so LiteRT's converter, give a model's first positional argument; records use it too.
INPUT_NAME = "args_0"

Kind = Literal["image", "table", "text"]
Content = TypeVar("Content", bound=Sized)

# The kind of records by the inputs' element type and number of axes.
KINDS: dict[tuple[str, int], Kind] = {("float32", 4): "image", ("float32", 2): "table", ("int64", 2): "text"}


@dataclass(frozen=True, eq=False)
class Labelled(ABC, Generic[Content]):
    """Records with classes and ids; subclasses define the content of a record.

    Args:
        name: the registered name.
        inputs: the records, in the order of their files.
        labels: true class, int64 ``[n]``, in ``0..n_classes - 1``.
        ids: distinct, stable id of each record, int64 ``[n]``.
        n_classes: number of classes.
        class_names: the classes' names, where the files have any.
        sources: index into ``source_names`` of each record, int64 ``[n]``; None where there is one source only.
        source_names: the files or folders of the records.

    Raises:
        InputError: lengths differ, ids repeat, a label or a source is out of range.
    """

    name: str
    inputs: Content
    labels: IntArray
    ids: IntArray
    n_classes: int
    class_names: tuple[str, ...] = ()
    sources: IntArray | None = None
    source_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.inputs)
        if n == 0:
            raise InputError(f"data set {self.name}: there are no records")
        if len(self.labels) != n or len(self.ids) != n:
            raise InputError(f"data set {self.name}: {n} inputs, {len(self.labels)} labels, {len(self.ids)} ids")
        if len(np.unique(self.ids)) != n:
            raise InputError(f"data set {self.name}: ids repeat")
        if self.labels.min() < 0 or self.labels.max() >= self.n_classes:
            raise InputError(f"data set {self.name}: a label is outside 0..{self.n_classes - 1}")
        if self.class_names and len(self.class_names) != self.n_classes:
            raise InputError(
                f"data set {self.name}: {len(self.class_names)} names of classes for {self.n_classes} classes"
            )
        if self.sources is not None and (
            len(self.sources) != n or self.sources.min() < 0 or self.sources.max() >= len(self.source_names)
        ):
            raise InputError(f"data set {self.name}: a source is outside 0..{len(self.source_names) - 1}")

    def __len__(self) -> int:
        return len(self.inputs)

    @abstractmethod
    def content(self, row: int) -> bytes:
        """The content of a record; records with equal content are copies of each other."""

    @cached_property
    def _order(self) -> IntArray:
        return np.argsort(self.ids)

    def rows(self, ids: IntArray) -> IntArray:
        """The rows of the records with these ids, in the order of ``ids``.

        Raises:
            InputError: an id is not in this data set.
        """
        positions = np.searchsorted(self.ids, ids, sorter=self._order)
        rows: IntArray = self._order[np.minimum(positions, len(self) - 1)]
        missing = np.flatnonzero(self.ids[rows] != ids)
        if len(missing):
            raise InputError(f"data set {self.name}: there is no record {int(ids[missing[0]])}")
        return rows

    def with_inputs(
        self, inputs: NDArray[np.float32] | NDArray[np.int64], rows: IntArray, *, vocabulary: int = 0
    ) -> Dataset:
        """The data set of the records at ``rows`` with the given input arrays."""
        return Dataset(
            name=self.name,
            inputs=inputs,
            labels=self.labels[rows],
            ids=self.ids[rows],
            n_classes=self.n_classes,
            class_names=self.class_names,
            sources=None if self.sources is None else self.sources[rows],
            source_names=self.source_names,
            vocabulary=vocabulary,
        )


@dataclass(frozen=True, eq=False)
class Dataset(Labelled[NDArray[np.float32] | NDArray[np.int64]]):
    """Labelled records as input arrays of a model, preprocessed once and deterministically.

    Args:
        inputs: float32 ``[n, C, H, W]`` (images), float32 ``[n, d]`` (tables) or int64 ``[n, sequence]`` (token ids;
            0 is padding, from which a model computes its mask).
        vocabulary: number of token ids, for text; 0 elsewhere.
        name: see :class:`Labelled`, as the other arguments.

    Raises:
        InputError: as :class:`Labelled`; also an input that is not finite, or a token id out of range.
    """

    vocabulary: int = 0

    def __post_init__(self) -> None:
        given = f"{self.inputs.dtype} {self.inputs.shape}"
        if (str(self.inputs.dtype), self.inputs.ndim) not in KINDS:
            raise InputError(
                f"data set {self.name}: inputs are {given}, not float32 [n, C, H, W] or [n, d], nor int64 [n, sequence]"
            )
        super().__post_init__()
        if min(self.inputs.shape) == 0:
            raise InputError(f"data set {self.name}: inputs are {given}: a record holds nothing")
        if self.kind == "text" and (self.inputs.min() < 0 or self.inputs.max() >= self.vocabulary):
            raise InputError(f"data set {self.name}: a token id is outside 0..{self.vocabulary - 1}")
        if self.kind != "text" and not np.isfinite(self.inputs).all():
            raise InputError(f"data set {self.name}: an input holds NaN or infinity")

    @property
    def kind(self) -> Kind:
        """The kind of record: ``image``, ``table`` or ``text``."""
        return KINDS[str(self.inputs.dtype), self.inputs.ndim]

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of one record: ``(C, H, W)``, ``(d,)`` or ``(sequence,)``."""
        return tuple(int(d) for d in self.inputs.shape[1:])

    @property
    def in_dtype(self) -> str:
        """Element type of a model's input: ``float32``, or ``int64`` for token ids."""
        return str(self.inputs.dtype)

    def content(self, row: int) -> bytes:
        """The record's bytes."""
        return bytes(self.inputs[row].tobytes())

    def take(self, ids: IntArray) -> Records:
        """The records with these ids, in that order."""
        rows = self.rows(ids)
        return Records({INPUT_NAME: self.inputs[rows]}, self.labels[rows], self.ids[rows])


@dataclass(frozen=True, eq=False)
class TextDataset(Labelled[Sequence[str]]):
    """Labelled texts; the split comes first, and then a tokenizer is trained on the members' texts.

    Args:
        inputs: one text per record.
        name: see :class:`Labelled`, as the other arguments.
    """

    def content(self, row: int) -> bytes:
        """The text's bytes in UTF-8."""
        return self.inputs[row].encode()

    def texts(self, ids: IntArray) -> list[str]:
        """The texts with these ids, in that order."""
        return [self.inputs[row] for row in self.rows(ids)]

    def tokenized(self, tokenizer: Tokenizer, ids: IntArray) -> Dataset:
        """The records with these ids as token ids, in that order."""
        rows = self.rows(ids)
        tokens = tokenizer.encode([self.inputs[row] for row in rows])
        return self.with_inputs(tokens, rows, vocabulary=tokenizer.vocabulary)
