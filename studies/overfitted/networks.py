"""Trains the networks of a setting, makes their variants and writes their answers: one file a network, resumable."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from harness import models
from harness.errors import InputError
from harness.files import write
from harness.types import Array
from studies.overfitted.records import StudyRecords, membership, read
from studies.overfitted.settings import ORIGINAL, RETRAINED, SEED, Setting

if TYPE_CHECKING:
    import torch
    from torch import nn

    from studies.overfitted.fitting import Table

__all__ = ["conduct", "file_of", "network"]

# Weights and orders of a network's two trainings; variants take its first.
FIRST, SECOND = 0, 1
# Share of the loss of guessing that a network has to stay under to count as fine-tuned.
USEFUL = 0.9
Progress = Callable[[str, int, int], None]


def file_of(folder: Path, number: int) -> Path:
    """Where a network's answers are."""
    return folder / f"network-{number:02d}.npz"


def conduct(
    setting: Setting,
    data: Path,
    folder: Path,
    *,
    numbers: Sequence[int],
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Train the networks that have no file yet, ``jobs`` at a time.

    Args:
        setting: what is trained.
        data: the data set's folder.
        folder: where the answers go.
        numbers: of the networks, from 0.
        jobs: processes at a time; several of them share a GPU well.
        progress: called with (label, done, total).

    Raises:
        InputError: the data set cannot be read, or training diverged.
        StorageError: a file cannot be written.
    """
    missing = [number for number in numbers if not file_of(folder, number).exists()]
    done = len(numbers) - len(missing)
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
        joblib.delayed(_one)(setting, data, folder, number, _threads(jobs)) for number in missing
    )
    for count, number in enumerate(work, start=1):
        if progress is not None:
            progress(f"network {number}", done + count, len(numbers))


def _threads(jobs: int) -> int:
    """Threads of each process: a share of all beside a GPU, else one: threads in a small layer wait for each other."""
    import torch

    return max(1, (os.cpu_count() or 1) // jobs) if torch.cuda.is_available() else 1


def _one(setting: Setting, data: Path, folder: Path, number: int, threads: int) -> int:
    import torch

    torch.set_num_threads(threads)
    arrays = network(setting, read(setting, data), number)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write(file_of(folder, number), buffer.getvalue(), parents=True)
    return number


def network(setting: Setting, records: StudyRecords, number: int) -> dict[str, Any]:
    """Train one network and ask all its variants.

    Returns:
        ``logits/VARIANT`` float32 ``[pool + population, classes]``, ``membership`` ``[pool]``, and ``about``: the JSON
        of the setting, of the device and of the losses and seconds.
    """
    import torch

    from studies.overfitted.fitting import Table, answers, best_device

    device = best_device()
    member = membership(setting, number)
    inputs = torch.from_numpy(records.inputs)
    rows = torch.from_numpy(np.flatnonzero(member))
    table = Table(inputs[rows].to(device), torch.from_numpy(records.labels)[rows].to(device))
    asked, calibration = inputs[: records.asked].to(device), inputs[records.asked :]
    begun = time.monotonic()
    arrays: dict[str, Array] = {}
    losses: dict[str, float] = {}
    with _full_precision():
        for variant, model in _variants(setting, records, table, calibration, number, losses):
            arrays[f"logits/{variant}"] = answers(model, asked)
    about = {
        "setting": setting.to_json(),
        "network": number,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "torch": torch.__version__,
        "seconds": round(time.monotonic() - begun, 1),
        "losses": losses,
    }
    arrays["membership"] = member.astype(np.uint8)
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    return arrays


def _variants(
    setting: Setting,
    records: StudyRecords,
    table: Table,
    calibration: torch.Tensor,
    number: int,
    losses: dict[str, float],
) -> Iterator[tuple[str, nn.Module]]:
    """The variants one after the other; ``losses`` takes the last epoch's of each training."""
    from studies.overfitted.fitting import fit
    from studies.overfitted.variants import make

    def trained(variant: str, which: int) -> nn.Module:
        seed = int(np.random.SeedSequence([SEED, number, which]).generate_state(1)[0])
        model = models.build(
            setting.model,
            n_classes=records.n_classes,
            in_shape=records.inputs.shape[1:],
            width=setting.width,
            seed=seed,
        )
        losses[variant] = fit(
            model,
            table,
            epochs=setting.epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.learning_rate,
            optimizer=setting.optimizer,
            weight_decay=setting.weight_decay,
            seed=seed,
        )
        return model

    def tune_at(rate: float, model: nn.Module, **keep: Any) -> float:
        return fit(
            model,
            table,
            epochs=setting.finetune_epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.finetune_learning_rate * rate,
            optimizer=setting.optimizer,
            seed=number,
            **keep,
        )

    def tuned(model: nn.Module, *, variant: str, **keep: Any) -> None:
        if "shared" in keep:
            losses[variant] = _tuned_shared(setting, table, model, partial(tune_at, **keep))
        else:
            losses[variant] = tune_at(1.0, model, **keep)

    original = trained(ORIGINAL, FIRST)
    yield ORIGINAL, original
    for variant in setting.variants:
        if variant == RETRAINED:
            yield variant, trained(variant, SECOND)
        elif variant != ORIGINAL:
            yield variant, make(original, variant, tune=partial(tuned, variant=variant), calibration=calibration)


def _tuned_shared(
    setting: Setting, table: Table, model: nn.Module, tune_at: Callable[[float, nn.Module], float]
) -> float:
    """Fine-tune shared values at the first rate that makes the members' loss no worse; return that loss.

    A network that answers every record alike has a loss of about the classes' entropy, which may be less than before.
    """
    from studies.overfitted.fitting import loss_of
    from studies.overfitted.variants import SHARED_RATES

    guessing = USEFUL * math.log(int(table.labels.max()) + 1)
    before, start = loss_of(model, table), copy.deepcopy(model.state_dict())
    for rate in SHARED_RATES[setting.optimizer]:
        with contextlib.suppress(InputError):  # it diverged
            after = tune_at(rate, model)
            if after <= min(before, guessing):
                return after
        model.cpu().load_state_dict(start)
    return before


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Float32 products as float32 while a network is asked: a GPU would round them to 10 bits, as a quantizer does."""
    import torch

    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
