"""What an audit is made of: records and who is a member of what, models and where their weights lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness import compression, models, training
from harness.config import AuditConfig
from harness.data import datasets
from harness.errors import ConfigError, RunError
from harness.store import Run
from harness.subject.tokens import keep_tokenizer, pretrained_tokenizer, tokenizer_of
from harness.types import IntArray, Records

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CONTROL", "ORIGINAL", "TARGET", "TrainedSubject", "inputs_of", "weights_of"]

TARGET = "target"
# The uncompressed variant, which every other is made from and measured against.
ORIGINAL = "original"
# The uncompressed copy with the same extra training: what it leaks is not compression's doing.
CONTROL = "finetuned"


@dataclass(frozen=True, eq=False)
class _Text:
    """A tokenizer and the texts that it belongs to: the target's training records."""

    tokenizer: datasets.Tokenizer
    training: list[str]


@dataclass(frozen=True, eq=False)
class TrainedSubject:
    """A configuration's data set with its split, and the populations that models are asked about.

    Args:
        config: the audit.
        dataset: all records, preprocessed once.
        split: who is a member of what.
        text: how token ids were made of texts; None for other data.
        warnings: what a reader should know about the data, one sentence each.
    """

    config: AuditConfig
    dataset: datasets.Dataset
    split: datasets.Split
    text: _Text | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, config: AuditConfig, run: Run | None = None) -> TrainedSubject:
        """Read the data set, draw the split, and only then make token ids of texts and pixels of image files.

        Args:
            config: the audit.
            run: its folder, where there is one yet: texts are then read with the tokenizer that is kept there.

        Raises:
            ConfigError: the data set is not known or has too few records, or an option is not for such records.
            InputError: a file of it is missing or malformed.
            RunError: the run's tokenizer is damaged, or belongs to other texts.
        """
        data = config.data
        source = datasets.load(data.name, data_dir=Path(data.data_dir) if data.data_dir else None, label=data.label)
        split = datasets.split(
            source,
            members=data.members,
            nonmembers=data.nonmembers,
            shadows=config.training.shadows,
            population=data.population,
            calibration=data.calibration,
            shadow_pool=data.shadow_pool,
            seed=config.seed,
            null=config.null,
        )
        warnings = datasets.source_warnings(source, split)
        if isinstance(source, datasets.TextDataset):
            texts = source.texts(split.training)
            tokenizer = tokenizer_of(config, texts, run)
            warnings += _foreign_tokens(config)
            made = cls(config, source.tokenized(tokenizer, split.everyone()), split, _Text(tokenizer, texts), warnings)
        elif isinstance(source, datasets.ImageFiles):
            made = cls(config, source.decoded(split.everyone()), split, None, warnings)
        else:
            made = cls(config, source, split, None, warnings)
        made._check_options()
        return made

    def keep(self, run: Run) -> None:
        """Write down what the run is made of: who is a member of what, and the tokenizer of texts."""
        run.write_json("split.json", self.split.to_json())
        if self.text is not None:
            keep_tokenizer(run, self.text.tokenizer, self.text.training)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: the target first, then the shadows."""
        return (TARGET, *(f"shadow-{k}" for k in range(len(self.split.shadows))))

    def training_records(self, model: str) -> Records:
        """What a model is trained and fine-tuned on."""
        ids = self.split.training if model == TARGET else self._shadow(model).training
        return self.dataset.take(ids)

    def training_arrays(self, model: str) -> tuple[training.Inputs, IntArray]:
        """The same records as torch takes them: inputs `[n, ...]` and labels `[n]`."""
        records = self.training_records(model)
        return inputs_of(records), records.labels

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
        model, dataset = self.config.model, self.dataset
        return models.build(
            model.name,
            n_classes=dataset.n_classes,
            in_shape=dataset.in_shape,
            width=model.width,
            seed=seed,
            vocabulary=dataset.vocabulary,
            layers=model.layers,
            heads=model.heads,
            pretrained=model.pretrained,
            shift=self.text.tokenizer.shift if self.text is not None else 0,
            folder=model.folder,
        )

    def check_model(self) -> None:
        """Raise unless the architecture is known and takes such records.

        Raises:
            ConfigError: it does not, or what the user brought, a factory or a folder of weights, is not usable.
        """
        model, dataset = self.config.model, self.dataset
        models.check(
            model.name,
            n_classes=dataset.n_classes,
            in_shape=dataset.in_shape,
            width=model.width,
            vocabulary=dataset.vocabulary,
            heads=model.heads,
        )
        if model.pretrained is not None or model.name not in models.names():
            self.build(seed=0)  # only trying tells

    def load_model(self, run: Run, model: str, variant: str) -> nn.Module:
        """A model's variant with its trained weights, in evaluation mode.

        Raises:
            ArtifactError: the weights are missing or damaged.
            RunError: they are another network's.
        """
        network = compression.architecture(self.build(seed=0), variant, sample_shape=self.dataset.in_shape)
        path = run.path("models", model, f"{weights_of(variant)}.safetensors")
        try:
            network.load_state_dict(training.load_weights(path))
        except RuntimeError as error:
            # Only the user's own factory can change under a run.
            first = str(error).splitlines()[0]
            raise RunError(
                f"{path}: the weights are not of the network that model.name builds now: {first}",
                hint="put the factory back, or start over with --fresh",
            ) from None
        return network.eval()

    def seed_of(self, model: str) -> int:
        """A seed of its own for each model."""
        return self.config.seed * len(self.models) + self.models.index(model)

    def _check_options(self) -> None:
        kind = self.dataset.kind
        if self.config.training.augment and kind != "image":
            raise ConfigError(
                f"training.augment: flips and shifts are for images; data set {self.dataset.name} holds {kind} records",
                hint="leave it out",
            )
        if self.config.attack.needs_noise and kind == "text":
            raise ConfigError(
                f"attack.names: samia adds noise to the input, and the token ids of data set {self.dataset.name} take "
                "none",
                hint="leave samia out",
            )

    def _shadow(self, model: str) -> datasets.ShadowSplit:
        return self.split.shadows[int(model.removeprefix("shadow-"))]


def _foreign_tokens(config: AuditConfig) -> tuple[str, ...]:
    if config.model.pretrained is None or pretrained_tokenizer(config) is not None:
        return ()
    return (
        f"model.pretrained: {config.model.pretrained} has no tokenizer.json, so the network meets other tokens than "
        "those it was pretrained on; save its tokenizer there",
    )


def inputs_of(records: Records) -> training.Inputs:
    """The one input of records as models take it: float32 `[n, ...]`, or token ids in int64."""
    (inputs,) = records.inputs.values()
    if np.issubdtype(inputs.dtype, np.floating):
        return np.asarray(inputs, dtype=np.float32)
    return np.asarray(inputs, dtype=np.int64)


def weights_of(variant: str) -> str:
    """The variant whose float weights this one is made from: quantization starts from the original's."""
    return compression.parse(variant).weights
