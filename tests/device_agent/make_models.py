"""Exports the small models of the device tests into the folder given: run in a process of its own, for its imports."""

from __future__ import annotations

import copy
import json
import logging
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import flatbuffers  # noqa: E402
import litert_torch  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from ai_edge_litert import schema_py_generated as schema  # noqa: E402
from ai_edge_quantizer import Quantizer, recipe  # noqa: E402
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner  # noqa: E402
from executorch.exir import to_edge_transform_and_lower  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.export import Dim, export  # noqa: E402


class Net(nn.Module):
    """A conv net on [1, 8, 8] with ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.linear = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(torch.relu(self.conv(x)).mean((2, 3)))
        return logits


class Confident(Net):
    """The same with a softmax."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(super().forward(x), 1)


class Root(Net):
    """The same over the square root of the pixels: NaN for a record with a negative one."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.sqrt(x))


class Text(nn.Module):
    """Token ids and a mask of six tokens, three logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.linear = nn.Linear(8, 3)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.linear((self.embedding(ids) * mask.unsqueeze(-1).to(torch.float32)).sum(1))
        return logits


def litert(model: nn.Module, arguments: tuple[Tensor, ...], path: Path, *, dynamic: bool) -> None:
    shapes = tuple({0: Dim("batch", min=1, max=256)} for _ in arguments) if dynamic else None
    litert_torch.convert(model.eval(), arguments, dynamic_shapes=shapes).export(str(path))


def executorch(model: nn.Module, arguments: tuple[Tensor, ...], path: Path, *, dynamic: bool) -> None:
    shapes = tuple({0: Dim("batch", min=1, max=256)} for _ in arguments) if dynamic else None
    program = export(model.eval(), arguments, dynamic_shapes=shapes)
    path.write_bytes(to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)


def mobile(model: nn.Module, arguments: tuple[Tensor, ...], path: Path) -> None:
    dtypes = [str(a.dtype).removeprefix("torch.") for a in arguments]
    inputs = [
        {"name": f"args_{i}", "dtype": dtype, "shape": list(a.shape[1:])}
        for i, (a, dtype) in enumerate(zip(arguments, dtypes, strict=True))
    ]
    traced = torch.jit.trace(model.eval(), arguments)  # type: ignore[no-untyped-call]
    traced._save_for_lite_interpreter(str(path), _extra_files={"inputs.json": json.dumps({"inputs": inputs})})


def onnx(model: nn.Module, arguments: tuple[Tensor, ...], path: Path, *, dynamic: bool) -> None:
    shapes = tuple({0: Dim("batch", min=1, max=256)} for _ in arguments) if dynamic else None
    names = [f"args_{i}" for i in range(len(arguments))]
    torch.onnx.export(
        model.eval(), arguments, path, dynamo=True, dynamic_shapes=shapes, input_names=names, external_data=False
    )


def with_uint8_input(int8: bytes) -> bytes:
    """The same network with an input in uint8, as older converters write it: one operator shifts its zero point."""
    model = schema.ModelT.InitFromPackedBuf(int8)
    graph = model.subgraphs[0]
    (inner,) = graph.inputs
    outer = copy.deepcopy(graph.tensors[inner])
    outer.name, outer.type = b"pixels", schema.TensorType.UINT8
    outer.quantization.zeroPoint = graph.tensors[inner].quantization.zeroPoint + 128
    graph.tensors.append(outer)
    code, shift = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    model.operatorCodes.append(code)
    shift.opcodeIndex = len(model.operatorCodes) - 1
    shift.inputs, shift.outputs = [len(graph.tensors) - 1], [inner]
    graph.operators.insert(0, shift)
    graph.inputs = shift.inputs
    model.signatureDefs[0].inputs[0].tensorIndex = shift.inputs[0]
    builder = flatbuffers.Builder(len(int8))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main(folder: Path) -> None:
    torch.manual_seed(0)
    net, text = Net().eval(), Text().eval()
    images = torch.rand(64, 1, 8, 8)
    ids = torch.randint(0, 50, (64, 6))
    mask = torch.randint(0, 2, (64, 6))
    confident = Confident().eval()
    confident.load_state_dict(net.state_dict())
    for name, model, arguments in (("net", net, (images,)), ("sqrt", Root(), (images,))):
        litert(model, arguments, folder / f"{name}.tflite", dynamic=True)
        executorch(model, arguments, folder / f"{name}.pte", dynamic=True)
    mobile(net, (images[:2],), folder / "net.ptl")
    mobile(text, (ids[:2], mask[:2]), folder / "text.ptl")
    onnx(net, (images,), folder / "net.onnx", dynamic=True)
    onnx(text, (ids, mask), folder / "text.onnx", dynamic=True)
    onnx(net, (images[:4],), folder / "baked.onnx", dynamic=False)
    # This converter cannot look up embeddings under a dynamic batch: a file of one, which the agent feeds in pieces.
    litert(text, (ids[:1], mask[:1]), folder / "text.tflite", dynamic=False)
    executorch(text, (ids, mask), folder / "text.pte", dynamic=True)
    litert(confident, (images,), folder / "confident.tflite", dynamic=True)
    litert(net, (images[:1],), folder / "baked.tflite", dynamic=False)
    executorch(net, (images[:4],), folder / "baked.pte", dynamic=False)
    quantizer = Quantizer(str(folder / "net.tflite"), recipe.static_wi8_ai8())
    calibration = quantizer.calibrate({"serving_default": [{"args_0": images.numpy()}]})
    quantized = quantizer.quantize(calibration, enable_progress_report=False).quantized_model
    (folder / "int8.tflite").write_bytes(bytes(quantized))
    (folder / "uint8.tflite").write_bytes(with_uint8_input(bytes(quantized)))
    with torch.no_grad():
        np.savez(
            folder / "expected.npz",
            images=images.numpy(),
            logits=net(images).numpy(),
            ids=ids.numpy(),
            mask=mask.numpy(),
            text_logits=text(ids, mask).numpy(),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
