"""What an adversary observes: the answers of one model's variants to the same records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from harness.errors import InputError
from harness.types._arrays import Array, FloatArray, IntArray

__all__ = ["PROBABILITY_FLOOR", "SUM_TOLERANCE", "Observations", "check_groups"]

# Rows of confidences must sum to one within this; int8 softmax steps of 1/256 over many classes stay inside it.
SUM_TOLERANCE = 0.02
# Smallest probability that is told apart from zero when only confidences are known (the reference code's clip).
PROBABILITY_FLOOR = 1e-30


@dataclass(frozen=True, eq=False)
class Observations:
    """What an adversary sees of one population: the answers of one model's variants to the same records.

    Give each variant's answers as ``confidences`` or, better, as ``logits`` (no ties by saturation), not both.

    Args:
        labels: true class, int64 ``[n]``.
        confidences: variant -> ``[n, C]``, rows sum to one.
        logits: variant -> ``[n, C]``.
        membership: 1 for members, 0 for non-members, int64 ``[n]``; None where it is not known.
        references: one entry per reference model: its answers to these same records, variant -> Observations-like
            ``[n, C]`` arrays wrapped as Observations without membership.
        reference_membership: ``[R, n]``, whether reference r was trained on the record; None means never (offline).
        population: the same model (and the same references) on records outside every model's training set (RMIA's Z).
        ids: stable id of each record, int64 ``[n]``, where known: the same record in two populations has the same id.
        sensitivity: variant -> how much each confidence moves under noise on the record, ``[n, C]`` (SAMIA).
        groups: name of a column -> what each record has there, integers or texts ``[n]``: leakage is reported by it.
        canary: 1 for records that were inserted on purpose, each trained on or not by a fair coin of its own, int64
            ``[n]``; None where there are none.
        name: how error messages call this population, e.g. ``target`` or ``shadow/0``.

    Raises:
        InputError: shapes disagree, an answer is not finite, rows do not sum to one, a label is out of range,
            or membership holds anything but 0 and 1.
    """

    labels: IntArray
    confidences: Mapping[str, Array] = field(default_factory=dict)
    logits: Mapping[str, Array] = field(default_factory=dict)
    membership: IntArray | None = None
    references: tuple[Observations, ...] = ()
    reference_membership: IntArray | None = None
    population: Observations | None = None
    ids: IntArray | None = None
    sensitivity: Mapping[str, Array] = field(default_factory=dict)
    groups: Mapping[str, Array] = field(default_factory=dict)
    canary: IntArray | None = None
    name: str = "target"

    def __post_init__(self) -> None:
        n = len(self.labels)
        if n == 0:
            raise InputError(f"{self.name}/labels: there are no records")
        for kind, table in (("confidences", self.confidences), ("logits", self.logits)):
            for variant, values in table.items():
                key = f"{self.name}/{kind}/{variant}"
                if values.ndim != 2 or len(values) != n or values.shape[1] < 2:
                    raise InputError(f"{key}: shape {values.shape}, expected [{n}, classes >= 2]")
                if not np.isfinite(values).all():
                    raise InputError(
                        f"{key}: row {int(np.argmin(np.isfinite(values).all(axis=1)))} holds NaN or infinity"
                    )
                if self.labels.min() < 0 or self.labels.max() >= values.shape[1]:
                    raise InputError(f"{self.name}/labels: outside 0..{values.shape[1] - 1}, the classes of {key}")
        for variant, values in self.confidences.items():
            key = f"{self.name}/confidences/{variant}"
            if variant in self.logits:
                raise InputError(f"{key}: logits of this variant are given too; keep one of them")
            sums = values.sum(axis=1, dtype=np.float64)
            bad = np.flatnonzero((np.abs(sums - 1.0) > SUM_TOLERANCE) | (values.min(axis=1) < 0))
            if len(bad):
                raise InputError(
                    f"{key}: row {bad[0]} sums to {sums[bad[0]]:.4g} or is negative; rows of confidences sum to one",
                    hint="logits go under the key logits/<variant>",
                )
        if self.ids is not None and len(self.ids) != n:
            raise InputError(f"{self.name}/ids: {len(self.ids)} entries for {n} labels")
        self._check_classes()
        for what, marks in (("membership", self.membership), ("canary", self.canary)):
            if marks is None:
                continue
            if len(marks) != n:
                raise InputError(f"{self.name}/{what}: {len(marks)} entries for {n} labels")
            if not np.isin(marks, (0, 1)).all():
                raise InputError(f"{self.name}/{what}: holds values other than 0 and 1")
        check_groups(self.groups, n, name=self.name)

    def _check_classes(self) -> None:
        """Raise unless all answers, and the sensitivities, are about the same classes."""
        answers = {f"logits/{v}": a for v, a in self.logits.items()}
        answers |= {f"confidences/{v}": a for v, a in self.confidences.items()}
        first, *others = answers or [""]
        for key in others:
            if answers[key].shape[1] != answers[first].shape[1]:
                raise InputError(
                    f"{self.name}/{key}: {answers[key].shape[1]} classes, {first} has {answers[first].shape[1]}"
                )
        for variant, values in self.sensitivity.items():
            key = f"{self.name}/sensitivity/{variant}"
            if first and values.shape != answers[first].shape:
                raise InputError(f"{key}: shape {values.shape}, expected {answers[first].shape}")
            if not np.isfinite(values).all() or (values.astype(np.float64) < 0).any():
                raise InputError(f"{key}: holds NaN, infinity or a negative number")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def variants(self) -> tuple[str, ...]:
        """The visible variants, in the order given."""
        return (*self.logits, *self.confidences)

    @cached_property
    def n_classes(self) -> int:
        """Number of classes C."""
        return int(next(iter((*self.logits.values(), *self.confidences.values()))).shape[1])

    def log_confidences_of(self, variant: str) -> FloatArray:
        """Natural logarithm of the confidence vectors, float64 ``[n, C]``.

        Raises:
            InputError: the variant is not visible here.
        """
        if variant in self.logits:
            # Loading scipy takes longer than judging a finished run, which needs these types and no arithmetic.
            from scipy.special import log_softmax

            return np.asarray(log_softmax(self.logits[variant].astype(np.float64), axis=1))
        return np.asarray(np.log(np.clip(self._require(variant).astype(np.float64), PROBABILITY_FLOOR, None)))

    def confidences_of(self, variant: str) -> FloatArray:
        """Confidence vectors, float64 ``[n, C]``.

        Raises:
            InputError: the variant is not visible here.
        """
        if variant in self.logits:
            return np.asarray(np.exp(self.log_confidences_of(variant)))
        return self._require(variant).astype(np.float64)

    def take(self, rows: IntArray) -> Observations:
        """The same view of a subset of the records; the population stays whole."""
        return replace(
            self,
            labels=self.labels[rows],
            confidences={k: v[rows] for k, v in self.confidences.items()},
            logits={k: v[rows] for k, v in self.logits.items()},
            membership=None if self.membership is None else self.membership[rows],
            references=tuple(r.take(rows) for r in self.references),
            ids=None if self.ids is None else self.ids[rows],
            sensitivity={k: v[rows] for k, v in self.sensitivity.items()},
            groups={k: v[rows] for k, v in self.groups.items()},
            canary=None if self.canary is None else self.canary[rows],
            reference_membership=None if self.reference_membership is None else self.reference_membership[:, rows],
        )

    @property
    def ordinary(self) -> Observations:
        """The records that are no canaries: leakage is measured on them; these same observations where all are."""
        if self.canary is None or not self.canary.any():
            return self
        return self.take(np.flatnonzero(self.canary == 0))

    @property
    def canaries(self) -> Observations | None:
        """The records that were inserted on purpose; None where there are none."""
        if self.canary is None or not self.canary.any():
            return None
        return self.take(np.flatnonzero(self.canary == 1))

    def _require(self, variant: str) -> Array:
        try:
            return self.confidences[variant]
        except KeyError:
            known = ", ".join(self.variants) or "none"
            raise InputError(f"{self.name}/confidences/{variant}: missing; present: {known}") from None


def check_groups(groups: Mapping[str, Array], n: int, *, name: str) -> None:
    """Raise unless each column of groups has one integer or text a record.

    Raises:
        InputError: the column is named.
    """
    for column, values in groups.items():
        if values.shape != (n,):
            raise InputError(f"{name}/groups/{column}: shape {list(values.shape)}, expected [{n}]")
        if values.dtype.kind not in "iuU":
            raise InputError(f"{name}/groups/{column}: holds {values.dtype}, expected integers or texts")
