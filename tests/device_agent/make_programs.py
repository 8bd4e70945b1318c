"""Exports ExecuTorch programs of every kind, with the Python runtime's own answers: in a process of its own.

Arguments: the folder. Beside each ``NAME.pte`` lies ``NAME.npz``: inputs and outputs of several batches, by
``BATCH/in/POSITION`` and ``BATCH/out/POSITION``.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import executorch.kernels.quantized  # noqa: E402, F401 - its kernels register themselves
import numpy as np  # noqa: E402
import torch  # noqa: E402
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner  # noqa: E402
from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower  # noqa: E402
from executorch.exir.passes import MemoryPlanningPass  # noqa: E402
from executorch.extension.pybindings import portable_lib  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.export import Dim, export  # noqa: E402

from harness import compression, models  # noqa: E402
from harness.export import Target, export_many, supports  # noqa: E402
from tests.device_agent.make_models import Net, Text  # noqa: E402

# No size of any other axis: the lowering takes a tensor whose axes agree with an example for one of fixed size.
LIMIT = 11
BATCHES = (1, 3, LIMIT)
SHAPE = (1, 8, 8)


class Several(nn.Module):
    """Two inputs of different types, three outputs of different shapes and types."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.net(x) + shift.to(torch.float32)
        return logits, logits.argmax(1, keepdim=True), logits > 0


def lowered(model: nn.Module, arguments: tuple[Tensor, ...], *, delegate: bool = True, planned: bool = True) -> bytes:
    shapes = tuple({0: Dim("batch", min=1, max=LIMIT)} for _ in arguments)
    program = export(model, arguments, dynamic_shapes=shapes)
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()] if delegate else [])
    planning = MemoryPlanningPass(alloc_graph_input=planned, alloc_graph_output=planned)
    return bytes(edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning)).buffer)


def quantized(model: nn.Module, arguments: tuple[Tensor, ...]) -> nn.Module:
    """Quantize and dequantize operators, which no delegate takes over."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    shapes = tuple({0: Dim("batch", min=1, max=LIMIT)} for _ in arguments)
    graph = export(model.eval(), arguments, dynamic_shapes=shapes).module()
    prepared = prepare_pt2e(graph, XNNPACKQuantizer().set_global(get_symmetric_quantization_config()))
    prepared(*arguments)
    converted: nn.Module = convert_pt2e(prepared)
    return converted


def answers(path: Path, inputs: Sequence[Tensor]) -> list[np.ndarray[Any, Any]]:
    method = portable_lib._load_program(str(path)).load_method("forward")
    return [output.clone().contiguous().numpy() for output in method(list(inputs))]


def fed(name: str, n: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(n)
    images = torch.randn((n, *SHAPE), generator=generator)
    if name == "text":
        return torch.randint(0, 50, (n, 6), generator=generator), torch.randint(0, 2, (n, 6), generator=generator)
    if name == "several":
        return images, torch.randint(0, 9, (n, 10), generator=generator, dtype=torch.int32)
    if name == "layout":
        return (torch.randn((n, 3, 8, 8), generator=generator).to(memory_format=torch.channels_last),)
    return (images.reshape(n, 64),) if name.startswith("mlp") else (images,)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        images, net = fed("net", LIMIT), Net().eval()
        programs = {
            "delegated": lowered(net, images),
            "portable": lowered(net, images, delegate=False),
            "unplanned": lowered(net, images, planned=False),
            "quantized-kernels": lowered(quantized(net, images), images, delegate=False),
            "several": lowered(Several().eval(), fed("several", LIMIT)),
            "text": lowered(Text().eval(), fed("text", LIMIT)),
            "layout": lowered(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), fed("layout", LIMIT), delegate=False),
        }
        for name, program in programs.items():
            (folder / f"{name}.pte").write_bytes(program)
        # What the product's own exporter writes, in each number format that it takes for this runtime.
        for architecture in ("cnn", "mlp"):
            shape = SHAPE if architecture == "cnn" else (64,)
            model = models.build(architecture, n_classes=10, in_shape=shape, width=8)
            targets = [
                Target(n, n, folder / f"{architecture}-{n}.pte", {})
                for n in compression.NUMERICS
                if supports("executorch", n, convolutions=architecture == "cnn") is None
            ]
            export_many(
                model, runtime="executorch", targets=targets, sample_shape=shape,
                calibration=images[0].reshape(LIMIT, *shape).numpy(), max_batch=LIMIT,
            )  # fmt: skip
    portable_lib._unsafe_reset_threadpool(1)
    for path in sorted(folder.glob("*.pte")):
        table: dict[str, Any] = {}
        for n in BATCHES:
            inputs = fed(path.stem, n)
            outputs = answers(path, inputs)
            table |= {f"{n}/in/{i}": x.contiguous().numpy() for i, x in enumerate(inputs)}
            table |= {f"{n}/out/{i}": y for i, y in enumerate(outputs)}
        np.savez(path.with_suffix(".npz"), **table)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
