"""Noisy copies of a population, and what the answers to them say of each record: SAMIA's sensitivity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness import fields
from harness.types import Array, FloatArray, Observations, Records

if TYPE_CHECKING:
    from harness.subject._protocol import Subject

__all__ = ["NoisyCopies", "sensitivity"]

# The published size, for inputs of about unit scale.
EPSILON = 1e-3


@dataclass(frozen=True)
class NoisyCopies:
    """The noisy copies that all models of an audit are asked about; every file is fed the same bytes.

    A copy adds ``epsilon * u`` to each input, with ``u ~ N(0, I)`` drawn from the audit's seed, the population and the
    number of the draw: neither the model nor the variant has a part in it. A copy is made when it is asked for and
    dropped after.

    A file with 8-bit activations rounds a change of 1e-3 away. Where the audit has such a variant, the default size is
    therefore raised, for all variants alike, to one step of the input's quantization, see `Subject.input_step`.

    Args:
        epsilon: standard deviation of the noise, in the input's unit.
        draws: copies of each record.
        seed: the audit's.
        populations: those that are copied; a population's place here is part of its seed.
    """

    of_references: ClassVar[bool] = False

    epsilon: float
    draws: int
    seed: int
    populations: tuple[str, ...]

    @classmethod
    def of(cls, subject: Subject, populations: Sequence[str]) -> Self:
        """The noisy copies of an audit; see `harness.subject.queries.Query.of`."""
        settings = subject.config.attack
        epsilon = settings.samia_epsilon or max(EPSILON, subject.input_step())
        return cls(epsilon, settings.samia_draws, subject.config.seed, tuple(populations))

    def copies(self, population: str, records: Records) -> Iterator[tuple[str, Records, str]]:
        """Each noisy copy of a population that attacks are scored or fitted on, with its name in the run."""
        if population not in self.populations:
            return
        for draw in range(self.draws):
            label = f"{population} records, noisy copy {draw + 1} of {self.draws}"
            yield self.name_of(population, draw), self.copy_of(population, records, draw), label

    def observe(
        self, own: Observations, population: str, confidences: Callable[[str, str], FloatArray]
    ) -> Observations:
        """The observations with each variant's sensitivity; see `harness.subject.queries.Query.observe`."""

        def of(variant: str) -> FloatArray:
            noisy = (confidences(self.name_of(population, draw), variant) for draw in range(self.draws))
            return sensitivity(confidences(population, variant), noisy, epsilon=self.epsilon)

        return replace(own, sensitivity={variant: of(variant) for variant in own.variants})

    @staticmethod
    def name_of(population: str, draw: int) -> str:
        """What the run calls one noisy copy of a population."""
        return f"{population}-noise-{draw:02}"

    def copy_of(self, population: str, records: Records, draw: int) -> Records:
        """One noisy copy of a population's records, float32."""
        rng = np.random.default_rng([self.seed, self.populations.index(population), draw])
        noisy = {name: self._disturbed(values, rng) for name, values in records.inputs.items()}
        return Records(noisy, records.labels, records.ids)

    def _disturbed(self, values: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        unit = rng.standard_normal(values.shape, dtype=np.float32)
        return np.asarray(values, dtype=np.float32) + np.float32(self.epsilon) * unit

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return asdict(self) | {"populations": list(self.populations)}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The settings that :meth:`to_json` wrote."""
        epsilon, draws, seed = (fields.number(node, key) for key in ("epsilon", "draws", "seed"))
        return cls(epsilon or EPSILON, int(draws or 0), int(seed or 0), fields.strings(node, "populations"))


def sensitivity(clean: FloatArray, noisy: Iterable[FloatArray], *, epsilon: float) -> FloatArray:
    """The mean over noisy copies of ``|p(x + epsilon u) - p(x)| / epsilon``, one number a class.

    Yuan & Zhang, Membership inference attacks and defenses in neural network pruning, USENIX Security 2022.

    Args:
        clean: confidences of the records, ``[n, C]``.
        noisy: confidences of each noisy copy, ``[n, C]``; read one at a time.
        epsilon: standard deviation of the noise.

    Returns:
        float64 ``[n, C]``.
    """
    moved, draws = np.zeros_like(clean), 0
    for copy in noisy:
        moved += np.abs(copy - clean)
        draws += 1
    return np.asarray(moved / (draws * epsilon))
