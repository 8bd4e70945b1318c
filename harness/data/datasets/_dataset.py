"""The shapes that data sets have: arrays that a model is fed, texts that are yet to be tokenized, image files."""

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

# What torch.export, and so LiteRT's converter, call a model's first positional argument; records use the same name.
INPUT_NAME = "args_0"

Kind = Literal["image", "table", "text"]
Content = TypeVar("Content", bound=Sized)

# What the inputs of each kind look like, by element type and number of axes.
KINDS: dict[tuple[str, int], Kind] = {("float32", 4): "image", ("float32", 2): "table", ("int64", 2): "text"}


@dataclass(frozen=True, eq=False)
class Labelled(ABC, Generic[Content]):
    """Records with classes and ids; what a record is, a subclass says.

    Args:
        name: the registered name.
        inputs: the records, in the order of their files.
        labels: true class, int64 ``[n]``, in ``0..n_classes - 1``.
        ids: distinct, stable id of each record, int64 ``[n]``.
        n_classes: number of classes.
        class_names: the classes' names, where the files have any.
        sources: which of ``source_names`` each record came from, int64 ``[n]``; None where there is one source only.
        source_names: the files or folders that the records came from.

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
        """What two records have to share to be copies of each other."""

    @cached_property
    def _order(self) -> IntArray:
        return np.argsort(self.ids)

    def rows(self, ids: IntArray) -> IntArray:
        """Where the records with these ids are, in the order of ``ids``.

        Raises:
            InputError: an id is not in this data set.
        """
        places = np.searchsorted(self.ids, ids, sorter=self._order)
        found: IntArray = self._order[np.minimum(places, len(self) - 1)]
        missing = np.flatnonzero(self.ids[found] != ids)
        if len(missing):
            raise InputError(f"data set {self.name}: there is no record {int(ids[missing[0]])}")
        return found

    def made(self, inputs: NDArray[np.float32] | NDArray[np.int64], rows: IntArray, *, vocabulary: int = 0) -> Dataset:
        """The records at ``rows`` as a model is fed them, given what was made of their content."""
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
    """Labelled records as a model is fed them, preprocessed once and deterministically.

    Args:
        inputs: float32 ``[n, C, H, W]`` (images), float32 ``[n, d]`` (tables) or int64 ``[n, sequence]`` (token ids;
            0 is padding, and a model makes its mask of it).
        vocabulary: number of token ids, for text; 0 elsewhere.
        name: see :class:`Labelled`, as the other arguments.

    Raises:
        InputError: as :class:`Labelled`; also an input that is not finite, or a token id out of range.
    """

    vocabulary: int = 0

    def __post_init__(self) -> None:
        shown = f"{self.inputs.dtype} {self.inputs.shape}"
        if (str(self.inputs.dtype), self.inputs.ndim) not in KINDS:
            raise InputError(
                f"data set {self.name}: inputs are {shown}, not float32 [n, C, H, W] or [n, d], nor int64 [n, sequence]"
            )
        super().__post_init__()
        if min(self.inputs.shape) == 0:
            raise InputError(f"data set {self.name}: inputs are {shown}: a record holds nothing")
        if self.kind == "text" and (self.inputs.min() < 0 or self.inputs.max() >= self.vocabulary):
            raise InputError(f"data set {self.name}: a token id is outside 0..{self.vocabulary - 1}")
        if self.kind != "text" and not np.isfinite(self.inputs).all():
            raise InputError(f"data set {self.name}: an input holds NaN or infinity")

    @property
    def kind(self) -> Kind:
        """What a record is: ``image``, ``table`` or ``text``."""
        return KINDS[str(self.inputs.dtype), self.inputs.ndim]

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of one record: ``(C, H, W)``, ``(d,)`` or ``(sequence,)``."""
        return tuple(int(d) for d in self.inputs.shape[1:])

    @property
    def in_dtype(self) -> str:
        """Element type that a model is fed: ``float32``, or ``int64`` for token ids."""
        return str(self.inputs.dtype)

    def content(self, row: int) -> bytes:
        """The record's bytes."""
        return bytes(self.inputs[row].tobytes())

    def take(self, ids: IntArray) -> Records:
        """The records with these ids, in that order, as every later stage wants them."""
        rows = self.rows(ids)
        return Records({INPUT_NAME: self.inputs[rows]}, self.labels[rows], self.ids[rows])


@dataclass(frozen=True, eq=False)
class TextDataset(Labelled[Sequence[str]]):
    """Labelled texts; who is a member is drawn on them, and only then is a tokenizer trained on the members' texts.

    Args:
        inputs: one text a record.
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
        return self.made(tokens, rows, vocabulary=tokenizer.vocabulary)
