"""Artifacts and the records that they are fed with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.errors import InputError
from harness.types._arrays import Array, IntArray
from harness.types._observations import check_groups

__all__ = ["Artifact", "Records", "TensorSpec"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model, without its batch axis.

    Args:
        name: the tensor's name in the file.
        dtype: numpy name of the element type the model's author feeds, e.g. ``float32``.
        shape: shape of one record; -1 for an axis whose length the file does not tell.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Artifact:
    """One exported file of one variant for one runtime, known by its SHA-256.

    Args:
        model: whose weights these are: ``target``, ``shadow-0``, ...
        variant: the compressed version, e.g. ``prune-0.6``; ``original`` is the uncompressed one.
        runtime: ``litert`` or ``executorch``.
        path: where the file lies on the host.
        sha256: lower-case hexadecimal digest of the whole file.
        size_bytes: size of the file.
        inputs: what one record looks like.
        output: what one answer looks like; ``output.shape == (n_classes,)``.
        output_kind: ``logits`` or ``confidences``.
        provenance: how the file was made: recipe, versions, sparsity and distinct values read back from it.
    """

    model: str
    variant: str
    runtime: str
    path: Path
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    output: TensorSpec
    output_kind: str = "logits"
    provenance: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The artifact's place in a run, ``model/variant/runtime``."""
        return f"{self.model}/{self.variant}/{self.runtime}"


@dataclass(frozen=True)
class Records:
    """One materialised, deterministic set of records; every variant sees the same bytes.

    Args:
        inputs: name -> ``[n, ...]`` in the dtype that the model's author feeds.
        labels: true class of each record, int64 ``[n]``.
        ids: stable id of each record in its data set, int64 ``[n]``.
        groups: name of a column -> what each record has there, integers or texts ``[n]``; no model is fed them.
        canary: 1 for records that were inserted on purpose, int64 ``[n]``; None where there are none.

    Raises:
        InputError: lengths differ, an array is empty or an input holds NaN or infinity.
    """

    inputs: Mapping[str, Array]
    labels: IntArray
    ids: IntArray
    groups: Mapping[str, Array] = field(default_factory=dict)
    canary: IntArray | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if n == 0:
            raise InputError("records: there are none")
        if len(self.ids) != n:
            raise InputError(f"records: {len(self.ids)} ids for {n} labels")
        for name, values in self.inputs.items():
            if len(values) != n:
                raise InputError(f"records: input {name!r} has {len(values)} rows for {n} labels")
            if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
                raise InputError(f"records: input {name!r} holds NaN or infinity")
        check_groups(self.groups, n, name="records")
        if self.canary is not None and (len(self.canary) != n or not np.isin(self.canary, (0, 1)).all()):
            raise InputError(f"records: canary: expected 0 or 1 for each of {n} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray | slice) -> Records:
        """The records at ``rows``, in that order."""
        return Records(
            {k: v[rows] for k, v in self.inputs.items()},
            self.labels[rows],
            self.ids[rows],
            {k: v[rows] for k, v in self.groups.items()},
            None if self.canary is None else self.canary[rows],
        )
