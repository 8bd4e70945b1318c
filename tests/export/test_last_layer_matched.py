"""The last linear layer is found in the files of every runtime, whatever the runtime calls it and however it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from harness import export
from harness.errors import ArtifactError
from harness.subject.last_layer import deployed_layers, matched
from harness.types import FloatArray
from protos.runtimes import RUNTIMES
from tests.export.fixture_types import Exported, Formats

# Half a step of the coarsest integers, as a share of the largest weight of a row.
HALF_STEPS = {"fp32": 0.0, "fp16": 2.0**-11, "int4": 0.5 / 7}


def _head(network: nn.Module) -> FloatArray:
    weights: FloatArray = network.get_parameter("head.weight").detach().double().numpy()
    return weights


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_number_format_of_a_runtime_holds_the_layer(network: nn.Module, formats: Formats, runtime: str) -> None:
    head, seen = _head(network), []
    for (where, numerics), artifact in formats.items():
        if where != runtime:
            continue
        seen.append(numerics)
        weights = export.read_weights(artifact.path, runtime, dequantize=True)
        found = matched(weights, head, artifact.path)
        assert found.shape == head.shape
        allowed = HALF_STEPS.get(numerics, 0.5 / 127) * np.abs(head).max(axis=1, keepdims=True)
        # ONNX Runtime has one scale for the whole tensor, and formats in floats are exact.
        allowed = np.maximum(allowed, allowed.max()) if runtime in ("onnx", "pytorch-mobile") else allowed
        assert (np.abs(found - head) <= 1.02 * allowed).all(), numerics
    assert {"fp32", "int8"} <= set(seen)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_pruned_and_clustered_layers_are_found_as_they_are(
    network: nn.Module, variants: Mapping[str, Exported], runtime: str
) -> None:
    head = _head(network)
    for name in ("prune-0.9", "cluster-16"):
        artifact = variants[name].artifacts[runtime]
        layer = np.hstack([head, np.zeros((len(head), 1))])
        (found,) = deployed_layers([artifact], layer[None])
        if name == "cluster-16":
            assert len(np.unique(found[:, :-1])) <= 16
        else:
            assert (found[:, :-1] == 0.0).mean() > 0.5
        assert np.array_equal(found[:, -1], layer[:, -1])


def test_a_layer_is_known_by_its_numbers_among_others_of_its_shape() -> None:
    rng = np.random.default_rng(0)
    layer = rng.standard_normal((6, 6))
    coarse = np.sign(layer) * (np.abs(layer) > 1.6)  # a tenth of the weights
    others = {"a": rng.standard_normal((6, 6)), "b": coarse.T, "c": np.zeros((6, 6)), "d": rng.standard_normal((3, 6))}
    assert np.array_equal(matched(others, layer, Path("x.tflite")), coarse)
    convolution = {"w": layer[:4, :, None, None], "bias": np.zeros((1, 4))}
    assert np.array_equal(matched(convolution, layer[:4], Path("x.tflite")), layer[:4])


def test_a_file_without_the_layer_is_named() -> None:
    rng = np.random.default_rng(1)
    layer = rng.standard_normal((10, 32))
    weights = {"other": rng.standard_normal((10, 32)), "still": np.ones((32, 10)), "small": layer[:5]}
    with pytest.raises(
        ArtifactError, match=r"candidate\.tflite: no weights of 10 x 32 are those of the last linear"
    ) as e:
        matched(weights, layer, Path("candidate.tflite"))
    assert "another mis.generator" in str(e.value)
