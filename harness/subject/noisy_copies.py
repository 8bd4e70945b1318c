"""Noisy copies of a population, and what the answers to them say of each record: SAMIA's sensitivity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from harness import compression
from harness.store import Run
from harness.subject.trained import TARGET, TrainedSubject
from harness.types import Array, FloatArray, Records

__all__ = ["Noise", "sensitivity"]

# The published size, for inputs of about unit scale.
EPSILON = 1e-3
# Number formats whose kernels see the input in 8 bits, and how many steps 8 bits make.
EIGHT_BIT = ("int8", "int8-dynamic")
STEPS = 255
# The populations on which SAMIA is fitted and scored; a population's place here is part of its seed.
POPULATIONS = ("audit", "shadow")


@dataclass(frozen=True)
class Noise:
    """The noisy copies that all models of an audit are asked about; every file is fed the same bytes.

    A copy adds ``epsilon * u`` to each input, with ``u ~ N(0, I)`` drawn from the audit's seed, the population and the
    number of the draw: neither the model nor the variant has a part in it. A copy is made when it is asked for and
    dropped after.

    A file with 8-bit activations rounds a change of 1e-3 away. Where the audit has such a variant, the default size is
    therefore raised, for all variants alike, to one step of the input's quantization: the range of the calibration
    records, zero included, in 255 steps, as the exporters' quantizers have it. The step is computed and not read from
    the file, because the files keep float32 borders, and dynamic quantization fixes no step in advance.

    Args:
        epsilon: standard deviation of the noise, in the input's unit.
        draws: copies of each record.
        seed: the audit's.
    """

    epsilon: float
    draws: int
    seed: int

    @classmethod
    def of(cls, subject: TrainedSubject) -> Self | None:
        """The noise of an audit; None where no attack asks for any."""
        config = subject.config
        if not config.attack.needs_noise:
            return None
        epsilon = config.attack.samia_epsilon or max(EPSILON, _input_step(subject))
        return cls(epsilon, config.attack.samia_draws, config.seed)

    @staticmethod
    def population_of(model: str) -> str:
        """The population whose noisy copies a model is asked about: the target is scored, shadows are learned from."""
        return POPULATIONS[0] if model == TARGET else POPULATIONS[1]

    @staticmethod
    def name_of(population: str, draw: int) -> str:
        """What the run calls one noisy copy of a population."""
        return f"{population}-noise-{draw:02}"

    def copy_of(self, population: str, records: Records, draw: int) -> Records:
        """One noisy copy of a population's records, float32."""
        rng = np.random.default_rng([self.seed, POPULATIONS.index(population), draw])
        noisy = {name: self._disturbed(values, rng) for name, values in records.inputs.items()}
        return Records(noisy, records.labels, records.ids)

    def _disturbed(self, values: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        unit = rng.standard_normal(values.shape, dtype=np.float32)
        return np.asarray(values, dtype=np.float32) + np.float32(self.epsilon) * unit

    def sensitivity_of(self, run: Run, population: str, key: str) -> FloatArray:
        """How much an artifact's confidences moved under the noise, ``[n, C]``, from the run's answers.

        Raises:
            RunError: answers are missing or damaged.
        """
        noisy = (run.read_answers(self.name_of(population, draw), key) for draw in range(self.draws))
        return sensitivity(run.read_answers(population, key), noisy, epsilon=self.epsilon)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return asdict(self)


def sensitivity(logits: NDArray[np.float32], noisy: Iterable[NDArray[np.float32]], *, epsilon: float) -> FloatArray:
    """The mean over noisy copies of ``|p(x + epsilon u) - p(x)| / epsilon``, one number a class.

    Yuan & Zhang, Membership inference attacks and defenses in neural network pruning, USENIX Security 2022.

    Args:
        logits: answers to the records, ``[n, C]``.
        noisy: answers to each noisy copy, ``[n, C]``; read one at a time.
        epsilon: standard deviation of the noise.

    Returns:
        float64 ``[n, C]``.
    """
    clean = softmax(logits.astype(np.float64), axis=1)
    moved, draws = np.zeros_like(clean), 0
    for answers in noisy:
        moved += np.abs(softmax(answers.astype(np.float64), axis=1) - clean)
        draws += 1
    return np.asarray(moved / (draws * epsilon))


def _input_step(subject: TrainedSubject) -> float:
    """One quantization step of the input where a variant computes in 8 bits, else 0."""
    if not any(compression.parse(variant).numerics in EIGHT_BIT for variant in subject.config.compression.variants):
        return 0.0
    split = subject.split
    # Dynamic quantization needs no calibration records; the population is as good a sample of the input's range.
    ids = split.calibration if len(split.calibration) else split.population
    (values,) = subject.dataset.take(ids).inputs.values()
    return float(max(values.max(), 0.0) - min(values.min(), 0.0)) / STEPS
