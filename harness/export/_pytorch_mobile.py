"""PyTorch Mobile files (.ptl): TorchScript by tracing, torch.ao's quantization for QNNPACK."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from harness.export._pickled import renumbered
from harness.export._source import INPUT_NAME, Source
from harness.export._support import Limits
from harness.packages import require

__all__ = ["LIMITS", "PACKAGES", "convert"]

PACKAGES = ("torch",)
# torch.ao's dynamic convolutions exist, and answer wrongly: on a 3 x 3 layer, with either engine, by up to the whole
# range of the output.
LIMITS = Limits(
    always={
        "fp16": "PyTorch Mobile's convolution and linear kernels on the CPU have no half precision",
        "int4": "QNNPACK's convolutions have no 4-bit weights",
        "int8-weights": "QNNPACK has no kernels for int8 weights with float activations",
        "int16x8": "QNNPACK has no 16-bit activations",
    },
    convolutions={
        "int8-dynamic": "PyTorch Mobile's dynamic activations are sound for linear layers only; "
        "convolutions would stay float32",
    },
    text={"int8": "PyTorch Mobile's static quantization goes through torch.fx, which cannot trace transformers"},
)
# The quantized kernels of phones. Weights are packed for the engine that is set at that time.
ENGINE = "qnnpack"
# The format has no description of a model's inputs; this member of the archive holds it.
INPUTS = "extra/inputs.json"
# Members that the lite interpreter reads. The rest of a TorchScript archive is source code, with paths of this machine.
RUNTIME_MEMBERS = ("bytecode.pkl", "data.pkl", "constants.pkl")
RUNTIME_FOLDERS = ("data/", "constants/")


def convert(source: Source, numerics: Sequence[str]) -> Iterator[bytes]:
    """The bytes of one .ptl file for each number format.

    The batch axis is as dynamic as the model's own operations. ``int8`` is static: weights per channel, activations
    from the histogram of the calibration batch. ``int8-dynamic`` has one scale per tensor in linear layers, and
    quantizes activations at inference.
    """
    require("torch")
    for number_format in numerics:
        if number_format == "int8":
            model = _static(source)
        elif number_format == "int8-dynamic":
            model = _dynamic(source)
        else:
            model = source.model
        # torch.fx has traced the static model, so it has no branches; its constants would cause warnings.
        yield _archive(_traced(model, source, may_branch=number_format != "int8"), source)


def _traced(model: Any, source: Source, *, may_branch: bool) -> bytes:
    import torch
    from torch.jit._trace import TracerWarning

    with torch.no_grad(), _engine(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TracerWarning)
        traced = cast(Any, torch.jit.trace)(model, source.example(), check_trace=False)
        content = bytes(traced._save_to_buffer_for_lite_interpreter())
    for warning in caught:
        if may_branch and issubclass(warning.category, TracerWarning):
            # Tracing would fix a branch that depends on the records as the example takes it.
            line = f"{Path(warning.filename).name} line {warning.lineno}"
            reason = str(warning.message).partition(". ")[0]
            raise ValueError(f"the network cannot be traced: {line}: {reason}")
    return content


def _static(source: Source) -> Any:
    import torch
    from torch.ao import quantization
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    # QNNPACK's default except for the weights, which have one scale per channel as in the other runtimes.
    observer = quantization.HistogramObserver.with_args(reduce_range=False)
    config = cast(Any, quantization.QConfig)(observer, quantization.default_per_channel_weight_observer)
    mapping = quantization.QConfigMapping().set_global(config)
    with torch.no_grad(), _engine():
        try:
            prepared = prepare_fx(copy.deepcopy(source.model), mapping, (source.example(),))
        except Exception as error:  # the network's own code may raise anything on the tracer's proxies
            raise ValueError(f"static quantization needs a network that torch.fx can trace: {error}") from None
        prepared(source.ranges())
        return convert_fx(prepared)


def _dynamic(source: Source) -> Any:
    import torch
    from torch import nn
    from torch.ao.quantization import quantize_dynamic

    with torch.no_grad(), _engine():
        return cast(Any, quantize_dynamic)(source.model, {nn.Linear})


def _archive(traced: bytes, source: Source) -> bytes:
    """The members that the lite interpreter reads, and the model's inputs; equal models give equal bytes."""
    import torch

    inputs = [{"name": INPUT_NAME, "dtype": source.sample_dtype, "shape": list(source.sample_shape)}]
    reader = torch._C.PyTorchFileReader(io.BytesIO(traced))
    names = [n for n in reader.get_all_records() if n in RUNTIME_MEMBERS or n.startswith(RUNTIME_FOLDERS)]
    members = dict(zip(names, renumbered({n: bytes(reader.get_record(n)) for n in names}).values(), strict=True))
    members[INPUTS] = json.dumps({"inputs": inputs}).encode()
    output = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(output)
    for name, content in members.items():
        writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    return output.getvalue()


@contextlib.contextmanager
def _engine() -> Iterator[None]:
    """Set QNNPACK as the engine; restore the previous one afterwards."""
    import torch

    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = ENGINE
    try:
        yield
    finally:
        torch.backends.quantized.engine = before
