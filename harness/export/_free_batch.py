"""A dynamic batch axis for networks that LiteRT's converter lowers at a fixed batch size only.

litert-torch 0.10 passes a dynamic dimension to JAX as a huge negative number, so softmax, embeddings, slices and every
sum that broadcasts fail, and with them every transformer. The file format itself supports it: at a fixed batch size the
converter writes that size into shapes and into the constants of reshape and slice, and nowhere else. The conversion
uses a prime that divides no other dimension as the batch size, and then replaces it by a dynamic one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.export._source import Source

__all__ = ["answers_alike", "convert"]

# Candidates for the batch size of the conversion.
PRIMES = (251, 241, 239, 233, 229, 227, 223, 211)
# Batch sizes of the check, and the largest difference of a logit from torch's, relative to the largest logit.
CHECKED_BATCHES = (1, 3)
TOLERANCE = 1e-4
MAGIC = b"TFL3"


def convert(source: Source) -> bytes:
    """The float file of a model, converted at a fixed batch size that is then made dynamic.

    Raises:
        ValueError: the batch size is in a place where it cannot be dynamic, or the file's logits differ from torch's.
    """
    import litert_torch

    mark = _mark(source)
    content = _freed(bytes(litert_torch.convert(source.model, (source.example(mark),)).model_content()), mark)
    if not answers_alike(content, source):
        raise ValueError("the file answers batches of other sizes otherwise than the network does")
    return content


def answers_alike(content: bytes, source: Source) -> bool:
    """Whether a file answers batches of several sizes as torch does."""
    import torch
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    random = np.random.default_rng(0)
    for batch in CHECKED_BATCHES:
        shape = (batch, *source.sample_shape)
        # Every vocabulary has these two ids.
        drawn = random.integers(0, 2, shape) if source.sample_dtype == "int64" else random.standard_normal(shape)
        records = drawn.astype(source.sample_dtype)
        with torch.inference_mode():
            expected = source.model(torch.from_numpy(records)).numpy()
        try:
            interpreter.resize_tensor_input(entry["index"], shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(entry["index"], records.astype(entry["dtype"]))
            interpreter.invoke()
        except (RuntimeError, ValueError):
            return False
        logits = interpreter.get_tensor(end["index"])
        if logits.shape != expected.shape:
            return False
        if not np.abs(logits - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max()):
            return False
    return True


def _mark(source: Source) -> int:
    """A batch size that divides no other dimension of the network."""
    dimensions = {*source.sample_shape, *(d for tensor in source.model.state_dict().values() for d in tensor.shape)}
    for prime in PRIMES:
        if all(dimension % prime for dimension in dimensions if dimension):
            return prime
    raise ValueError(f"each batch size of {PRIMES} divides a dimension of the network")


def _freed(content: bytes, mark: int) -> bytes:
    """The file with a dynamic batch axis instead of the batch size ``mark``."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _free_shape(tensor, mark, constant=_numbers(model.buffers[tensor.buffer]) is not None)
        for index in set(_shape_constants(model, graph, schema.BuiltinOperator)):
            _free_constant(model.buffers[graph.tensors[index].buffer], mark)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), MAGIC)
    return bytes(builder.Output())


def _free_shape(tensor: Any, mark: int, *, constant: bool) -> None:
    shape = [] if tensor.shape is None else [int(d) for d in tensor.shape]
    if all(d % mark for d in shape):
        return
    if constant:
        raise ValueError(f"the converter wrote a constant of shape {shape} for a batch of {mark}: {tensor.name}")
    tensor.shapeSignature = [d if d % mark else -1 for d in shape]
    tensor.shape = [d if d % mark else d // mark for d in shape]


def _shape_constants(model: Any, graph: Any, codes: Any) -> Iterator[int]:
    """The constants with the shape of a reshape and the size of a slice; in both, -1 means the rest."""
    places = {codes.RESHAPE: 1, codes.SLICE: 2}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in places:
            yield int(operator.inputs[places[code]])
            if code == codes.RESHAPE:
                operator.builtinOptions = None  # they repeat the constant
                operator.builtinOptionsType = 0


def _free_constant(buffer: Any, mark: int) -> None:
    numbers = _numbers(buffer)
    if numbers is None:
        return
    numbers[(numbers % mark == 0) & (numbers != 0)] = -1
    buffer.data = np.frombuffer(numbers.tobytes(), dtype=np.uint8)


def _numbers(buffer: Any) -> NDArray[np.int32] | None:
    """A copy of the buffer as int32, the type of shapes; None for a computed tensor."""
    if buffer.data is None or len(buffer.data) == 0:
        return None
    data = np.asarray(buffer.data, dtype=np.uint8)
    return np.frombuffer(data.tobytes(), dtype=np.int32).copy() if len(data) % 4 == 0 else np.zeros(0, np.int32)
