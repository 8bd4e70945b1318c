"""What a model answers, and the conditions under which torch answers the same twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.models import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Inputs", "predict", "reproducible"]

# What a model is fed: images and tables in float32, token ids in int64.
Inputs = NDArray[np.float32] | NDArray[np.int64]

# Records a prediction pass takes at once; bounds memory, does not change the answers beyond rounding.
PREDICT_BATCH = 256


def predict(model: nn.Module, inputs: Inputs, *, threads: int = 1) -> NDArray[np.float32]:
    """Logits of a model in evaluation mode, float32 ``[n, n_classes]``; the mode is put back afterwards."""
    require("torch")
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), reproducible(seed=0, threads=threads):
            batches = torch.split(torch.from_numpy(np.ascontiguousarray(inputs)), PREDICT_BATCH)
            answers: NDArray[np.float32] = torch.cat([model(batch) for batch in batches]).numpy()
            return answers
    finally:
        model.train(was_training)


@contextmanager
def reproducible(*, seed: int, threads: int) -> Iterator[None]:
    """A seeded generator, a fixed number of threads and deterministic kernels; all put back afterwards."""
    import torch

    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic_before)
            torch.set_num_threads(threads_before)
