"""Trains the networks of a setting, exports every variant, and keeps what the runtime answers: one file a network."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from harness import export, models, training
from harness.data.npz import Archive
from harness.errors import EdgeleakError, RunError
from harness.files import write
from harness.silence import silence
from harness.types import Array, FloatArray, IntArray
from studies.bits_for_privacy.records import StudyRecords, membership, read
from studies.bits_for_privacy.settings import SEED, Setting
from studies.bits_for_privacy.variants import FLOAT, Variant

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Answers", "conduct", "file_of", "load", "scaled"]

RUNTIME = "litert"
# Records of one call; fewer than the files declare.
BATCH = 200
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Answers:
    """What one variant's files answer, for all networks.

    Args:
        margins: logit-scaled confidence of the true class, float64 ``[networks, pool]``: all that LiRA reads.
        right: whether the true class is on top, bool ``[networks, pool + population]``.
    """

    margins: FloatArray
    right: NDArray[np.bool_]


def file_of(folder: Path, number: int) -> Path:
    """Where a network's answers are."""
    return folder / f"network-{number:03d}.npz"


def conduct(
    setting: Setting, place: Path, folder: Path, *, jobs: int = 1, progress: Progress | None = None
) -> StudyRecords:
    """Train, export and ask the networks that have no file yet, ``jobs`` at a time.

    Args:
        setting: what is trained.
        place: the data set's files.
        folder: where the answers go.
        jobs: processes at a time.
        progress: called with (label, done, total).

    Returns:
        The records that were asked about.

    Raises:
        InputError: the data set cannot be read, or training diverged.
        ArtifactError: a network cannot be converted.
        StorageError: a file cannot be written.
    """
    records = read(setting, place)
    missing = [number for number in range(setting.networks) if not file_of(folder, number).exists()]
    done = setting.networks - len(missing)

    def say(count: int) -> None:
        if progress is not None:
            progress(f"{setting.name}: networks", done + count, setting.networks)

    say(0)
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
        joblib.delayed(_one)(setting, records, folder, number) for number in missing
    )
    for count, _ in enumerate(work, start=1):
        say(count)
    return records


def load(setting: Setting, folder: Path, variant: str) -> Answers:
    """A variant's answers of all networks.

    Raises:
        RunError: a network is missing, or was made in another setting.
        InputError: a file is damaged.
    """
    margins, right = [], []
    for number in range(setting.networks):
        path = file_of(folder, number)
        if not path.exists():
            raise RunError(f"{path}: network {number} is missing", hint="give the same command again")
        with Archive.open(path) as archive:
            made = json.loads(archive.array("about").tobytes())["training"]
            if made != setting.training:
                different = next(key for key in setting.training if made.get(key) != setting.training[key])
                raise RunError(
                    f"{path}: made with another {different} than {setting.name} has now",
                    hint="give another folder with --run, or delete this one",
                )
            margins.append(archive.array(f"margins/{variant}").astype(np.float64)[: setting.pool])
            right.append(archive.array(f"right/{variant}").astype(np.bool_))
    return Answers(np.stack(margins), np.stack(right))


def scaled(logits: Array, labels: IntArray) -> FloatArray:
    """Logit-scaled confidence of the true class, ``log p_y - log(1 - p_y)``, float64 ``[n]``.

    It is computed from the logits without a softmax, so that what a softmax would round to 1 stays apart, and equal
    logits give equal numbers: an integer kernel's ties remain ties.

    Args:
        logits: ``[n, classes]``.
        labels: ``[n]``.
    """
    values = logits.astype(np.float64)
    rows = np.arange(len(values))
    own = values[rows, labels]
    values[rows, labels] = -np.inf
    return np.asarray(own - logsumexp(values, axis=1))


def _one(setting: Setting, records: StudyRecords, folder: Path, number: int) -> int:
    import torch

    torch.set_num_threads(1)  # threads in small layers wait for each other
    arrays = _network(setting, records, number, cache=folder / "conversions")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write(file_of(folder, number), buffer.getvalue(), parents=True)
    return number


def _network(setting: Setting, records: StudyRecords, number: int, *, cache: Path) -> dict[str, Any]:
    """Train one network, export its variants and ask them.

    Returns:
        ``margins/VARIANT`` float64 and ``right/VARIANT`` uint8, both ``[pool + population]``, and ``about``.
    """
    begun = time.monotonic()
    models_of = _trained(setting, records, number)
    arrays: dict[str, Array] = {}
    labels = records.labels[: setting.asked]
    with tempfile.TemporaryDirectory(prefix="edgeleak-study-") as place:
        # Float networks first: two of them prove the converter's template, which the grids then fill in milliseconds.
        for variant in sorted(setting.variants, key=lambda one: one.weights != FLOAT or one.numerics != FLOAT):
            path = Path(place) / f"{len(arrays)}.model"
            logits = _answers(setting, records, variant, models_of[variant.epoch], path=path, cache=cache)
            arrays[f"margins/{variant.name}"] = scaled(logits, labels)
            arrays[f"right/{variant.name}"] = (logits.argmax(axis=1) == labels).astype(np.uint8)
    about = {"training": setting.training, "network": number, "seconds": round(time.monotonic() - begun, 1)}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    return arrays


def _trained(setting: Setting, records: StudyRecords, number: int) -> Mapping[int, nn.Module]:
    """The trained network at 0, and as it was after each epoch that is exported, too."""

    def network() -> nn.Module:
        return models.build(
            setting.model,
            n_classes=records.n_classes,
            in_shape=records.inputs.shape[1:],
            width=setting.width,
            seed=seed,
        )

    seed = int(np.random.SeedSequence([SEED, number]).generate_state(1)[0])
    rows = np.flatnonzero(membership(setting, number))
    trained = network()
    made = training.train(
        trained,
        records.inputs[rows],
        records.labels[rows],
        epochs=setting.epochs,
        batch_size=setting.batch_size,
        learning_rate=setting.learning_rate,
        seed=seed,
        checkpoints=setting.epochs,
    )
    epochs = {0: trained.eval()}
    for epoch in setting.stops:
        epochs[epoch] = network().eval()
        epochs[epoch].load_state_dict(made.checkpoints[epoch - 1])
    return epochs


def _answers(
    setting: Setting, records: StudyRecords, variant: Variant, model: nn.Module, *, path: Path, cache: Path
) -> NDArray[np.float32]:
    """What the runtime answers for a variant's exported file, ``[pool + population, classes]``."""
    shape = records.inputs.shape[1:]
    export.export(
        variant.made_of(model, sample_shape=shape),
        runtime=RUNTIME,
        numerics=variant.numerics,
        sample_shape=shape,
        path=path,
        calibration=records.inputs[setting.asked :],
        variant="original" if variant.name == FLOAT else variant.name,
        cache=cache,
    )
    return np.concatenate(list(_asked(path, records.inputs[: setting.asked])))


def _asked(path: Path, inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The answers of one file, batch by batch, from the runtime that the agent loads on a device."""
    from device_agent import runtimes
    from device_agent.errors import AgentError

    try:
        with silence():  # the runtime says on standard error which kernels it took
            model = runtimes.library(RUNTIME).load(path, threads=1)
        for start in range(0, len(inputs), BATCH):
            (logits, *_), _ = model.run([inputs[start : start + BATCH]])
            yield logits.astype(np.float32)
    except AgentError as error:
        raise EdgeleakError(f"{RUNTIME}: {error}", hint="run `edgeleak doctor`") from None
