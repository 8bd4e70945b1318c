"""Artifacts for a fake agent: files of the right digest that hold no model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.types import Artifact, TensorSpec


def placeholder(
    folder: Path,
    variant: str,
    *,
    model: str = "target",
    shape: tuple[int, ...] = (1,),
    classes: int = 3,
    output_kind: str = "logits",
) -> Artifact:
    """An artifact whose file holds its own name: two of one name are one file.

    Args:
        folder: where the file goes.
        variant: the artifact's.
        model: whose weights it would hold.
        shape: of one record of its one input, ``args_0``, float32.
        classes: length of an answer.
        output_kind: of its answers.
    """
    content = f"{model}/{variant}".encode()
    path = folder / f"{model}-{variant}.tflite"
    path.write_bytes(content)
    return Artifact(
        model=model,
        variant=variant,
        runtime="litert",
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        inputs=(TensorSpec("args_0", "float32", shape),),
        output=TensorSpec("output_0", "float32", (classes,)),
        output_kind=output_kind,
    )
