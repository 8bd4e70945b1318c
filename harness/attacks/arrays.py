"""The door for arrays: a single .npz of confidence vectors, for audits without any device.

Keys, with ``n`` records and ``C`` classes; ``logits`` may stand wherever ``confidences`` does, and is better::

    target/labels                                 int    [n]
    target/membership                             0/1    [n]
    target/confidences/<variant>                  float  [n, C]
    target/ids                                    int    [n]      optional: stable ids of the records
    target/sensitivity/<variant>                  float  [n, C]   optional: for SAMIA
    shadow/<k>/labels, membership, ids, confidences/<variant>     optional: shadow k's answers to its own records
    shadow/<k>/cross/<j>/confidences/<variant>                    optional: shadow j's answers to shadow k's records
    shadow/<k>/cross_membership                   0/1    [J, n_k] optional: whether shadow j was trained on them
    cross/<k>/confidences/<variant>                               optional: shadow k's answers to the target's records
    cross_membership                              0/1    [K, n]   optional: whether shadow k was trained on them
    population/labels                             int    [m]      optional: records outside every training set
    population/target/confidences/<variant>       float  [m, C]
    population/shadow/<k>/confidences/<variant>   float  [m, C]
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from harness.attacks._evaluate import check_size
from harness.errors import InputError
from harness.types import Array, IntArray, Observations

__all__ = ["load"]

KINDS = ("confidences", "logits")
# Fields that hold one array per variant, where Observations has them.
TABLES = (*KINDS, "sensitivity")
CORRUPT = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError)


def load(path: Path) -> tuple[Observations, list[Observations]]:
    """Read a target and its shadows, with every array checked.

    Returns:
        The target, with references and population where the file has them, and the shadows in order of their number.

    Raises:
        InputError: the file or one of its arrays cannot be used; the message names the file or the key.
        UnresolvedError: the target or a shadow has too few records.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        target, shadows = _read(_Archive(path, file))
    check_size(target, needs_membership_of=shadows)
    return target, shadows


def _read(archive: _Archive) -> tuple[Observations, list[Observations]]:
    """The target and the shadows, complete and consistent with each other."""
    path = archive.path
    # The target's own arrays first: a bad one is named as the target's, not as that of a reference with its labels.
    target = archive.observations("target")
    numbers = archive.numbers("shadow/")
    population = _population(archive)
    shadows = [_shadow(archive, k, numbers, population) for k in numbers]
    references = tuple(
        archive.observations(f"cross/{k}", labels_key="target/labels") for k in archive.numbers("cross/")
    )
    target = replace(
        target,
        references=references,
        reference_membership=archive.membership_matrix("cross_membership", (len(references), len(target))),
        population=population.get("target"),
    )
    if target.membership is None:
        raise InputError(f"{path}: key target/membership is missing", hint="1 for members, 0 for non-members")
    for shadow in shadows:
        if shadow.membership is None:
            raise InputError(
                f"{path}: key {shadow.name}/membership is missing", hint="1 for members, 0 for non-members"
            )
        for variant in target.variants:
            if variant not in shadow.variants:
                raise InputError(
                    f"{path}: key {shadow.name}/confidences/{variant} is missing; the target has this variant",
                    hint="every shadow needs every variant of the target",
                )
        if shadow.n_classes != target.n_classes:
            raise InputError(f"{path}: {shadow.name} has {shadow.n_classes} classes, the target {target.n_classes}")
    return target, shadows


def _shadow(archive: _Archive, k: str, numbers: list[str], population: Mapping[str, Observations]) -> Observations:
    """Shadow k; its references on the population are the other shadows that cross-answered its records."""
    name = f"shadow/{k}"
    own = archive.observations(name)
    others = archive.numbers(f"{name}/cross/")
    for j in others:
        if j == k or j not in numbers:
            raise InputError(f"{archive.path}: key {name}/cross/{j} does not name another shadow")
    references = tuple(archive.observations(f"{name}/cross/{j}", labels_key=f"{name}/labels") for j in others)
    z = population.get(name)
    if z is not None:
        answered = tuple(population[f"shadow/{j}"] for j in others if f"shadow/{j}" in population)
        z = replace(z, references=answered)
    trained = archive.membership_matrix(f"{name}/cross_membership", (len(references), len(own)))
    return replace(own, references=references, reference_membership=trained, population=z)


def _population(archive: _Archive) -> dict[str, Observations]:
    """The population as each model answered it: ``target`` (with references), ``shadow/0``, ..."""
    if not archive.under("population/"):
        return {}
    label_key = "population/labels"
    answered = {
        f"shadow/{k}": archive.observations(f"population/shadow/{k}", labels_key=label_key)
        for k in archive.numbers("population/shadow/")
    }
    # The references of the target, on Z as on its records, are the shadows that answer under cross/.
    references = tuple(answered[f"shadow/{k}"] for k in archive.numbers("cross/") if f"shadow/{k}" in answered)
    if archive.under("population/target/"):
        answered["target"] = archive.observations("population/target", labels_key=label_key, references=references)
    return answered


class _Archive:
    """An .npz whose keys are read one at a time, each failure naming its key; nothing is ever unpickled."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        try:
            self._file: Any = np.load(file, allow_pickle=False)
        except (*CORRUPT, ValueError) as error:
            raise InputError(f"{path}: not an .npz file, or damaged", hint="write it with numpy.savez") from error
        if not hasattr(self._file, "files"):
            raise InputError(f"{path}: a single array, expected an .npz file", hint="write it with numpy.savez")
        self.keys: tuple[str, ...] = tuple(self._file.files)

    def under(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin with ``prefix``."""
        return tuple(key for key in self.keys if key.startswith(prefix))

    def numbers(self, prefix: str) -> list[str]:
        """The numbers that follow ``prefix`` in the keys, ascending."""
        found = {key.removeprefix(prefix).split("/")[0] for key in self.under(prefix)}
        for one in found:
            if not one.isdecimal():
                raise InputError(f"{self.path}: key {prefix}{one}: expected a number after {prefix}, e.g. {prefix}0")
        return sorted(found, key=int)

    def array(self, key: str) -> Array:
        """The array of ``key``.

        Raises:
            InputError: it is missing, damaged, or holds Python objects.
        """
        if key not in self.keys:
            raise InputError(f"{self.path}: key {key} is missing", hint=f"present: {', '.join(self.keys[:8])}, ...")
        try:
            values: Array = self._file[key]
        except ValueError as error:
            reason = "holds Python objects, which are never unpickled" if "pickle" in str(error) else "is damaged"
            raise InputError(f"{self.path}: key {key} {reason}", hint="store plain numeric arrays") from error
        except CORRUPT as error:
            raise InputError(f"{self.path}: key {key} is damaged", hint="copy or write the file again") from error
        return values

    def integers(self, key: str) -> IntArray:
        """An integer array.

        Raises:
            InputError: it holds fractions, NaN or text.
        """
        values = self.array(key)
        if values.dtype.kind not in "iubf" or (values.dtype.kind == "f" and not (values == np.floor(values)).all()):
            raise InputError(f"{self.path}: key {key} has type {values.dtype}, expected integers")
        return values.astype(np.int64)

    def vector(self, key: str) -> IntArray:
        """An integer array of one dimension."""
        values = self.integers(key)
        if values.ndim != 1:
            raise InputError(f"{self.path}: key {key} has shape {list(values.shape)}, expected [n]")
        return values

    def membership_matrix(self, key: str, shape: tuple[int, int]) -> IntArray | None:
        """Which reference was trained on which record, 0 or 1 of ``shape`` ``[R, n]``, where the file says."""
        if key not in self.keys:
            return None
        values = self.integers(key)
        if values.shape != shape or not np.isin(values, (0, 1)).all():
            raise InputError(
                f"{self.path}: key {key}: expected 0 and 1, shape [{shape[0]} references, {shape[1]} records]"
            )
        return values

    def observations(self, prefix: str, *, labels_key: str | None = None, **more: Any) -> Observations:
        """The answers under ``prefix``."""
        labels = self.vector(labels_key or f"{prefix}/labels")
        known = {field.name for field in fields(Observations)}
        extra: dict[str, Any] = {}
        for table in TABLES:
            start = f"{prefix}/{table}/"
            found = {key.removeprefix(start): self._floats(key) for key in self.under(start)}
            if found and table in known:
                extra[table] = found
        if not any(kind in extra for kind in KINDS):
            raise InputError(f"{self.path}: key {prefix}/confidences/<variant> is missing: there is no variant")
        for name in ("membership", "ids"):
            if f"{prefix}/{name}" in self.keys:
                extra[name] = self.vector(f"{prefix}/{name}")
        with self._named():
            return Observations(labels=labels, name=prefix, **extra, **more)

    def _floats(self, key: str) -> Array:
        values = self.array(key)
        if values.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: key {key} has type {values.dtype}, expected numbers")
        return values if values.dtype.kind == "f" else values.astype(np.float32)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the file's name before the key that an error names."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.path}: key {error.message}", hint=error.hint) from error
