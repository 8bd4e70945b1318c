"""Small ONNX files that take much memory, or look for their weights elsewhere; each takes four numbers a record."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

__all__ = ["external", "heavy", "tiled"]

HEAVY_ROWS = 1_000_000


def tiled() -> bytes:
    """Repeats its input as often as a number in the file says."""
    repeats = helper.make_tensor("r", TensorProto.INT64, [2], np.asarray([1, 2], np.int64).tobytes(), raw=True)
    nodes = [
        helper.make_node("Tile", ["x", "r"], ["t"]),
        helper.make_node("ReduceMean", ["t"], ["m"], keepdims=1, axes=[1]),
        helper.make_node("Add", ["x", "m"], ["y"]),
    ]
    return model(nodes, [repeats])


def added(weights: TensorProto) -> bytes:
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [weights])


def model(nodes: list[onnx.NodeProto], constants: list[TensorProto]) -> bytes:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(made.SerializeToString())


def external(location: str) -> bytes:
    """Adds four numbers that lie in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    return added(weights)


def heavy(seed: int) -> bytes:
    """A file of 16 MB that nothing else resembles."""
    values = np.random.default_rng(seed).random((HEAVY_ROWS, 4), dtype=np.float32)
    total = helper.make_node("ReduceSum", ["w"], ["s"], keepdims=0)
    weights = helper.make_tensor("w", TensorProto.FLOAT, values.shape, values.tobytes(), raw=True)
    return model([total, helper.make_node("Add", ["x", "s"], ["y"])], [weights])
