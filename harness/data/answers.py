"""The door for arrays: a single .npz of confidence vectors, for audits without any device.

Keys, with ``n`` records and ``C`` classes; ``logits`` may stand wherever ``confidences`` does, and is better::

    target/labels                                 int    [n]
    target/membership                             0/1    [n]
    target/confidences/<variant>                  float  [n, C]
    target/ids                                    int    [n]      optional: stable ids of the records
    target/sensitivity/<variant>                  float  [n, C]   optional: for SAMIA
    target/votes/<variant>                        float  [n, C]   optional: for apps that answer the top class alone
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

Votes are, for each class, how many disturbed copies of the record were answered with it (whole numbers, the record
itself not counted), or which share of them (rows sum to one). They may stand beside every set of answers, as under
``target/``: ``shadow/<k>/votes/<variant>``, ``shadow/<k>/cross/<j>/votes/<variant>``, ``cross/<k>/votes/<variant>``,
``population/target/votes/<variant>``, ``population/shadow/<k>/votes/<variant>``. Where the target has them, every set
has to. They are used where an app is said to answer the label alone. Of the confidences then only the top class is
used: who has none gives rows of 0 and a single 1. Without votes the answer to the record itself is all that is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.attacks._evaluate import check_size
from harness.config import AttackConfig
from harness.data.exposed_outputs import VECTOR, Exposure, Votes
from harness.data.groups import as_canary, as_column, check_name
from harness.data.npz import Archive
from harness.errors import InputError, UnresolvedError
from harness.types import SUM_TOLERANCE, Array, IntArray, Observations

__all__ = ["exposure_of", "load"]

KINDS = ("confidences", "logits")
# Fields of Observations that hold one array per variant.
TABLES = (*KINDS, "sensitivity")
# Larger logits are no model's, and their differences would overflow.
LARGEST = float(np.finfo(np.float32).max)
# How many copies shares of votes are taken to be of.
SHARED_COPIES = AttackConfig().label_copies


def load(path: Path, exposure: Exposure = VECTOR) -> tuple[Observations, list[Observations]]:
    """Read a target and its shadows, with every array checked.

    Args:
        path: the file.
        exposure: what the app shows of the answers: the target's, and likewise all others.

    Returns:
        The target, with references and population where the file has them, and the shadows in order of their number.

    Raises:
        InputError: the file or one of its arrays cannot be used; the message names the file or the key.
        UnresolvedError: the target or a shadow has too few records.
    """
    path = Path(path)
    with Archive.open(path) as archive:
        target, shadows = _read(_Answers(archive, exposure))
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


def exposure_of(path: Path, settings: AttackConfig) -> Exposure:
    """What the app shows as the configuration says, with as many copies as the target's votes are of.

    Raises:
        InputError: the file or its votes cannot be used.
    """
    exposure = Exposure.of(settings)
    if exposure.answers != "label":
        return exposure
    with Archive.open(Path(path)) as archive:
        answers = _Answers(archive, VECTOR)
        copies = [answers.copies(key) for key in answers.under("target/votes/")]
    return replace(exposure, copies=None if None in copies else max(map(int, filter(None, copies)), default=0))


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

    def __init__(self, archive: Archive, exposure: Exposure) -> None:
        self.exposure = exposure
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
            whole = Observations(labels=labels, name=prefix, **extra, **more)
        return self.exposure.restrict(whole, self._votes(whole))

    def _votes(self, whole: Observations) -> dict[str, Votes]:
        """The votes that stand beside some answers.

        Raises:
            InputError: they cannot be used, or are missing where the target has them.
        """
        start, target = f"{whole.name}/votes/", "target/votes/"
        votes = {key.removeprefix(start): self._counts(key, whole) for key in self.under(start)}
        for variant in (key.removeprefix(target) for key in self.under(target)):
            if variant in whole.variants and variant not in votes:
                raise InputError(
                    f"{self.path}: key {start}{variant} is missing; the target has votes of this variant",
                    hint="every model has to be asked about the same disturbed copies",
                )
        return votes

    def copies(self, key: str) -> int | None:
        """How many copies votes are of; None where they are shares."""
        votes = self._floats(key).astype(np.float64)
        if votes.ndim != 2 or not np.isfinite(votes).all() or (votes != np.floor(votes)).any():
            return None  # damaged ones are refused where they are read
        return int(votes.sum(axis=1).max(initial=0))

    def _counts(self, key: str, whole: Observations) -> Votes:
        """Votes as numbers of copies, ``[n, C]``; shares are taken to be of the number that an audit asks about."""
        if key.rpartition("/")[2] not in whole.variants:
            raise InputError(f"{self.path}: key {key}: there are no answers of this variant")
        counts, shape = self._floats(key).astype(np.float64), (len(whole), whole.n_classes)
        if counts.shape != shape:
            raise InputError(f"{self.path}: key {key} has shape {list(counts.shape)}, expected {list(shape)}")
        if not np.isfinite(counts).all() or (counts < 0).any():
            raise InputError(f"{self.path}: key {key} holds NaN, infinity or a negative number")
        sums, whole_numbers = counts.sum(axis=1), bool((counts == np.floor(counts)).all())
        bad = np.flatnonzero(sums == 0 if whole_numbers else np.abs(sums - 1.0) > SUM_TOLERANCE)
        if len(bad):
            raise InputError(
                f"{self.path}: key {key}: row {bad[0]} sums to {sums[bad[0]]:.4g}",
                hint="give whole numbers of votes, at least one a record, or shares that sum to one",
            )
        if whole_numbers:
            return Votes(counts, sums[:, np.newaxis])
        return Votes(counts * SHARED_COPIES, SHARED_COPIES)

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
