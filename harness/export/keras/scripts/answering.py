"""How a script is asked and answers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Say", "answer", "load", "said_by"]

Say = Callable[..., None]

# Before TensorFlow is imported: no graphics card is looked for, and nothing is told of its start.
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def answer(work: Callable[[dict[str, Any], Say], None]) -> None:
    """Do what the file asks for; what TensorFlow prints goes to standard error, so that answers stay alone."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work(json.loads(Path(sys.argv[1]).read_text()), lambda **said: print(json.dumps(said), file=answers, flush=True))


def load(path: str) -> Any:
    """The Keras 3 model in a file; code in it is refused.

    Raises:
        ValueError: it is no such file, or not made of layers whose inputs are known.
    """
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a file of any kind, through a library that raises what it likes
        raise ValueError(f"it cannot be loaded: {said_by(error)}") from error
    if not getattr(model, "inputs", None):
        raise ValueError("it does not say what it takes; make it of layers (Sequential or functional), and build it")
    return model


def said_by(error: BaseException) -> str:
    """An exception on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
