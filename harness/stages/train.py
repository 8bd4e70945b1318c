"""Stage `train`: data -> target and shadow models -> their compressed weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import delayed

from harness import compression, training
from harness.config import AuditConfig
from harness.run import Run
from harness.stages.material import TARGET, Material, weights_of
from harness.stages.parallel import each

if TYPE_CHECKING:
    from torch import nn

    from harness.stages.tools import Tools

__all__ = ["candidate_path", "reference_path", "train"]


def train(config: AuditConfig, run: Run, tools: Tools) -> dict[str, object]:
    """Train every model and make every variant's weights; what is there already is kept.

    Models are independent tasks in processes of their own, one thread each, so that the weights do not depend on how
    many run at once.

    Returns:
        The split's roles with their sizes.
    """
    material = Material.load(config)
    run.write_json("split.json", material.split.to_json())
    tasks = [delayed(_make)(config, run.folder, model) for model in material.models]
    tools.progress("train", 0, len(tasks))
    for done in each(tasks, jobs=config.jobs):
        tools.progress("train", done, len(tasks))
    split = material.split
    return {
        "name": config.data.name,
        "members": len(split.members),
        "nonmembers": len(split.nonmembers),
        "training": len(split.training),
        "population": len(split.population),
        "calibration": len(split.calibration),
        "shadows": len(split.shadows),
        "shadow_members": len(split.shadows[0].members) if split.shadows else 0,
        "duplicates_removed": split.duplicates_removed,
    }


def candidate_path(run: Run, number: int) -> Path:
    """Weights of one candidate of the MIS indicator."""
    return run.path("models", TARGET, "candidates", f"{number:03}.safetensors")


def reference_path(run: Run, variant: str) -> Path:
    """Torch's own answers to the audited records, for parity, float32 `[n, C]`."""
    return run.path("models", TARGET, f"{weights_of(variant)}.answers.npy")


def _make(config: AuditConfig, folder: Path, model: str) -> None:
    """One model's weights: the original, its checkpoints, and each variant that has weights of its own."""
    run, material = Run(folder, config), Material.load(config)
    original = _original(run, material, model)
    records = material.training_records(model)
    (inputs,) = records.inputs.values()
    for variant in dict.fromkeys(weights_of(v) for v in config.compression.variants):
        path = run.path("models", model, f"{variant}.safetensors")
        if not path.exists():
            made = compression.compress(
                original,
                variant,
                inputs=np.asarray(inputs, dtype=np.float32),
                labels=records.labels,
                finetune_epochs=config.compression.finetune_epochs,
                finetune_learning_rate=config.compression.finetune_learning_rate,
                batch_size=config.training.batch_size,
                seed=material.seed_of(model),
            )
            training.save_weights(path, made.model.state_dict())
        if model == TARGET:
            _keep_answers(run, material, variant)


def _original(run: Run, material: Material, model: str) -> nn.Module:
    """The uncompressed model, trained now or read."""
    config, path = material.config, run.path("models", model, "original.safetensors")
    if path.exists():
        return material.load_model(run, model, "original")
    network = material.build(seed=material.seed_of(model))
    records = material.training_records(model)
    (inputs,) = records.inputs.values()
    made = training.train(
        network,
        np.asarray(inputs, dtype=np.float32),
        records.labels,
        epochs=config.training.epochs,
        batch_size=config.training.batch_size,
        learning_rate=config.training.learning_rate,
        seed=material.seed_of(model),
        checkpoints=config.mis.candidates if model == TARGET and config.mis.enabled else 0,
    )
    for number, weights in enumerate(made.checkpoints):
        training.save_weights(candidate_path(run, number), weights)
    training.save_weights(path, made.state_dict)  # last: its presence says that the candidates are there too
    return network


def _keep_answers(run: Run, material: Material, variant: str) -> None:
    path = reference_path(run, variant)
    if path.exists():
        return
    (inputs,) = material.population("audit").inputs.values()
    answers = training.predict(material.load_model(run, TARGET, variant), np.asarray(inputs, dtype=np.float32))
    draft = path.with_suffix(".part")
    with draft.open("wb") as stream:
        np.save(stream, answers, allow_pickle=False)
    draft.replace(path)
