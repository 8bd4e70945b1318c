"""Model files that no exporter of this project made: flatbuffers and ONNX graphs, written operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["Linear", "litert_float", "litert_uint8", "onnx_graph", "onnx_picture", "onnx_two_inputs"]

Floats = NDArray[np.float32]
TENSOR, OPERATOR, OPTIONS = schema.TensorType, schema.BuiltinOperator, schema.BuiltinOptions
# Steps of the quantized file: of its input in 0..1, and of its logits.
INPUT_STEP, LOGIT_STEP = 1 / 255, 1 / 16


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear classifier.

    Args:
        weights: ``[C, d]``.
        bias: ``[C]``.
        shape: of one record; its product is d.
    """

    weights: Floats
    bias: Floats
    shape: tuple[int, ...]

    def logits(self, inputs: NDArray[Any]) -> Floats:
        """Answers to ``[n, ...]``, ``[n, C]``."""
        return np.asarray(inputs.reshape(len(inputs), -1).astype(np.float32) @ self.weights.T + self.bias)

    def halved(self) -> Linear:
        """The same with weights in half precision."""
        return Linear(self.weights.astype(np.float16).astype(np.float32), self.bias, self.shape)


class _Flatbuffer:
    """One .tflite file under construction."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, name: str, shape: Sequence[int], kind: int, *, scale: float | None = None, zero: int = 0) -> int:
        """A tensor whose first axis is of any length."""
        number = self.constant(name, np.empty(0, np.uint8), kind, scale=scale, zero=zero)
        tensor = self.graph.tensors[number]
        tensor.shape, tensor.shapeSignature, tensor.buffer = [1, *shape], [-1, *shape], 0
        self.model.buffers.pop()
        return number

    def constant(self, name: str, values: NDArray[Any], kind: int, *, scale: float | None = None, zero: int = 0) -> int:
        """A tensor that the file holds."""
        tensor, buffer = schema.TensorT(), schema.BufferT()
        tensor.name, tensor.shape, tensor.type = name, list(values.shape), kind
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
        buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, code: int, inputs: Sequence[int], output: int, options: Any = None, kind: int = 0) -> int:
        """One operator; its output."""
        row, operator = schema.OperatorCodeT(), schema.OperatorT()
        row.builtinCode = row.deprecatedBuiltinCode = code
        row.version = 1
        self.model.operatorCodes.append(row)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), [output]
        operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.graph.operators.append(operator)
        return output

    def write(self, path: Path, source: int, answer: int) -> Path:
        self.graph.inputs, self.graph.outputs = [source], [answer]
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def litert_float(path: Path, linear: Linear, *, name: str = "image", softmax: bool = True, raw: bool = False) -> Path:
    """A float .tflite that ends in a softmax, or in logits.

    Args:
        path: where it goes.
        linear: what it computes.
        name: of its input.
        softmax: whether it answers probabilities.
        raw: take integers of 0..255 that no scale belongs to, and cast them.
    """
    file = _Flatbuffer()
    source = file.tensor(name, linear.shape, TENSOR.UINT8 if raw else TENSOR.FLOAT32)
    fed = source
    if raw:
        cast = file.tensor("cast", linear.shape, TENSOR.FLOAT32)
        fed = file.operator(OPERATOR.CAST, [source], cast, schema.CastOptionsT(), OPTIONS.CastOptions)
    weights = file.constant("weights", linear.weights, TENSOR.FLOAT32)
    bias = file.constant("bias", linear.bias, TENSOR.FLOAT32)
    answer = _fully_connected(file, fed, weights, bias, file.tensor("logits", linear.bias.shape, TENSOR.FLOAT32))
    if softmax:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        probabilities = file.tensor("probabilities", linear.bias.shape, TENSOR.FLOAT32)
        answer = file.operator(OPERATOR.SOFTMAX, [answer], probabilities, options, OPTIONS.SoftmaxOptions)
    return file.write(path, source, answer)


def litert_uint8(path: Path, linear: Linear, *, logit_step: float = LOGIT_STEP) -> Path:
    """A .tflite that computes in uint8 throughout, as older converters write it: inputs of 0..1, logits as answers."""
    file, step = _Flatbuffer(), float(np.abs(linear.weights).max() / 127)
    codes = (np.round(linear.weights / step) + 128).clip(0, 255).astype(np.uint8)
    source = file.tensor("pixels", linear.shape, TENSOR.UINT8, scale=INPUT_STEP, zero=0)
    weights = file.constant("weights", codes, TENSOR.UINT8, scale=step, zero=128)
    sums = np.round(linear.bias / (INPUT_STEP * step)).astype(np.int32)
    bias = file.constant("bias", sums, TENSOR.INT32, scale=INPUT_STEP * step)
    scores = file.tensor("scores", linear.bias.shape, TENSOR.UINT8, scale=logit_step, zero=128)
    return file.write(path, source, _fully_connected(file, source, weights, bias, scores))


def _fully_connected(file: _Flatbuffer, source: int, weights: int, bias: int, answer: int) -> int:
    options = schema.FullyConnectedOptionsT()
    inputs = [source, weights, bias]
    return file.operator(OPERATOR.FULLY_CONNECTED, inputs, answer, options, OPTIONS.FullyConnectedOptions)


def onnx_graph(path: Path, linear: Linear, *, last: str | None = None) -> Path:
    """An .onnx with logits, or with one more operator at its end, e.g. ``Sigmoid``."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"], transB=1),
    ]
    if last is not None:
        nodes.append(helper.make_node(last, ["logits"], ["answers"]))
    name = "logits" if last is None else "answers"
    return _write_onnx(path, nodes, {"image": linear.shape}, {name: linear.bias.shape}, linear)


def onnx_two_inputs(path: Path, linear: Linear) -> Path:
    """An .onnx that adds two images before it classifies them."""
    nodes = [
        helper.make_node("Add", ["left", "right"], ["sum"]),
        helper.make_node("Flatten", ["sum"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"], transB=1),
    ]
    inputs = {"left": linear.shape, "right": linear.shape}
    return _write_onnx(path, nodes, inputs, {"logits": linear.bias.shape}, linear)


def onnx_picture(path: Path, linear: Linear) -> Path:
    """An .onnx that answers an image with an image."""
    nodes = [helper.make_node("Relu", ["image"], ["picture"])]
    return _write_onnx(path, nodes, {"image": linear.shape}, {"picture": linear.shape})


def _write_onnx(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    linear: Linear | None = None,
) -> Path:
    def values(table: dict[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
        kind = onnx.TensorProto.FLOAT
        return [helper.make_tensor_value_info(name, kind, ["n", *shape]) for name, shape in table.items()]

    held = {} if linear is None else {"weights": linear.weights, "bias": linear.bias}
    constants = [numpy_helper.from_array(array, name) for name, array in held.items()]
    graph = helper.make_graph(list(nodes), "by-hand", values(inputs), values(outputs), initializer=constants)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save_model(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path
