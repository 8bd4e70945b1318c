"""ONNX files: no path of this machine in them, and the number formats that their names promise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch import nn

from harness import export
from tests.export.fixture_types import Formats, Runners


def graph(formats: Formats, numerics: str) -> onnx.GraphProto:
    return onnx.load(str(formats["onnx", numerics].path)).graph


@pytest.mark.parametrize("numerics", ["fp32", "fp16", "int8", "int8-dynamic", "int16x8"])
def test_a_file_is_valid_and_holds_no_path_of_this_machine(formats: Formats, numerics: str) -> None:
    path = formats["onnx", numerics].path
    onnx.checker.check_model(str(path))
    content = path.read_bytes()
    for trace in (str(Path(torch.__file__).parent), str(Path(export.__file__).parent), Path(sys.prefix).name):
        assert trace.encode() not in content
    held = graph(formats, numerics)
    assert all(t.data_location == TensorProto.DEFAULT for t in held.initializer)
    (source,), (target,) = held.input, held.output
    assert (source.name, target.name) == ("args_0", "output_0")
    assert source.type.tensor_type.elem_type == target.type.tensor_type.elem_type == TensorProto.FLOAT
    first = source.type.tensor_type.shape.dim
    assert first[0].dim_param
    assert [d.dim_value for d in first[1:]] == [1, 8, 8]


@pytest.mark.parametrize(("numerics", "activations"), [("int8", np.int8), ("int16x8", np.int16)])
def test_static_files_have_scales_per_channel_and_activations_of_their_width(
    formats: Formats, numerics: str, activations: type[np.signedinteger[Any]]
) -> None:
    held = graph(formats, numerics)
    numbers = {t.name: numpy_helper.to_array(t) for t in held.initializer}
    quantize = [n for n in held.node if n.op_type == "QuantizeLinear"]
    assert {numbers[n.input[2]].dtype.type for n in quantize} == {activations}
    weights = [
        n for n in held.node if n.op_type == "DequantizeLinear" and numbers.get(n.input[0], np.zeros(0)).ndim > 1
    ]
    assert len(weights) == 4
    for node in weights:
        codes, scales, zeros = (numbers[name] for name in node.input)
        assert codes.dtype == np.int8
        assert scales.shape == zeros.shape == codes.shape[:1]
        assert not zeros.any()


def test_a_dynamic_file_computes_in_integers(formats: Formats) -> None:
    operations = [n.op_type for n in graph(formats, "int8-dynamic").node]
    assert operations.count("ConvInteger") == 3
    assert operations.count("MatMulInteger") == 1
    assert "Conv" not in operations


def test_activations_of_sixteen_bits_answer_closer_than_of_eight(
    network: nn.Module, formats: Formats, run: Runners, calibration: NDArray[np.float32]
) -> None:
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(calibration)).numpy()
    errors = {
        numerics: np.abs(run["onnx"](formats["onnx", numerics].path, calibration) - expected).mean()
        for numerics in ("int8", "int16x8")
    }
    assert errors["int16x8"] < 0.9 * errors["int8"]


def test_integer_weights_of_any_kind_are_read_with_their_scales(tmp_path: Path) -> None:
    """A weight that two nodes share is read once, one without a zero point is symmetric."""
    codes = np.array([[-3, 0, 7], [1, 2, 4]], dtype=np.int8)
    small = onnx.helper.make_graph(
        [
            onnx.helper.make_node("DequantizeLinear", ["w", "s"], ["w_float"], axis=0),
            onnx.helper.make_node("MatMul", ["x", "w_float"], ["y"]),
        ],
        "g",
        [onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 2])],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 3])],
        [numpy_helper.from_array(codes, "w"), numpy_helper.from_array(np.array([1, 10], np.float32), "s")],
    )
    path = tmp_path / "small.onnx"
    onnx.save(onnx.helper.make_model(small), str(path))
    (values,) = export.read_weights(path, "onnx", dequantize=True).values()
    assert values.tolist() == [[-3, 0, 7], [10, 20, 40]]
    (summary,) = export.weight_summary(path, "onnx")
    assert (summary.dtype, summary.bits, summary.distinct_values) == ("int8", 8, 6)
    assert summary.share_zeros == 1 / 6
