"""Reads a script's request, writes its answers, and loads the model."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Say", "answer", "load", "one_line"]

Say = Callable[..., None]

# Set before TensorFlow is imported: it uses no graphics card and prints nothing at its start.
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def answer(work: Callable[[dict[str, Any], Say], None]) -> None:
    """Process the request; TensorFlow's prints go to standard error, so that standard output has answers only."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work(
        json.loads(Path(sys.argv[1]).read_text()), lambda **fields: print(json.dumps(fields), file=answers, flush=True)
    )


def load(path: str) -> Any:
    """Load a Keras 3 model; code in the file is refused.

    Raises:
        ValueError: the file cannot be loaded, or the model's inputs are not known.
    """
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # the file may hold anything, and the library may raise any exception
        raise ValueError(f"it cannot be loaded: {one_line(error)}") from error
    if not getattr(model, "inputs", None):
        raise ValueError("its inputs are not known; build it of layers, Sequential or functional, with an input shape")
    return model


def one_line(error: BaseException) -> str:
    """The exception's type and message on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
