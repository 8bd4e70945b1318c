"""Sections of an audit that trains its models: data, network, training, compression, files, indicator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from harness.config._section import Count, Runtime, Section

__all__ = ["CompressionConfig", "DataConfig", "ExportConfig", "Generator", "MisConfig", "ModelConfig", "TrainingConfig"]

Optimizer = Literal["adam", "sgd"]
Generator = Literal["auto", "bootstrap-last", "trajectory", "bootstrap", "perturbation", "flips", "calibration"]


class DataConfig(Section):
    """Which data set, and how many records play which role.

    `data_dir` is the folder of its files, or the file where it is one. `label` names the column of classes in a table
    of the user's own. `vocabulary` and `sequence` are of text: how many tokens there are, and how many a record has.
    """

    name: str = "digits"
    data_dir: str | None = None
    label: str | None = None
    vocabulary: Annotated[int, Field(ge=32)] = 4000
    sequence: Annotated[int, Field(ge=4)] = 64
    members: Count = 400
    nonmembers: Count = 400
    population: Count = 200
    calibration: Annotated[int, Field(ge=0)] = 64
    shadow_pool: Annotated[int, Field(ge=2)] | None = None


class ModelConfig(Section):
    """The architecture; target and shadows share it.

    `name` may be the user's own `package.module:factory`, imported from PYTHONPATH or from `folder`, the file's own
    unless given. `layers` and `heads` are of networks for text. `pretrained` is a folder whose weights such a network
    starts from, instead of `width`, `layers` and `heads`; a tokenizer.json in it then replaces `data.vocabulary`.
    """

    name: str = "cnn"
    width: Count = 32
    layers: Count = 2
    heads: Count = 2
    pretrained: str | None = None
    folder: str | None = None


class TrainingConfig(Section):
    """How target and shadow models are trained: fixed epochs, nothing is selected on audited records.

    Fine-tuning uses the same optimizer, without weight decay or augmentation. Without shadows attacks are cross-fitted
    over known members.
    """

    epochs: Count = 25
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    optimizer: Optimizer = "adam"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    augment: bool = False
    shadows: Annotated[int, Field(ge=0)] = 2


class CompressionConfig(Section):
    """Which variants are made of every model, and how they are fine-tuned."""

    variants: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "original",
        "finetuned",
        "prune-0.6",
        "prune-0.9",
        "cluster-16",
        "int8",
        "fp16",
    )
    finetune_epochs: Count = 20
    finetune_learning_rate: Annotated[float, Field(gt=0)] = 2e-3

    @field_validator("variants")
    @classmethod
    def _has_original(cls, variants: tuple[str, ...]) -> tuple[str, ...]:
        if "original" not in variants:
            raise ValueError("must contain 'original': every change is measured against it")
        if len(set(variants)) != len(variants):
            raise ValueError("names a variant twice")
        return variants


class ExportConfig(Section):
    """Which runtimes every variant is exported for."""

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1)] = ("litert", "executorch")


class MisConfig(Section):
    """The MIS indicator: as many candidates for every quantizer, from the same seeds, run on the device.

    `generator` says where candidates come from: other samples of the training records (`bootstrap`, or `bootstrap-last`
    for the last layer alone), the last epochs of training (`trajectory`), noise on the weights (`perturbation`), codes
    of the quantizer moved (`flips`), or other records to calibrate with (`calibration`). `auto` is `bootstrap-last` for
    a network of this package, and `trajectory` for a factory of the user's own. `bootstrap-last` predicts the leakage
    from how much of each weight of the last layer the exported file gives away; it needs 6 candidates or more. The
    others predict it from the candidates' losses on the device.
    """

    enabled: bool = True
    quantizers: Annotated[tuple[str, ...], Field(min_length=1)] = ("fp32", "fp16", "int8", "int4")
    generator: Generator = "auto"
    candidates: Annotated[int, Field(ge=2)] = 12
    runtime: Runtime = "litert"

    @field_validator("quantizers")
    @classmethod
    def _are_distinct(cls, quantizers: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(quantizers)) != len(quantizers):
            raise ValueError("names a quantizer twice")
        return quantizers
