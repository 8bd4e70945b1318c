"""Which runtime takes which number format, with the upstream reason where it does not."""

from __future__ import annotations

from harness.compression import NUMERICS
from harness.errors import ConfigError

__all__ = ["RUNTIMES", "STATIC", "SUFFIXES", "require_support", "supports"]

RUNTIMES = ("litert", "executorch", "pytorch-mobile", "onnx")
SUFFIXES = {"litert": ".tflite", "executorch": ".pte", "pytorch-mobile": ".ptl", "onnx": ".onnx"}
# Number formats whose activations have fixed ranges, measured on calibration records.
STATIC = ("int8", "int16x8")

# Torchao's 4-bit weights exist for linear layers alone; so do ONNX Runtime 1.31's weight-only context (MatMulNBits). A
# convolutional network would stay in float32 under a quantized name.
_REASONS = {
    ("executorch", "int4"): "ExecuTorch's 4-bit weights exist for linear layers only, in groups of 32 with activations "
    "in 8 bits, which is another scheme; convolutions would stay float32",
    ("executorch", "int8-weights"): "ExecuTorch's XNNPACK quantizer has no weight-only scheme",
    ("executorch", "int16x8"): "ExecuTorch's XNNPACK backend has no 16-bit activations",
    ("pytorch-mobile", "fp16"): "PyTorch Mobile's convolution and linear kernels on the CPU have no half precision",
    ("pytorch-mobile", "int4"): "QNNPACK's convolutions have no 4-bit weights",
    ("pytorch-mobile", "int8-weights"): "QNNPACK has no kernels for int8 weights with float activations",
    ("pytorch-mobile", "int16x8"): "QNNPACK has no 16-bit activations",
    ("onnx", "int4"): "ONNX Runtime's 4-bit weights exist for matrix products only; convolutions would stay float32",
    ("onnx", "int8-weights"): "ONNX Runtime's weight-only quantization exists for matrix products only; "
    "convolutions would stay float32",
}
# The same of networks with convolutions. XNNPACK's quantizer of ExecuTorch 1.4 annotates linear layers alone for
# dynamic activations, and so does torch.ao; its dynamic convolutions exist, and answer wrongly: on a 3 x 3 layer, with
# either engine, by up to the whole range of the output.
_REASONS_OF_CONVOLUTIONS = {
    ("executorch", "int8-dynamic"): "ExecuTorch's XNNPACK quantizer has dynamic activations for linear layers only; "
    "convolutions would stay float32",
    ("pytorch-mobile", "int8-dynamic"): "PyTorch Mobile's dynamic activations are sound for linear layers only; "
    "convolutions would stay float32",
}
# The same of networks for text.
_REASONS_OF_TEXT = {
    ("pytorch-mobile", "int8"): "PyTorch Mobile's static quantization goes through torch.fx, which cannot trace "
    "transformers",
}


def supports(runtime: str, numerics: str, *, convolutions: bool = True, text: bool = False) -> str | None:
    """Why a runtime cannot take a number format; None where it can.

    Args:
        runtime: one of :data:`RUNTIMES`.
        numerics: one of ``NUMERICS``.
        convolutions: whether the network has some; linear layers alone have more formats.
        text: whether it is a transformer for token ids.

    Raises:
        ConfigError: the runtime or the number format is not known.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime {runtime!r} is not known", hint=f"one of: {', '.join(RUNTIMES)}")
    if numerics not in NUMERICS:
        raise ConfigError(f"number format {numerics!r} is not known", hint=f"one of: {', '.join(NUMERICS)}")
    pair = (runtime, numerics)
    reason = _REASONS_OF_TEXT.get(pair) if text else _REASONS_OF_CONVOLUTIONS.get(pair) if convolutions else None
    return _REASONS.get(pair) or reason


def require_support(runtime: str, numerics: str, *, variant: str, convolutions: bool) -> None:
    """Refuse a pair that :func:`supports` refuses.

    Raises:
        ConfigError: with the reason.
    """
    reason = supports(runtime, numerics, convolutions=convolutions)
    if reason is not None:
        raise ConfigError(f"variant {variant!r} on {runtime}: {reason}", hint="leave it out or use litert")
