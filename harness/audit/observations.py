"""What an adversary sees: a run's collected answers as observations, one runtime at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.store import Run
from harness.subject.noisy_copies import Noise
from harness.subject.trained import TARGET, TrainedSubject
from harness.types import FloatArray, IntArray, Observations, Records

__all__ = ["observe"]


def observe(run: Run, subject: TrainedSubject, runtime: str) -> tuple[Observations, list[Observations]]:
    """The target on the audited records, and each shadow on the shadow pool.

    Each population carries the answers of its reference models: the shadows for the target, the other shadows for a
    shadow. Which reference was trained on which record is stated where it is not "none of them". Where the audit asked
    about noisy copies, the records' sensitivity to the noise comes along.

    Returns:
        The target's observations and the shadows'.
    """
    return _Observer(run, subject, runtime).all()


class _Observer:
    def __init__(self, run: Run, subject: TrainedSubject, runtime: str) -> None:
        self._run, self._subject, self._runtime = run, subject, runtime
        self._shadows = subject.models[1:]
        self._noise = Noise.of(subject)

    def all(self) -> tuple[Observations, list[Observations]]:
        audit = self._subject.population("audit")
        target = self._of(TARGET, "audit", audit, self._shadows, membership=self._subject.membership(TARGET, audit.ids))
        if not self._shadows:
            return target, []
        pool = self._subject.population("shadow")
        shadows = [
            self._of(
                shadow,
                "shadow",
                pool,
                [other for other in self._shadows if other != shadow],
                membership=self._subject.membership(shadow, pool.ids),
            )
            for shadow in self._shadows
        ]
        return target, shadows

    def _of(
        self,
        model: str,
        population: str,
        records: Records,
        others: list[str] | tuple[str, ...],
        *,
        membership: IntArray,
    ) -> Observations:
        references, trained = self._references(others, population, records)
        own = self._plain(
            model, population, records, membership=membership, references=references, trained=trained, with_z=True
        )
        return own if self._noise is None else replace(own, sensitivity=self._sensitivity(self._noise, own, population))

    def _sensitivity(self, noise: Noise, own: Observations, population: str) -> dict[str, FloatArray]:
        return {
            variant: noise.sensitivity_of(self._run, population, f"{own.name}/{variant}/{self._runtime}")
            for variant in own.variants
        }

    def _plain(
        self,
        model: str,
        population: str,
        records: Records,
        *,
        membership: IntArray | None = None,
        references: tuple[Observations, ...] = (),
        trained: IntArray | None = None,
        with_z: bool = False,
    ) -> Observations:
        variants = self._subject.config.compression.variants
        return Observations(
            labels=records.labels,
            logits={
                variant: self._run.read_answers(population, f"{model}/{variant}/{self._runtime}")
                for variant in variants
                if self._run.has_answers(population, f"{model}/{variant}/{self._runtime}")
            },
            membership=membership,
            references=references,
            reference_membership=trained,
            population=self._z(model, [reference.name for reference in references]) if with_z else None,
            ids=records.ids,
            name=model,
        )

    def _references(
        self, others: list[str] | tuple[str, ...], population: str, records: Records
    ) -> tuple[tuple[Observations, ...], IntArray | None]:
        found = tuple(self._plain(other, population, records) for other in others)
        if not found:
            return (), None
        trained = np.stack(
            [np.isin(records.ids, self._subject.training_records(other).ids).astype(np.int64) for other in others]
        )
        return found, trained if trained.any() else None

    def _z(self, model: str, others: list[str]) -> Observations:
        records = self._subject.population("population")
        references = tuple(self._plain(other, "population", records) for other in others)
        return self._plain(model, "population", records, references=references)
