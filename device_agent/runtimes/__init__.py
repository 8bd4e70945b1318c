"""The runtimes that can execute an artifact, one file each behind one small protocol."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from device_agent.errors import AgentError
from device_agent.runtimes._model import Array, InputSpec, Model, Quantization, Runtime, arrange
from device_agent.runtimes.executorch import ExecuTorchRuntime
from device_agent.runtimes.litert import LiteRtRuntime
from device_agent.runtimes.onnx import OnnxRuntime
from device_agent.runtimes.pytorch_mobile import PyTorchMobileRuntime

__all__ = [
    "RUNTIMES",
    "SUFFIXES",
    "Array",
    "InputSpec",
    "Model",
    "Quantization",
    "Runtime",
    "arrange",
    "check_magic",
    "providers",
]

# A new runtime is one file and one line in each of these tables.
RUNTIMES: dict[str, type[Runtime]] = {
    "litert": LiteRtRuntime,
    "executorch": ExecuTorchRuntime,
    "pytorch-mobile": PyTorchMobileRuntime,
    "onnx": OnnxRuntime,
}
SUFFIXES = {"litert": ".tflite", "executorch": ".pte", "pytorch-mobile": ".ptl", "onnx": ".onnx"}
_TITLES = {
    "litert": "a LiteRT file",
    "executorch": "an ExecuTorch program",
    "pytorch-mobile": "a PyTorch Mobile archive",
    "onnx": "an ONNX model",
}
# The packages that can provide a runtime, the preferred one first.
_PACKAGES = {
    "litert": ("ai-edge-litert", "tflite-runtime"),
    "executorch": ("executorch",),
    "pytorch-mobile": ("torch",),
    "onnx": ("onnxruntime",),
}
# Keys of ModelProto's fields beside `ir_version`: any of them may come second.
_ONNX_KEYS = frozenset((0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72))


def providers() -> dict[str, str]:
    """Runtime -> package and version that provides it here; what is not installed is absent. Imports nothing heavy."""
    found: dict[str, str] = {}
    for runtime, packages in _PACKAGES.items():
        for package in packages:
            try:
                found.setdefault(runtime, f"{package} {version(package)}")
            except PackageNotFoundError:
                continue
    return found


def check_magic(path: Path, *, runtime: str) -> None:
    """Refuse a file that is evidently not of this runtime, before a loader sees it.

    Raises:
        AgentError: INVALID_ARGUMENT saying what the file looks like.
    """
    with path.open("rb") as file:
        looks = _sniff(file.read(8))
    if looks == runtime:
        return
    guess = f"; it looks like {_TITLES[looks]}" if looks else "; it is of no format that this agent knows"
    raise AgentError("INVALID_ARGUMENT", f"the artifact is not {_TITLES[runtime]}{guess}")


def _sniff(head: bytes) -> str | None:
    if head[4:8] == b"TFL3":
        return "litert"
    if head[4:6] == b"ET" and head[6:8].isdigit():
        return "executorch"
    if head[:4] == b"PK\3\4":
        return "pytorch-mobile"
    # Protobuf has no magic. Every writer begins with the version, a small number; the loader finds out the rest.
    if len(head) > 2 and head[0] == 0x08 and 0 < head[1] < 0x80 and head[2] in _ONNX_KEYS:
        return "onnx"
    return None
