"""ONNX files (.onnx): torch's exporter converts, ONNX Runtime's tools quantize."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.export._source import INPUT_NAME, OUTPUT_NAME, Source
from harness.export._support import Limits
from harness.packages import require
from harness.types import Array

__all__ = ["LIMITS", "PACKAGES", "convert"]

PACKAGES = ("torch", "onnx", "onnxruntime", "onnxscript")
# ONNX Runtime 1.31's weight-only kernel (MatMulNBits) is of matrix products: a convolutional network would stay in
# float32 under a quantized name.
LIMITS = Limits(
    always={
        "int4": "ONNX Runtime's 4-bit weights exist for matrix products only; convolutions would stay float32",
        "int8-weights": "ONNX Runtime's weight-only quantization exists for matrix products only; "
        "convolutions would stay float32",
    }
)
# The first version of the operators with quantized activations of 16 bits.
OPSET = 21


def convert(source: Source, numerics: Sequence[str]) -> Iterator[bytes]:
    """The bytes of one .onnx file for each number format, the quantized ones from one float conversion.

    The batch axis is dynamic; inputs and outputs keep the model's types. ``fp16`` holds every weight in half precision
    and computes in it where the machine's kernels can, else in float32. ``int8`` and ``int16x8`` are QDQ graphs with
    weights per channel; ``int8-dynamic`` has one scale per tensor, the only form of ONNX Runtime's integer convolution.
    """
    require("torch", "onnx", "onnxruntime", "onnxscript", extra="onnx-export")
    # ONNX Runtime reports to its maker over the network unless this is set before its import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    plain = None
    for number_format in numerics:
        if number_format == "fp16":
            yield _float_file(_half(source), source)
            continue
        plain = plain if plain is not None else _float_file(source.model, source)
        yield plain if number_format == "fp32" else _quantized(plain, number_format, source.calibration)


def _float_file(model: Any, source: Source) -> bytes:
    """The float file, without the exporter's metadata (source lines, paths of this machine) and inferred shapes.

    The shapes include those of weights, which the dynamic quantizer transposes and then refuses as contradictory. Every
    reader infers shapes itself.
    """
    import torch

    batch = torch.export.Dim("batch", min=1, max=source.max_batch)
    with torch.no_grad():
        program: Any = torch.onnx.export(
            model,
            (source.example(),),
            dynamo=True,
            dynamic_shapes=({0: batch},),
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    proto = program.model_proto
    graph = proto.graph
    del graph.value_info[:]
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    return bytes(proto.SerializeToString())


def _half(source: Source) -> Any:
    from harness.export._half import HalfPrecision

    return HalfPrecision(copy.deepcopy(source.model)).eval()


def _quantized(plain: bytes, numerics: str, calibration: Array | None) -> bytes:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="edgeleak-") as folder:
        plain_path, prepared, quantized = (Path(folder, f"{name}.onnx") for name in ("float", "ready", "made"))
        plain_path.write_bytes(plain)
        # Shapes come from onnx's own inference: the symbolic one fails on transformers.
        quant_pre_process(str(plain_path), str(prepared), skip_symbolic_shape=True)
        if numerics == "int8-dynamic":
            quantize_dynamic(str(prepared), str(quantized), weight_type=QuantType.QUInt8)
        else:
            quantize_static(
                str(prepared),
                str(quantized),
                _one_batch(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QInt8 if numerics == "int8" else QuantType.QInt16,
            )
        return quantized.read_bytes()


def _one_batch(calibration: Array | None) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class OneBatch(CalibrationDataReader):  # type: ignore[misc]
        """Reader that returns all calibration records as one batch."""

        def __init__(self) -> None:
            self._batches = iter([{INPUT_NAME: calibration}])

        def get_next(self) -> dict[str, Array | None] | None:
            """The batch, then None."""
            return next(self._batches, None)

    return OneBatch()
