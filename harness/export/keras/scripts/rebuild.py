"""Rebuilds a Keras 3 model of Keras 2 layers, the only ones that the Model Optimization toolkit wraps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["rebuilt"]

# Largest difference of the copy's outputs, relative to the largest output: float32 sums in another order.
TOLERANCE = 1e-4
PROBES = 8
SEED = 0
# Arguments that every layer's constructor takes as keywords.
COMMON = ("name", "trainable", "dtype")


def rebuilt(model: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Rebuild the model of Keras 2 layers, layer by layer and call by call, with the same weights.

    Returns:
        The copy, and the pairs of a model's layer and the copy's.

    Raises:
        ValueError: the model does not consist of layers alone, Keras 2 lacks one of them, or the outputs differ.
    """
    import tf_keras

    pairs: dict[int, tuple[Any, Any]] = {}
    tensors: dict[int, Any] = {}
    for node in _calls(model):
        layer = node.operation
        if type(layer).__name__ == "InputLayer":
            (output,) = node.outputs
            tensors[id(output)] = tf_keras.Input(output.shape[1:], dtype=output.dtype, name=layer.name)
            continue
        if id(layer) not in pairs:
            pairs[id(layer)] = (layer, _twin(layer))
        keywords = {k: _replaced(v, tensors) for k, v in node.arguments.kwargs.items() if v is not None}
        answers = pairs[id(layer)][1](*_replaced(node.arguments.args, tensors), **keywords)
        tensors |= dict(zip(map(id, node.outputs), _listed(answers), strict=True))
    copy = tf_keras.Model([tensors[id(x)] for x in model.inputs], [tensors[id(x)] for x in model.outputs])
    for layer, twin in pairs.values():
        twin.set_weights(layer.get_weights())
    _require_alike(model, copy)
    return copy, list(pairs.values())


def _calls(model: Any) -> list[Any]:
    """The calls of the model's layers, in the order of their dependencies."""
    graph = getattr(model, "_functional", None) or model
    by_depth = getattr(graph, "_nodes_by_depth", None)
    if by_depth is None:
        raise ValueError("it does not consist of layers alone; build it as a Sequential or functional model")
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _twin(layer: Any) -> Any:
    """The Keras 2 layer of the same name and configuration; without initializers, because the weights are copied."""
    import tf_keras

    name = type(layer).__name__
    kind = getattr(tf_keras.layers, name, None)
    if kind is None or not type(layer).__module__.startswith("keras."):
        raise ValueError(f"layer {layer.name!r} is a {name}, which Keras 2 does not have")
    taken = {p for cls in kind.__mro__ for p in inspect.signature(cls.__init__).parameters} | set(COMMON)
    config = {k: v for k, v in layer.get_config().items() if k in taken and not k.endswith("_initializer")}
    return kind.from_config(config | {"dtype": layer.compute_dtype})


def _replaced(value: Any, tensors: Mapping[int, Any]) -> Any:
    """A call's argument with the copy's tensors."""
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(item, tensors) for item in value)
    return tensors.get(id(value), value)


def _require_alike(model: Any, copy: Any) -> None:
    random = np.random.default_rng(SEED)
    probes = []
    for tensor in model.inputs:
        shape = [PROBES, *(axis or 1 for axis in tensor.shape[1:])]
        # Ones and zeros are valid token ids of any text model.
        drawn = random.normal(size=shape) if "float" in tensor.dtype else random.integers(0, 2, shape)
        probes.append(drawn.astype(tensor.dtype))
    inputs = probes[0] if len(probes) == 1 else probes
    originals, copies = _listed(model(inputs, training=False)), _listed(copy(inputs, training=False))
    for before, after in zip(originals, copies, strict=True):
        expected, actual = np.asarray(before), np.asarray(after)
        difference = float(np.abs(expected - actual).max() / max(1.0, np.abs(expected).max()))
        if not difference <= TOLERANCE:
            raise ValueError(f"the copy of Keras 2 layers differs by {difference:.2g} of the largest output")


def _listed(answers: Any) -> list[Any]:
    return list(answers) if isinstance(answers, (list, tuple)) else [answers]
