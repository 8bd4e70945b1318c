"""ExecuTorch programs (.pte) for the XNNPACK backend; PT2E static quantization for int8."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.models import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PACKAGES", "convert"]

PACKAGES = ("torch", "executorch", "torchao")


def convert(
    model: nn.Module,
    *,
    numerics: Sequence[str],
    sample_shape: tuple[int, ...],
    calibration: NDArray[np.float32] | None,
    max_batch: int,
) -> Iterator[bytes]:
    """The bytes of one .pte file for each number format.

    The batch axis is dynamic from 1 to ``max_batch``: one file serves every batch size up to it. Inputs and outputs
    stay float32. ``fp16`` computes in half precision; XNNPACK stores convolution weights as float32 even then, so the
    file does not shrink, but every stored value is a half-precision number.

    Args:
        model: folded, in evaluation mode.
        numerics: number formats, see ``supports``.
        sample_shape: shape of one record.
        calibration: float32 ``[m, ...]`` for ``int8``, fed as one batch.
        max_batch: largest batch size; the memory plan of the program is made for it.
    """
    require("torch", "executorch", "torchao")
    import torch

    shapes = ({0: torch.export.Dim("batch", min=1, max=max_batch)},)
    # Traced at the largest batch: from a small example the lowering may infer a bound below 16 and keep it silently.
    example = torch.zeros((max_batch, *sample_shape))
    for wanted in numerics:
        if wanted == "int8":
            ready = _quantized(model, example, shapes, torch.from_numpy(np.ascontiguousarray(calibration)))
        elif wanted == "fp16":
            ready = _half(model)
        else:
            ready = model
        yield _lowered(ready, example, shapes)


def _lowered(model: nn.Module, example: Any, shapes: Any) -> bytes:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with torch.no_grad():
        exported = torch.export.export(model, (example,), dynamic_shapes=shapes)
    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    program = lowered.to_executorch()
    _check_batch(program.executorch_program, largest=len(example))
    return bytes(program.buffer)


def _check_batch(program: Any, *, largest: int) -> None:
    """Refuse a program whose memory is planned for smaller batches than it declares."""
    plan = program.execution_plan[0]
    planned = plan.values[plan.inputs[0]].val.sizes[0]
    if planned != largest:
        raise ValueError(f"the program takes batches of up to {planned}, {largest} was asked for")


def _quantized(model: nn.Module, example: Any, shapes: Any, calibration: Any) -> nn.Module:
    """Static int8: weights per channel, activations from the ranges seen on the calibration batch."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with torch.no_grad():
        graph = torch.export.export(model, (example,), dynamic_shapes=shapes).module()
        quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(graph, quantizer)
        prepared(calibration)
        converted: nn.Module = convert_pt2e(prepared)
    return converted


def _half(model: nn.Module) -> nn.Module:
    """The model in half precision between float32 borders."""
    from harness.export._half import HalfPrecision

    return HalfPrecision(copy.deepcopy(model)).eval()
