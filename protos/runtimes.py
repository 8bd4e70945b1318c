"""The runtimes: one row each, read by the agent, the host and the command line.

A new runtime is a row here, its number in ``agent.proto``, and the three modules that the row names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from protos.edgeleak.v1 import agent_pb2

__all__ = ["HEAD_BYTES", "RUNTIMES", "Runtime", "by_number", "by_suffix", "names", "recognised"]

# How much of a file's beginning `recognised` looks at.
HEAD_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One library that executes exported files.

    Args:
        name: what users and results call it.
        number: its enumerator in ``agent.proto``.
        suffix: of its files.
        title: what one of its files is called in a message, with its article.
        packages: distributions that can provide it where the agent runs, the preferred one first.
        magic: matches the first bytes of its files.
        agent_extra: the extra of this distribution that installs it where the agent runs.
        host_extra: the extra that installs its converter on the host.
        agent_module: loads and runs its files: ``load(path, threads=)`` and ``SHARES_THREADS``, see
            `device_agent.runtimes`.
        exporter: converts a torch model: ``PACKAGES``, ``LIMITS`` and ``convert(source, numerics)``, see
            `harness.export`.
        weight_reader: reads the weights back: ``read(data)``, see `harness.export`.
        delegates: what the agent lets run parts of a file in the place of the runtime's own kernels: all on the
            processor. No GPU and no accelerator is used.
    """

    name: str
    number: int
    suffix: str
    title: str
    packages: tuple[str, ...]
    magic: re.Pattern[bytes]
    agent_extra: str
    host_extra: str
    agent_module: str
    exporter: str
    weight_reader: str
    delegates: tuple[str, ...] = ()

    @property
    def wire(self) -> agent_pb2.Runtime:
        """The number as the generated stubs type it."""
        return cast("agent_pb2.Runtime", self.number)


# Modules are named and not imported: the agent has no exporters, the host no interpreters, and each brings a heavy
# library.
_ROWS = (
    Runtime(
        name="litert",
        number=1,
        suffix=".tflite",
        title="a LiteRT file",
        packages=("ai-edge-litert", "tflite-runtime"),
        magic=re.compile(rb".{4}TFL3", re.DOTALL),
        agent_extra="litert",
        host_extra="export",
        agent_module="device_agent.runtimes.litert",
        exporter="harness.export._litert",
        weight_reader="harness.export._read_tflite",
        delegates=("XNNPACK",),
    ),
    Runtime(
        name="executorch",
        number=2,
        suffix=".pte",
        title="an ExecuTorch program",
        packages=("executorch",),
        magic=re.compile(rb".{4}ET[0-9]{2}", re.DOTALL),
        agent_extra="executorch",
        host_extra="executorch",
        agent_module="device_agent.runtimes.executorch",
        exporter="harness.export._executorch",
        weight_reader="harness.export._read_pte",
        delegates=("XNNPACK",),
    ),
    Runtime(
        name="pytorch-mobile",
        number=3,
        suffix=".ptl",
        title="a PyTorch Mobile archive",
        packages=("torch",),
        magic=re.compile(rb"PK\x03\x04"),
        agent_extra="pytorch-mobile",
        host_extra="pytorch-mobile",
        agent_module="device_agent.runtimes.pytorch_mobile",
        exporter="harness.export._pytorch_mobile",
        weight_reader="harness.export._read_ptl",
    ),
    Runtime(
        name="onnx",
        number=4,
        suffix=".onnx",
        title="an ONNX model",
        packages=("onnxruntime",),
        # Protobuf has no magic. Every writer begins with `ir_version`, a small number; the key of any other field of
        # ModelProto may come second. The loader finds out the rest.
        magic=re.compile(rb"\x08[\x01-\x7f][\x12\x1a\x22\x28\x32\x3a\x42\x72]"),
        agent_extra="onnx",
        host_extra="onnx-export",
        agent_module="device_agent.runtimes.onnx",
        exporter="harness.export._onnx",
        weight_reader="harness.export._read_onnx",
    ),
)
RUNTIMES: dict[str, Runtime] = {row.name: row for row in _ROWS}


def names() -> str:
    """The known runtimes in one line, for messages."""
    return ", ".join(RUNTIMES)


def by_number(number: int) -> Runtime | None:
    """The runtime of an enumerator of ``agent.proto``; None where the other side knows one that this side does not."""
    return next((row for row in RUNTIMES.values() if row.number == number), None)


def by_suffix(suffix: str) -> Runtime | None:
    """The runtime whose files end so, e.g. ``.tflite``."""
    return next((row for row in RUNTIMES.values() if row.suffix == suffix), None)


def recognised(head: bytes) -> Runtime | None:
    """The runtime whose files begin so.

    Args:
        head: the first `HEAD_BYTES` bytes, or all of a shorter file.
    """
    return next((row for row in RUNTIMES.values() if row.magic.match(head)), None)
