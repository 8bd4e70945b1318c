"""Converts one Keras model with TensorFlow's converter, in several modes.

The request is ``{"model": path, "calibration": path of .npz or null, "jobs": [{"name", "mode", "path"}, ...]}``; the
answers are ``{"done": name}`` or ``{"skipped": name, "reason"}`` for each job, or ``{"error"}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .answering import Say, answer, load, one_line


def convert(model: Any, mode: str, calibration: list[Any]) -> bytes:
    """The bytes of the .tflite file.

    Args:
        model: the Keras model.
        mode: ``float32``, ``dynamic``, ``float16``, ``int8``, ``int8-float-io``, ``int16x8`` or ``sparse``.
        calibration: one array ``[n, ...]`` for each input, for the modes whose activations have fixed ranges.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode != "float32":
        optimization = tf.lite.Optimize.EXPERIMENTAL_SPARSITY if mode == "sparse" else tf.lite.Optimize.DEFAULT
        converter.optimizations = [optimization]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode.startswith("int"):
        converter.representative_dataset = lambda: _one_by_one(calibration)
        integers = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        if mode == "int16x8":
            integers = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        # No float kernels: an operation without an integer kernel is refused, and not left in float.
        converter.target_spec.supported_ops = [integers]
    if mode == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def arranged(model: Any, records: Mapping[str, Any]) -> list[Any]:
    """Arrange records in the order and type of the model's inputs, by name where all names match.

    Raises:
        ValueError: the number of inputs or a shape differs.
    """
    names = [tensor.name.partition(":")[0] for tensor in model.inputs]
    given = {key.removeprefix("inputs/"): values for key, values in records.items()}
    if len(given) != len(names):
        raise ValueError(f"the model takes {len(names)} inputs, the records have {len(given)}")
    ordered = [given[name] for name in names] if set(names) == set(given) else list(given.values())
    for name, tensor, values in zip(names, model.inputs, ordered, strict=True):
        expected, actual = tuple(tensor.shape[1:]), values.shape[1:]
        if len(expected) != len(actual) or any(e not in (None, a) for e, a in zip(expected, actual, strict=True)):
            axes = ", ".join(str(axis or "any") for axis in ("n", *expected))
            raise ValueError(f"input {name!r} takes [{axes}], the records have {list(values.shape)}")
    return [values.astype(tensor.dtype) for tensor, values in zip(model.inputs, ordered, strict=True)]


def _one_by_one(calibration: list[Any]) -> Iterator[list[Any]]:
    for row in range(len(calibration[0])):
        yield [values[row : row + 1] for values in calibration]


def _work(request: dict[str, Any], say: Say) -> None:
    try:
        model, calibration = load(request["model"]), []
        if request["calibration"] is not None:
            with np.load(request["calibration"], allow_pickle=False) as records:
                calibration = arranged(model, dict(records))
    except ValueError as error:
        return say(error=str(error))
    for job in request["jobs"]:
        try:
            content = convert(model, job["mode"], calibration)
        except Exception as error:  # the converter's passes may raise any exception
            say(skipped=job["name"], reason=f"the converter refused the model: {one_line(error)}")
        else:
            Path(job["path"]).write_bytes(content)
            say(done=job["name"])
    return None


if __name__ == "__main__":
    answer(_work)
