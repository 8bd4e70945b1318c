"""Reads weights from the bytes of an ONNX model, with the scales of the nodes that use them."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.export._stored import Stored
from harness.packages import require
from harness.types import Array

__all__ = ["read"]

# Element types of weights, by their number in the format.
DTYPES = {1: "float32", 10: "float16", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 21: "uint4", 22: "int4"}
# Inputs of integer kernels: the weight is the second, its zero point the fourth; the scale is in a later product.
INTEGER = ("ConvInteger", "MatMulInteger")
WEIGHT, ZERO_POINT = 1, 3
# Suffixes of the dynamic quantizer's names of a weight and of its scale.
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
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    weights: dict[str, Stored] = {}
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            tensor = initializers.get(name)
            if tensor is None or name in weights or len(tensor.dims) < 2 or tensor.data_type not in DTYPES:
                continue
            weights[name] = _stored(tensor, node, position, initializers)
    return list(weights.values())


def _stored(tensor: Any, node: Any, position: int, initializers: dict[str, Any]) -> Stored:
    from onnx import numpy_helper

    def numbers(name: str) -> Array | None:
        return np.asarray(numpy_helper.to_array(initializers[name])).reshape(-1) if name in initializers else None

    values = np.asarray(numpy_helper.to_array(tensor))
    dtype = DTYPES[tensor.data_type]
    scale = zero_point = None
    axis = 0
    if node.op_type == "DequantizeLinear" and position == 0:
        scale = numbers(node.input[1])
        zero_point = numbers(node.input[2]) if len(node.input) > 2 else None
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1) % values.ndim
    elif node.op_type in INTEGER and position == WEIGHT:
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
