"""ExecuTorch programs (.pte) for the XNNPACK backend; PT2E static quantization for int8."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.export._source import Source
from harness.export._support import Limits
from harness.packages import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LIMITS", "PACKAGES", "convert"]

PACKAGES = ("torch", "executorch", "torchao")
# Torchao's 4-bit weights exist for linear layers alone: a convolutional network would stay in float32 under a quantized
# name. XNNPACK's quantizer of ExecuTorch 1.4 annotates linear layers alone for dynamic activations.
LIMITS = Limits(
    always={
        "int4": "ExecuTorch's 4-bit weights exist for linear layers only, in groups of 32 with activations in 8 bits, "
        "which is another scheme; convolutions would stay float32",
        "int8-weights": "ExecuTorch's XNNPACK quantizer has no weight-only scheme",
        "int16x8": "ExecuTorch's XNNPACK backend has no 16-bit activations",
    },
    convolutions={
        "int8-dynamic": "ExecuTorch's XNNPACK quantizer has dynamic activations for linear layers only; "
        "convolutions would stay float32",
    },
)


def convert(source: Source, numerics: Sequence[str]) -> Iterator[bytes]:
    """The bytes of one .pte file for each number format.

    The batch axis is dynamic from 1 to the largest, for which the program's memory is planned: one file serves every
    batch size up to it. Inputs and outputs keep the model's types. ``fp16`` computes in half precision; XNNPACK
    stores convolution weights as float32 even then, so the file does not shrink, but every stored value is a
    half-precision number.
    """
    require("torch", "executorch", "torchao")
    import torch

    model = source.model
    shapes = ({0: torch.export.Dim("batch", min=1, max=source.max_batch)},)
    # Traced at the largest batch: from a small example the lowering may infer a smaller bound without a message.
    example = source.example(source.max_batch)
    for number_format in numerics:
        if number_format == "int8":
            converted = _quantized(model, example, shapes, source.ranges(), dynamic=False)
        elif number_format == "int8-dynamic":
            converted = _quantized(model, example, shapes, example, dynamic=True)
        elif number_format == "fp16":
            converted = _half(model)
        else:
            converted = model
        yield _lowered(converted, example, shapes)


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
    """Refuse a program whose memory plan is for smaller batches than it declares."""
    plan = program.execution_plan[0]
    planned = plan.values[plan.inputs[0]].val.sizes[0]
    if planned != largest:
        raise ValueError(f"the program takes batches of up to {planned}, not of up to {largest}")


def _quantized(model: nn.Module, example: Any, shapes: Any, calibration: Any, *, dynamic: bool) -> nn.Module:
    """Int8: weights per channel, activations by the ranges of the calibration batch or of each batch at inference."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with torch.no_grad():
        graph = torch.export.export(model, (example,), dynamic_shapes=shapes).module()
        _separate_shared_norms(graph)
        scheme = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
        quantizer = XNNPACKQuantizer().set_global(scheme)
        prepared = prepare_pt2e(graph, quantizer)
        prepared(calibration)
        converted: nn.Module = convert_pt2e(prepared)
    return converted


def _separate_shared_norms(graph: Any) -> None:
    """Insert a copy between a batch norm and a layer whose output other layers read too.

    PT2E folds every batch norm into the layer before it without checking for other readers, which would then read
    normalized outputs. The copy breaks the pattern that it folds.
    """
    from torch import ops

    norms = {ops.aten.batch_norm.default, ops.aten._native_batch_norm_legit_no_training.default}
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and node.target in norms and len(node.args[0].users) > 1:
            source = node.args[0]
            with graph.graph.inserting_before(node):
                copied = graph.graph.call_function(ops.aten.clone.default, (source,))
            copied.meta = dict(source.meta)
            node.replace_input_with(source, copied)
    graph.recompile()


def _half(model: nn.Module) -> nn.Module:
    """The model in half precision with float32 input and output."""
    from harness.export._half import HalfPrecision

    return HalfPrecision(copy.deepcopy(model)).eval()
