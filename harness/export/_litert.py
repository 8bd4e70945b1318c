"""LiteRT files (.tflite): litert-torch converts, ai-edge-quantizer quantizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.models import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PACKAGES", "convert"]

PACKAGES = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert")
# The one signature that litert-torch writes, and the name that torch.export gives the first positional argument.
SIGNATURE = "serving_default"
INPUT = "args_0"
# Any batch size but 0 and 1, which torch.export would take for constants.
EXAMPLE_BATCH = 2


def convert(
    model: nn.Module,
    *,
    numerics: Sequence[str],
    sample_shape: tuple[int, ...],
    calibration: NDArray[np.float32] | None,
    max_batch: int,
) -> Iterator[bytes]:
    """The bytes of one .tflite file for each number format, all from one float conversion.

    The batch axis is dynamic, so one file serves every batch size. Inputs and outputs stay float32. litert-torch
    0.10 cannot lower a flatten or reshape of a dynamic batch; a model has to squeeze or pool instead.

    Args:
        model: folded, in evaluation mode.
        numerics: number formats, see ``NUMERICS``.
        sample_shape: shape of one record.
        calibration: float32 ``[m, ...]`` for ``int8``; fed as ONE batch, because the quantizer averages the ranges of
            successive batches and many small ones clip.
        max_batch: largest batch size to declare.
    """
    require("torch", "litert_torch", "ai_edge_quantizer")
    import litert_torch
    import torch

    batch = torch.export.Dim("batch", min=1, max=max_batch)
    example = torch.zeros((EXAMPLE_BATCH, *sample_shape))
    converted = litert_torch.convert(model, (example,), dynamic_shapes=({0: batch},))
    plain = bytes(converted.model_content())
    for wanted in numerics:
        yield plain if wanted == "fp32" else _quantized(plain, wanted, calibration)


def _quantized(plain: bytes, numerics: str, calibration: NDArray[np.float32] | None) -> bytes:
    from ai_edge_quantizer import Quantizer, recipe

    measured = None
    if numerics == "int8":
        quantizer = Quantizer(plain, recipe.static_wi8_ai8())
        _keep_float_borders(quantizer)
        measured = quantizer.calibrate({SIGNATURE: [{INPUT: calibration}]}, num_threads=1)
    elif numerics == "int8-dynamic":
        quantizer = Quantizer(plain, recipe.dynamic_wi8_afp32())
    elif numerics == "int4":
        quantizer = Quantizer(plain, recipe.weight_only_wi4_afp32())
    else:
        quantizer = Quantizer(plain)
        _half_weights(quantizer)
    return bytes(quantizer.quantize(measured, enable_progress_report=False).quantized_model)


def _keep_float_borders(quantizer: Any) -> None:
    """Leave the model's inputs and outputs float32: every variant is then fed the same bytes."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.recipe import AlgorithmName

    for border in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        quantizer.update_quantization_recipe(regex=".*", operation_name=border, algorithm_key=AlgorithmName.NO_QUANTIZE)


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
