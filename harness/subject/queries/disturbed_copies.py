"""Disturbed copies of every record, for apps that answer the top class alone: the votes for each class."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from harness import fields
from harness.data.exposed_outputs import Exposure, Votes
from harness.subject.queries._disturbance import MOVES, disturbances, is_small, moved, spatial_axes
from harness.types import Array, FloatArray, Observations, Records

if TYPE_CHECKING:
    from harness.subject._protocol import Subject
    from harness.subject.queries._disturbance import Disturbance

__all__ = ["DisturbedCopies"]

# Sizes of the noise, in standard deviations: from where the first answers change to where a quarter or more have.
SMALLEST, LARGEST = 0.35, 1.0
# No more than one copy in this many is a mirror image or a shift: they say less of a network trained without.
COPIES_A_MOVE = 4


@dataclass(frozen=True)
class DisturbedCopies:
    """The disturbed copies that all models of an audit are asked about; every file is fed the same bytes.

    Each copy has a size of its own, on a geometric grid, so that few records have equal votes. A copy's vote counts the
    more, the smaller its noise is: its weight is one over the size. If the odds that a copy keeps the class grow with
    the record's distance from the class's border over the size, then this weighted count is all that the votes say of
    the distance. The record itself counts as much as the smallest noise, a moved image as the largest.

    A copy is drawn from the audit's seed, the population's name and the number of the draw: neither the model nor the
    variant has a part in it. It is made when it is asked for and dropped after.

    Args:
        draws: copies of each record.
        noise: scales all sizes.
        seed: the audit's.
        moves: how images are moved, of `MOVES`; the last copies are these.
        inputs: what noise does to each input; known while copies are made, and not kept.
    """

    of_references: ClassVar[bool] = True

    draws: int
    noise: float
    seed: int
    moves: tuple[str, ...] = ()
    inputs: Mapping[str, Disturbance] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, subject: Subject, populations: Sequence[str]) -> Self:
        """The disturbed copies of an audit; see `harness.subject.queries.Query.of`."""
        settings = subject.config.attack
        # Records in nobody's training set give the scale where there are any.
        scale = subject.population(subject.evidence().target.outside or populations[0])
        return cls(
            settings.label_copies,
            settings.label_noise,
            subject.config.seed,
            _moves_of(scale.inputs)[: settings.label_copies // COPIES_A_MOVE],
            disturbances(scale),
        )

    @property
    def sizes(self) -> FloatArray:
        """The size of each copy, float64 ``[draws]``."""
        noisy = np.geomspace(SMALLEST, LARGEST, self.draws - len(self.moves)) * self.noise
        return np.concatenate([noisy, np.full(len(self.moves), LARGEST * self.noise)])

    def copies(self, population: str, records: Records) -> Iterator[tuple[str, Records, str]]:
        """Each disturbed copy of a population, with its name in the run."""
        for draw in range(self.draws):
            label = f"{population} records, disturbed copy {draw + 1} of {self.draws}"
            yield self.name_of(population, draw), self.copy_of(population, records, draw), label

    def observe(
        self, own: Observations, population: str, confidences: Callable[[str, str], FloatArray]
    ) -> Observations:
        """The observations with vote shares in place of answers; see `harness.subject.queries.Query.observe`."""
        weights = 1.0 / self.sizes
        weights /= weights.mean()

        def of(variant: str) -> Votes:
            counts = np.zeros((len(own), own.n_classes))
            for draw, weight in enumerate(weights):
                top = confidences(self.name_of(population, draw), variant).argmax(axis=1)
                counts[np.arange(len(top)), top] += weight
            return Votes(counts, float(weights.sum()), clean=float(weights.max()))

        shown = Exposure("label", copies=self.draws)
        return shown.restrict(own, {variant: of(variant) for variant in own.variants})

    @staticmethod
    def name_of(population: str, draw: int) -> str:
        """What the run calls one disturbed copy of a population."""
        return f"{population}-disturbed-{draw:03}"

    def copy_of(self, population: str, records: Records, draw: int) -> Records:
        """One disturbed copy of a population's records."""
        noisy = self.draws - len(self.moves)
        if draw >= noisy:
            inputs = {name: moved(values, self.moves[draw - noisy]) for name, values in records.inputs.items()}
        else:
            rng = np.random.default_rng([self.seed, zlib.crc32(population.encode()), draw])
            size = float(self.sizes[draw])
            inputs = {name: self.inputs[name](values, size, rng) for name, values in records.inputs.items()}
        return replace(records, inputs=inputs)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"draws": self.draws, "noise": self.noise, "seed": self.seed, "moves": list(self.moves)}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The settings that :meth:`to_json` wrote."""
        draws, seed = fields.integer(node, "draws"), fields.integer(node, "seed")
        moves = tuple(move for move in fields.strings(node, "moves") if move in MOVES)
        return cls(draws or 0, fields.number(node, "noise") or 1.0, seed or 0, moves)


def _moves_of(inputs: Mapping[str, Array]) -> tuple[str, ...]:
    """The moves that suit the records: none where no input holds images, and no shift of small ones."""
    images = [values for values in inputs.values() if spatial_axes(values) is not None]
    if not images:
        return ()
    return ("mirror",) if any(map(is_small, images)) else tuple(MOVES)
