"""Logits of a model, and the conditions under which torch reproduces them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.packages import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Inputs", "predict", "reproducible"]

# Inputs of a model: images and tables in float32, token ids in int64.
Inputs = NDArray[np.float32] | NDArray[np.int64]

# Records of one forward pass; bounds memory and changes the logits by rounding only.
PREDICT_BATCH = 256


def predict(model: nn.Module, inputs: Inputs, *, threads: int = 1) -> NDArray[np.float32]:
    """Logits of a model in evaluation mode, float32 ``[n, n_classes]``; the mode is restored afterwards."""
    require("torch")
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), reproducible(seed=0, threads=threads):
            batches = torch.split(torch.from_numpy(np.ascontiguousarray(inputs)), PREDICT_BATCH)
            logits: NDArray[np.float32] = torch.cat([model(batch) for batch in batches]).numpy()
            return logits
    finally:
        model.train(was_training)


@contextmanager
def reproducible(*, seed: int, threads: int) -> Iterator[None]:
    """Set a seeded generator, a fixed number of threads and deterministic kernels; restore all afterwards."""
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
