"""Which runtime takes which number format, with the upstream reason where it does not."""

from __future__ import annotations

from harness.compression import NUMERICS
from harness.errors import ConfigError

__all__ = ["RUNTIMES", "SUFFIXES", "require_support", "supports"]

RUNTIMES = ("litert", "executorch")
SUFFIXES = {"litert": ".tflite", "executorch": ".pte"}

# XNNPACK's quantizer of ExecuTorch 1.4 annotates only linear layers for dynamic activations, and torchao's 4-bit
# weights exist for linear layers alone; a convolutional network would stay in float32 under a quantized name.
_REASONS = {
    ("executorch", "int8-dynamic"): "ExecuTorch's XNNPACK quantizer has dynamic activations for linear layers only; "
    "convolutions would stay float32",
    ("executorch", "int4"): "ExecuTorch's 4-bit weights exist for linear layers only; convolutions would stay float32",
}


def supports(runtime: str, numerics: str) -> str | None:
    """Why a runtime cannot take a number format; None where it can.

    Raises:
        ConfigError: the runtime or the number format is not known.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime {runtime!r} is not known", hint=f"one of: {', '.join(RUNTIMES)}")
    if numerics not in NUMERICS:
        raise ConfigError(f"number format {numerics!r} is not known", hint=f"one of: {', '.join(NUMERICS)}")
    return _REASONS.get((runtime, numerics))


def require_support(runtime: str, numerics: str, *, variant: str) -> None:
    """Refuse a pair that :func:`supports` refuses.

    Raises:
        ConfigError: with the reason.
    """
    reason = supports(runtime, numerics)
    if reason is not None:
        raise ConfigError(f"variant {variant!r} on {runtime}: {reason}", hint="leave it out or use litert")
