"""LiteRT files (.tflite): litert-torch converts, ai-edge-quantizer quantizes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.export import _free_batch, _template
from harness.export._source import INPUT_NAME, Source
from harness.export._support import Limits
from harness.packages import require
from harness.types import Array

__all__ = ["LIMITS", "PACKAGES", "convert"]

PACKAGES = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer", "ai-edge-litert")
LIMITS = Limits()
# The one signature that litert-torch writes.
SIGNATURE = "serving_default"


def convert(source: Source, numerics: Sequence[str]) -> Iterator[bytes]:
    """The bytes of one .tflite file for each number format, all from one float conversion.

    The batch axis is dynamic, so one file serves every batch size. Inputs and outputs stay float32; int64 inputs become
    int32, as the format requires.
    """
    require("torch", "litert_torch", "ai_edge_quantizer")
    plain = _template.through_cache(source, PACKAGES, _float_file)
    for number_format in numerics:
        yield plain if number_format == "fp32" else _quantized(plain, number_format, source.calibration)


def _float_file(source: Source) -> bytes:
    import litert_torch
    import torch

    batch = torch.export.Dim("batch", min=1, max=source.max_batch)
    # The lowering of a dynamic axis fails with many exceptions, and sometimes only its logits are wrong.
    with contextlib.suppress(Exception):
        converted = litert_torch.convert(source.model, (source.example(),), dynamic_shapes=({0: batch},))
        content = bytes(converted.model_content())
        if _free_batch.answers_alike(content, source):
            return content
    return _free_batch.convert(source)


def _quantized(plain: bytes, numerics: str, calibration: Array | None) -> bytes:
    from ai_edge_quantizer import Quantizer, recipe

    ranges = None
    if numerics in ("int8", "int16x8"):
        quantizer = Quantizer(plain, recipe.static_wi8_ai8() if numerics == "int8" else recipe.static_wi8_ai16())
        _keep_float_io(quantizer)
        ranges = quantizer.calibrate({SIGNATURE: [{INPUT_NAME: _as_input(calibration)}]}, num_threads=1)
    elif numerics == "int8-dynamic":
        quantizer = Quantizer(plain, recipe.dynamic_wi8_afp32())
    elif numerics == "int8-weights":
        quantizer = Quantizer(plain, recipe.weight_only_wi8_afp32())
    elif numerics == "int4":
        quantizer = Quantizer(plain, recipe.weight_only_wi4_afp32())
    else:
        quantizer = Quantizer(plain)
        _half_weights(quantizer)
    return bytes(quantizer.quantize(ranges, enable_progress_report=False).quantized_model)


def _as_input(calibration: Array | None) -> Array | None:
    """The records in the type of the file's input."""
    if calibration is not None and calibration.dtype == np.int64:
        return calibration.astype(np.int32)
    return calibration


def _keep_float_io(quantizer: Any) -> None:
    """Keep the model's inputs and outputs float32, so that every variant gets the same bytes."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.recipe import AlgorithmName

    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        quantizer.update_quantization_recipe(regex=".*", operation_name=end, algorithm_key=AlgorithmName.NO_QUANTIZE)


def _half_weights(quantizer: Any) -> None:
    """Store weights in half precision; the kernels compute in float32."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.recipe import AlgorithmName

    half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    quantizer.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        algorithm_key=AlgorithmName.FLOAT_CASTING,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=half, compute_precision=qtyping.ComputePrecision.FLOAT
        ),
    )
