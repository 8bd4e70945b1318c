"""The door for arrays: a single .npz of confidence vectors, for audits without any device.

Keys, with ``n`` records and ``C`` classes; ``logits`` may stand wherever ``confidences`` does, and is better::

    target/labels                                 int    [n]
    target/membership                             0/1    [n]
    target/confidences/<variant>                  float  [n, C]
    target/ids                                    int    [n]      optional: stable ids of the records
    target/sensitivity/<variant>                  float  [n, C]   optional: for SAMIA
    target/groups/<name>                          int or text [n]  optional: leakage is reported by its values
    target/canary                                 0/1    [n]      optional: records inserted on purpose, by a fair coin
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

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.attacks._evaluate import check_size
from harness.data.groups import as_canary, as_column, check_name
from harness.data.npz import Archive
from harness.errors import InputError, UnresolvedError
from harness.types import Array, IntArray, Observations

__all__ = ["load"]

KINDS = ("confidences", "logits")
# Fields of Observations that hold one array per variant.
TABLES = (*KINDS, "sensitivity")
# Larger logits are no model's, and their differences would overflow.
LARGEST = float(np.finfo(np.float32).max)


def load(path: Path) -> tuple[Observations, list[Observations]]:
    """Read a target and its shadows, with every array checked.

    Returns:
        The target, with references and population where the file has them, and the shadows in order of their number.

    Raises:
        InputError: the file or one of its arrays cannot be used; the message names the file or the key.
        UnresolvedError: the target or a shadow has too few records.
    """
    path = Path(path)
    with Archive.open(path) as archive:
        target, shadows = _read(_Answers(archive))
        unknown = archive.unread()
    if unknown:
        raise InputError(
            f"{path}: key {unknown[0]} is not one that the format has",
            hint="labels, membership, ids, confidences/<variant> and so on, under target/ or shadow/<k>/",
        )
    try:
        if target.canary is not None and target.canary.all():
            raise InputError(
                "target/canary: every record is a canary",
                hint="give ordinary records too, whose canary is 0",
            )
        check_size(target.ordinary, needs_membership_of=shadows)
    except (InputError, UnresolvedError) as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from None
    return target, shadows


def _read(answers: _Answers) -> tuple[Observations, list[Observations]]:
    """The target and the shadows, complete and consistent with each other."""
    # The target's own arrays first: a bad one is named as the target's, not as that of a reference with its labels.
    target = answers.of("target", **answers.marks("target"))
    numbers = answers.numbers("shadow/")
    population = _population(answers)
    shadows = [_shadow(answers, k, numbers, population) for k in numbers]
    references = tuple(answers.of(f"cross/{k}", labels_key="target/labels") for k in answers.numbers("cross/"))
    for one in (target, *shadows):
        if one.membership is None:
            raise InputError(
                f"{answers.path}: key {one.name}/membership is missing", hint="1 for members, 0 for non-members"
            )
    cross = (one for shadow in shadows for one in shadow.references)
    _require_variants(answers.path, target, (*shadows, *references, *cross, *population.values()))
    target = replace(
        target,
        references=references,
        reference_membership=answers.membership_matrix("cross_membership", (len(references), len(target))),
        population=population.get("target"),
    )
    return target, shadows


def _require_variants(path: Path, target: Observations, others: Sequence[Observations]) -> None:
    """Raise unless every other set of answers has the target's variants and classes."""
    for one in others:
        for variant in target.variants:
            if variant not in one.variants:
                raise InputError(
                    f"{path}: key {one.name}/confidences/{variant} is missing; the target has this variant",
                    hint="every model has to answer with every variant of the target",
                )
        if one.n_classes != target.n_classes:
            raise InputError(f"{path}: key {one.name} has {one.n_classes} classes, the target {target.n_classes}")


def _shadow(answers: _Answers, k: str, numbers: list[str], population: Mapping[str, Observations]) -> Observations:
    """Shadow k; its references on the population are the other shadows that cross-answered its records."""
    name = f"shadow/{k}"
    own = answers.of(name)
    others = answers.numbers(f"{name}/cross/")
    for j in others:
        if j == k or j not in numbers:
            raise InputError(f"{answers.path}: key {name}/cross/{j} does not name another shadow")
    references = tuple(answers.of(f"{name}/cross/{j}", labels_key=f"{name}/labels") for j in others)
    z = population.get(name)
    if z is not None:
        z = replace(z, references=_answered(answers, population, others, asked=f"{name}/cross"))
    trained = answers.membership_matrix(f"{name}/cross_membership", (len(references), len(own)))
    return replace(own, references=references, reference_membership=trained, population=z)


def _population(answers: _Answers) -> dict[str, Observations]:
    """The population as each model answered it: ``target`` (with references), ``shadow/0``, ..."""
    if not answers.under("population/"):
        return {}
    label_key = "population/labels"
    populations = {
        f"shadow/{k}": answers.of(f"population/shadow/{k}", labels_key=label_key)
        for k in answers.numbers("population/shadow/")
    }
    if answers.under("population/target/"):
        # The references of the target, on Z as on its records, are the shadows that answer under cross/.
        references = _answered(answers, populations, answers.numbers("cross/"), asked="cross")
        populations["target"] = answers.of("population/target", labels_key=label_key, references=references)
    return populations


def _answered(
    answers: _Answers, population: Mapping[str, Observations], numbers: Sequence[str], *, asked: str
) -> tuple[Observations, ...]:
    """The population as the references answered it, each of those that answered under ``asked``."""
    for k in numbers:
        if f"shadow/{k}" not in population:
            raise InputError(
                f"{answers.path}: key population/shadow/{k}/confidences/<variant> is missing; there is {asked}/{k}",
                hint="a reference has to answer the population too",
            )
    return tuple(population[f"shadow/{k}"] for k in numbers)


class _Answers:
    """An archive of answers: its arrays checked one by one and put together, each failure naming its key."""

    def __init__(self, archive: Archive) -> None:
        self.path = archive.path
        self.keys = archive.keys
        self.under = archive.under
        self._array = archive.array

    def numbers(self, prefix: str) -> list[str]:
        """The numbers that follow ``prefix`` in the keys, ascending."""
        numbers = {key.removeprefix(prefix).split("/")[0] for key in self.under(prefix)}
        for one in numbers:
            if not (one.isascii() and one.isdecimal()):
                raise InputError(f"{self.path}: key {prefix}{one}: expected a number after {prefix}, e.g. {prefix}0")
        return sorted(numbers, key=int)

    def integers(self, key: str) -> IntArray:
        """An integer array.

        Raises:
            InputError: it holds fractions, NaN, text or numbers beyond 64 bits.
        """
        values = self._array(key)
        if values.dtype.kind not in "iubf":
            raise InputError(f"{self.path}: key {key} has type {values.dtype}, expected integers")
        if values.dtype.kind == "f" and not (values == np.floor(values)).all():
            raise InputError(f"{self.path}: key {key} holds fractions or NaN, expected integers")
        # Two's complement has one more below zero than above, so 2^63 itself is out.
        if values.dtype.kind in "fu" and not (np.abs(values) < 2**63).all():
            raise InputError(f"{self.path}: key {key} holds numbers beyond 64 bits, expected integers")
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

    def of(self, prefix: str, *, labels_key: str | None = None, **more: Any) -> Observations:
        """The answers under ``prefix``."""
        labels = self.vector(labels_key or f"{prefix}/labels")
        extra: dict[str, Any] = {}
        for table in TABLES:
            start = f"{prefix}/{table}/"
            extra[table] = {key.removeprefix(start): self._floats(key) for key in self.under(start)}
        if not any(extra[kind] for kind in KINDS):
            raise InputError(f"{self.path}: key {prefix}/confidences/<variant> is missing: there is no variant")
        for variant in extra["sensitivity"]:
            if not any(variant in extra[kind] for kind in KINDS):
                raise InputError(
                    f"{self.path}: key {prefix}/sensitivity/{variant}: there are no answers of this variant"
                )
        if f"{prefix}/membership" in self.keys:
            extra["membership"] = self.vector(f"{prefix}/membership")
        if f"{prefix}/ids" in self.keys:
            extra["ids"] = self._distinct(f"{prefix}/ids")
        with self._named():
            return Observations(labels=labels, name=prefix, **extra, **more)

    def marks(self, prefix: str) -> dict[str, Any]:
        """What a person says of the records under ``prefix``: their groups, and which are canaries."""
        start, groups = f"{prefix}/groups/", {}
        for key in self.under(start):
            check_name(name := key.removeprefix(start), where=f"{self.path}: key {key}")
            groups[name] = as_column(self._array(key), where=f"{self.path}: key {key}")
        key = f"{prefix}/canary"
        canary = as_canary(self._array(key), where=f"{self.path}: key {key}") if key in self.keys else None
        return {"groups": groups, "canary": canary}

    def _distinct(self, key: str) -> IntArray:
        """A vector in which no number occurs twice."""
        values = self.vector(key)
        ids, count = np.unique(values, return_counts=True)
        if (count > 1).any():
            at = int(count.argmax())
            raise InputError(
                f"{self.path}: key {key}: {ids[at]} occurs {count[at]} times",
                hint="give each record an id of its own",
            )
        return values

    def _floats(self, key: str) -> Array:
        values = self._array(key)
        if values.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: key {key} has type {values.dtype}, expected numbers")
        if values.dtype.itemsize > 4 and (np.isfinite(values) & (np.abs(values) > LARGEST)).any():
            raise InputError(f"{self.path}: key {key} holds numbers beyond {LARGEST:.2g}")
        return values if values.dtype.kind == "f" else values.astype(np.float32)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the file's name before the key that an error names."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.path}: key {error.message}", hint=error.hint) from error
