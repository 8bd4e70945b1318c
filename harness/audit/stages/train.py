"""Stage `train`: data -> target and shadow models -> their compressed weights, and the indicator's candidates."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import delayed

from harness import compression, files, training
from harness.audit import engine
from harness.audit.epochs import counting, watched
from harness.config import AuditConfig
from harness.store import Run
from harness.subject import AUDIT, ORIGINAL, TARGET, candidates
from harness.subject.trained import TrainedSubject, inputs_of, reference_path, weights_of

if TYPE_CHECKING:
    from harness.audit.context import Context

__all__ = ["train"]


def train(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Train every model, then make every variant's and candidate's weights; what is there already is kept.

    Each is a task in a process of its own, with one thread, so that the weights do not depend on how many run at once.

    Returns:
        How many models there are.
    """
    subject = TrainedSubject.load(config, run)
    subject.keep(run)
    recipes = [w for w in dict.fromkeys(map(weights_of, config.compression.variants)) if w != ORIGINAL]
    originals = [delayed(_original)(config, run.folder, model) for model in subject.models]
    variants = [delayed(_variant)(config, run.folder, m, w) for m in subject.models for w in recipes]
    compressed = [*candidates.tasks(config, run.folder), *variants]
    files_of = {_weights(run, model): _epochs(run, model) for model in subject.models}
    with watched(files_of, config.training.epochs, partial(context.progress, "train epochs")):
        for _ in engine.run(originals, jobs=config.jobs):
            pass
    context.progress("train variants", 0, len(compressed))
    for done in engine.run(compressed, jobs=config.jobs):
        context.progress("train variants", done, len(compressed))
    run.write_json("data.json", subject.summary())
    return {"models": len(subject.models)}


def _original(config: AuditConfig, folder: Path, model: str) -> None:
    """Train one model, and keep its last checkpoints where the indicator wants them."""
    run = Run(folder, config)
    subject = TrainedSubject.load(config, run)
    path = _weights(run, model)
    if not path.exists():
        wanted = model == TARGET and config.mis.enabled and config.mis_generator == "trajectory"
        trained = candidates.fit(
            config,
            subject,
            model,
            checkpoints=config.mis.candidates if wanted else 0,
            progress=counting(_epochs(run, model)),
        )
        candidates.keep_trajectory(run, trained.checkpoints)
        training.save_weights(path, trained.state_dict)  # last: its presence says that the candidates are there too
    if model == TARGET:
        _keep_answers(run, subject, ORIGINAL)


def _weights(run: Run, model: str) -> Path:
    return run.path("models", model, f"{ORIGINAL}.safetensors")


def _epochs(run: Run, model: str) -> Path:
    """Where the process that trains a model counts its epochs."""
    return run.path("cache", "epochs", model)


def _variant(config: AuditConfig, folder: Path, model: str, variant: str) -> None:
    """Compress a trained model into one variant that has weights of its own."""
    run = Run(folder, config)
    subject = TrainedSubject.load(config, run)
    path = run.path("models", model, f"{variant}.safetensors")
    if not path.exists():
        inputs, labels = subject.training_arrays(model)
        compressed = compression.compress(
            subject.load_model(run, model, ORIGINAL),
            variant,
            inputs=inputs,
            labels=labels,
            finetune_epochs=config.compression.finetune_epochs,
            finetune_learning_rate=config.compression.finetune_learning_rate,
            batch_size=config.training.batch_size,
            optimizer=config.training.optimizer,
            seed=subject.seed_of(model),
        )
        training.save_weights(path, compressed.model.state_dict())
    if model == TARGET:
        _keep_answers(run, subject, variant)


def _keep_answers(run: Run, subject: TrainedSubject, variant: str) -> None:
    path = reference_path(run, variant)
    if path.exists():
        return
    answers = training.predict(subject.load_model(run, TARGET, variant), inputs_of(subject.population(AUDIT)))
    content = io.BytesIO()
    np.save(content, answers, allow_pickle=False)
    files.write(path, content.getvalue())
