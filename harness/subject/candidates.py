"""Candidates of the MIS indicator: which are asked for, what makes them, and how they are loaded for export.

Candidates that a generator makes lie beside the target's weights; number 0 is the target itself, except for the
trajectory, whose last one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import delayed

from harness import compression, training
from harness.compression import candidates
from harness.config import AuditConfig
from harness.errors import ConfigError
from harness.store import Run
from harness.subject import last_layer
from harness.subject.names import ORIGINAL, TARGET

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.subject.trained import TrainedSubject

__all__ = ["calibration", "deployed", "fit", "groups", "keep_trajectory", "load", "tasks"]


def groups(config: AuditConfig) -> list[tuple[compression.Variant, ...]]:
    """The quantizers, those together that are made of the same float weights and can share a conversion.

    Raises:
        ConfigError: one is not known, or has nothing that the generator could change.
    """
    shared: list[compression.Variant] = []
    alone: list[compression.Variant] = []
    flips = config.mis_generator == "flips"
    for name in config.mis.quantizers:
        try:
            quantizer = compression.parse_quantizer(name)
        except ConfigError as error:
            raise ConfigError(f"mis.quantizers: {error.message}", hint=error.hint) from None
        if flips and not candidates.can_flip(name, config.mis.runtime):
            raise ConfigError(
                f'mis.quantizers: {name!r} on {config.mis.runtime} has no codes for mis.generator = "flips" to move',
                hint="give low-bit integers or a grid such as sign or ternary-0.9, or take another generator",
            )
        (alone if flips or quantizer.family != "quantize" else shared).append(quantizer)
    return [group for group in (tuple(shared), *((quantizer,) for quantizer in alone)) if group]


def deployed(config: AuditConfig) -> int:
    """Number of the candidate that ships."""
    return config.mis.candidates - 1 if config.mis_generator == "trajectory" else 0


def tasks(config: AuditConfig, folder: Path) -> list[Any]:
    """Tasks for `each` that make the candidates once the target is trained; the trajectory's come of its training."""
    match config.mis_generator if config.mis.enabled else None:
        case "bootstrap":
            return [delayed(_retrain)(config, folder, number) for number in _generated_numbers(config)]
        case "bootstrap-last":
            return [delayed(_refit)(config, folder)]
        case "perturbation":
            return [delayed(_shift)(config, folder)]
        case "flips":
            return [delayed(_flip)(config, folder, quantizer) for quantizer in config.mis.quantizers]
    return []


def fit(config: AuditConfig, subject: TrainedSubject, model: str, **changes: Any) -> training.Trained:
    """Train a model as the configuration says, from its own seed; `changes` are other arguments of `training.train`."""
    inputs, labels = subject.training_arrays(model)
    recipe = config.training
    settings: dict[str, Any] = {
        "inputs": inputs,
        "labels": labels,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "optimizer": recipe.optimizer,
        "weight_decay": recipe.weight_decay,
        "augment": recipe.augment,
        "seed": subject.seed_of(model),
    }
    return training.train(subject.build(seed=subject.seed_of(model)), **(settings | changes))


def keep_trajectory(run: Run, checkpoints: Iterable[Mapping[str, Tensor]]) -> None:
    """Keep the weights of training's last epochs, oldest first."""
    for number, weights in enumerate(checkpoints):
        training.save_weights(_path(run, number), weights)


def load(run: Run, subject: TrainedSubject, quantizer: str, number: int) -> nn.Module:
    """One candidate of a quantizer, ready for the exporter, which does the work of the number formats.

    Raises:
        ArtifactError: its weights are missing or damaged.
    """
    config, shape = subject.config, subject.dataset.in_shape
    if config.mis_generator == "flips" and number in _generated_numbers(config):
        model, _ = compression.fuse(subject.build(seed=0), sample_shape=shape)
        model.load_state_dict(training.load_weights(_path(run, number, quantizer)))
        return model.eval()
    if number == deployed(config) or config.mis_generator == "calibration":
        model = subject.load_model(run, TARGET, ORIGINAL)
    else:
        model = subject.build(seed=0)
        model.load_state_dict(training.load_weights(_path(run, number)))
    return compression.quantize(model, quantizer, sample_shape=shape).model


def calibration(config: AuditConfig, records: training.Inputs, number: int) -> training.Inputs:
    """What a candidate's static activation scales are calibrated with: all records, or a random half of them."""
    if config.mis_generator != "calibration" or number == deployed(config):
        return records
    return records[candidates.random_half(len(records), seed=config.seed, number=number)]


def _generated_numbers(config: AuditConfig) -> range:
    """Numbers of the candidates that a generator makes."""
    return range(1, config.mis.candidates)


def _path(run: Run, number: int, quantizer: str = "") -> Path:
    return run.path("models", TARGET, "candidates", quantizer, f"{number:03}.safetensors")


def _retrain(config: AuditConfig, folder: Path, number: int) -> None:
    """The whole network again, from the same weights, on a bootstrap sample."""
    run = Run(folder, config)
    path = _path(run, number)
    if path.exists():
        return
    subject = _subject(config, run)
    inputs, labels = subject.training_arrays(TARGET)
    rows = candidates.bootstrap_rows(len(labels), seed=config.seed, number=number)
    trained = fit(config, subject, TARGET, inputs=inputs[rows], labels=labels[rows])
    training.save_weights(path, trained.state_dict)


def _shift(config: AuditConfig, folder: Path) -> None:
    """Candidates around the target, which every quantizer shares."""
    run = Run(folder, config)
    paths = [_path(run, number) for number in _generated_numbers(config)]
    if all(path.exists() for path in paths):
        return
    subject = _subject(config, run)
    target = subject.load_model(run, TARGET, ORIGINAL)
    inputs, labels = subject.training_arrays(TARGET)
    generated = candidates.perturb(target, inputs, labels, count=len(paths), seed=config.seed)
    for path, weights in zip(paths, generated, strict=True):
        training.save_weights(path, weights)


def _refit(config: AuditConfig, folder: Path) -> None:
    """Candidates that differ from the target in the last layer, which is kept apart, too."""
    run = Run(folder, config)
    paths = [_path(run, number) for number in _generated_numbers(config)]
    if all(path.exists() for path in (*paths, last_layer.kept(run))):
        return
    subject = _subject(config, run)
    inputs, labels = subject.training_arrays(TARGET)
    layer = candidates.last_layer(subject.load_model(run, TARGET, ORIGINAL), inputs)
    refits = list(layer.refits(labels, count=len(paths), seed=config.seed))
    for path, weights in zip(paths, refits, strict=True):
        training.save_weights(path, weights)
    last_layer.keep(run, layer, refits)


def _flip(config: AuditConfig, folder: Path, quantizer: str) -> None:
    """A quantizer's own candidates: its codes with one of them moved."""
    run = Run(folder, config)
    paths = [_path(run, number, quantizer) for number in _generated_numbers(config)]
    if all(path.exists() for path in paths):
        return
    subject = _subject(config, run)
    generated = candidates.flips(
        subject.load_model(run, TARGET, ORIGINAL),
        quantizer,
        *subject.training_arrays(TARGET),
        runtime=config.mis.runtime,
        sample_shape=subject.dataset.in_shape,
        count=len(paths),
        seed=config.seed,
    )
    for path, weights in zip(paths, generated, strict=True):
        training.save_weights(path, weights)


def _subject(config: AuditConfig, run: Run) -> TrainedSubject:
    # Imported here, in the task's process: the subject lists the candidates' files, so it imports this module.
    from harness.subject.trained import TrainedSubject

    return TrainedSubject.load(config, run)
