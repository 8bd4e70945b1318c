"""What an audit is made of: records and who is a member of what, models and where their weights lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness import compression, datasets, models, training
from harness.config import AuditConfig
from harness.errors import ConfigError
from harness.run import Run
from harness.types import IntArray, Records

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CONTROL", "ORIGINAL", "TARGET", "Material", "weights_of"]

TARGET = "target"
# The uncompressed variant, which every other is made from and measured against.
ORIGINAL = "original"
# The uncompressed copy with the same extra training: what it leaks is not compression's doing.
CONTROL = "finetuned"


@dataclass(frozen=True, eq=False)
class Material:
    """A configuration's data set with its split, and the populations that models are asked about.

    Args:
        config: the audit.
        dataset: all records, preprocessed once.
        split: who is a member of what.
    """

    config: AuditConfig
    dataset: datasets.Dataset
    split: datasets.Split

    @classmethod
    def load(cls, config: AuditConfig) -> Material:
        """Read the data set and draw the split.

        Raises:
            ConfigError: the data set is not known or has too few records.
            InputError: a file of it is missing or malformed.
        """
        data = config.data
        dataset = datasets.load(data.name, data_dir=Path(data.data_dir) if data.data_dir else None)
        split = datasets.split(
            dataset,
            members=data.members,
            nonmembers=data.nonmembers,
            shadows=config.training.shadows,
            population=data.population,
            calibration=data.calibration,
            shadow_pool=data.shadow_pool,
            seed=config.seed,
            null=config.null,
        )
        return cls(config, dataset, split)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: the target first, then the shadows."""
        return (TARGET, *(f"shadow-{k}" for k in range(len(self.split.shadows))))

    def training_records(self, model: str) -> Records:
        """What a model is trained and fine-tuned on."""
        ids = self.split.training if model == TARGET else self._shadow(model).training
        return self.dataset.take(ids)

    def populations(self, model: str) -> tuple[str, ...]:
        """Which populations a model is asked about."""
        return ("audit", "population") if model == TARGET else ("audit", "population", "shadow")

    def population(self, name: str) -> Records:
        """The records of a population, by id: members and non-members mixed, so no batch holds one kind only.

        `audit`: the target's members and non-members. `shadow`: the shadows' pool. `population`: in nobody's training
        set. `mis`: what the MIS indicator is evaluated on, neither trained on nor calibrated with.
        """
        split = self.split
        roles: dict[str, Iterable[IntArray]] = {
            "audit": (split.members, split.nonmembers),
            "shadow": (pool for shadow in split.shadows for pool in (shadow.members, shadow.nonmembers)),
            "population": (split.population,),
            "mis": (split.nonmembers, split.population),
        }
        return self.dataset.take(np.unique(np.concatenate(list(roles[name]))))

    def membership(self, model: str, ids: IntArray) -> IntArray:
        """1 where the pool calls a record the model's member, 0 elsewhere, `[n]`."""
        members = self.split.members if model == TARGET else self._shadow(model).members
        return np.isin(ids, members).astype(np.int64)

    def build(self, *, seed: int) -> nn.Module:
        """The architecture, freshly initialised."""
        model = self.config.model
        shape, classes = self.dataset.in_shape, self.dataset.n_classes
        return models.build(model.name, n_classes=classes, in_shape=shape, width=model.width, seed=seed)

    def check_model(self) -> None:
        """Raise unless the architecture is known.

        Raises:
            ConfigError: it is not; the message lists what is.
        """
        if self.config.model.name not in models.names():
            raise ConfigError(
                f"model.name: {self.config.model.name!r} is not known", hint=f"one of: {', '.join(models.names())}"
            )

    def load_model(self, run: Run, model: str, variant: str) -> nn.Module:
        """A model's variant with its trained weights, in evaluation mode."""
        network = compression.architecture(self.build(seed=0), variant, sample_shape=self.dataset.in_shape)
        network.load_state_dict(training.load_weights(run.path("models", model, f"{weights_of(variant)}.safetensors")))
        return network.eval()

    def seed_of(self, model: str) -> int:
        """A seed of its own for each model."""
        return self.config.seed * len(self.models) + self.models.index(model)

    def _shadow(self, model: str) -> datasets.ShadowSplit:
        return self.split.shadows[int(model.removeprefix("shadow-"))]


def weights_of(variant: str) -> str:
    """The variant whose float weights this one is made from: quantization starts from the original's."""
    return ORIGINAL if compression.parse(variant).family == "quantize" else variant
