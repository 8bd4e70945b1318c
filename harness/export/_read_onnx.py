"""Weights from the bytes of an ONNX model, with the scales of the nodes that read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.export._stored import Stored
from harness.models import require
from harness.types import Array

__all__ = ["read"]

# Element types of the format that weights have here, by their number.
DTYPES = {1: "float32", 10: "float16", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 21: "uint4", 22: "int4"}
# Integer kernels take the weight second and its zero point fourth; the scale comes in a later product.
INTEGER = ("ConvInteger", "MatMulInteger")
WEIGHT, ZERO_POINT = 1, 3
# What the dynamic quantizer calls a weight and its scale.
SUFFIX, SCALE_SUFFIX = "_quantized", "_scale"


def read(content: bytes) -> list[Stored]:
    """Initializers of two or more dimensions, in the order in which nodes use them.

    Raises:
        ValueError: the bytes are not an ONNX model.
    """
    require("onnx", extra="onnx-export")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if not model.graph.node:
        raise ValueError("it has no graph")
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, Stored] = {}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            tensor = held.get(name)
            if tensor is None or name in found or len(tensor.dims) < 2 or tensor.data_type not in DTYPES:
                continue
            found[name] = _stored(tensor, node, place, held)
    return list(found.values())


def _stored(tensor: Any, node: Any, place: int, held: dict[str, Any]) -> Stored:
    from onnx import numpy_helper

    def numbers(name: str) -> Array | None:
        return np.asarray(numpy_helper.to_array(held[name])).reshape(-1) if name in held else None

    values = np.asarray(numpy_helper.to_array(tensor))
    dtype = DTYPES[tensor.data_type]
    scale = zero_point = None
    axis = 0
    if node.op_type == "DequantizeLinear" and place == 0:
        scale = numbers(node.input[1])
        zero_point = numbers(node.input[2]) if len(node.input) > 2 else None
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1) % values.ndim
    elif node.op_type in INTEGER and place == WEIGHT:
        zero_point = numbers(node.input[ZERO_POINT]) if len(node.input) > ZERO_POINT else None
        scale = numbers(tensor.name.removesuffix(SUFFIX) + SCALE_SUFFIX)
        axis = values.ndim - 1 if node.op_type == "MatMulInteger" else 0
    return Stored(
        tensor.name,
        values,
        dtype,
        None if scale is None else scale.astype(np.float32),
        None if zero_point is None else zero_point.astype(np.int64),
        axis,
    )
