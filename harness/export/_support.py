"""Which runtime takes which number format, with the upstream reason where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from harness.compression import NUMERICS
from harness.errors import ConfigError
from protos.runtimes import RUNTIMES, Runtime, names

__all__ = ["STATIC", "Limits", "exporter", "require_runtime", "require_support", "supports"]

# Number formats whose activations have fixed ranges, measured on calibration records.
STATIC = ("int8", "int16x8")


@dataclass(frozen=True)
class Limits:
    """The number formats that a runtime does not take: format -> the upstream reason, one sentence without a full stop.

    Args:
        always: of every network.
        convolutions: of networks that have some; linear layers alone have more formats.
        text: of transformers for token ids.
    """

    always: Mapping[str, str] = field(default_factory=dict)
    convolutions: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)


def require_runtime(name: str) -> Runtime:
    """The row of a runtime.

    Raises:
        ConfigError: it is not known.
    """
    if name not in RUNTIMES:
        raise ConfigError(f"runtime {name!r} is not known", hint=f"one of: {names()}")
    return RUNTIMES[name]


def exporter(runtime: str) -> Any:
    """The module that converts for a runtime, imported where it is wanted; its heavy library comes with a conversion.

    It has ``PACKAGES``, the distributions that take part; ``LIMITS``; and ``convert(source, numerics)``, which yields
    the bytes of one file for each number format.

    Raises:
        ConfigError: the runtime is not known.
    """
    return import_module(require_runtime(runtime).exporter)


def supports(runtime: str, numerics: str, *, convolutions: bool = True, text: bool = False) -> str | None:
    """Why a runtime cannot take a number format; None where it can.

    Args:
        runtime: a key of `protos.runtimes.RUNTIMES`.
        numerics: one of ``NUMERICS``.
        convolutions: whether the network has some.
        text: whether it is a transformer for token ids.

    Raises:
        ConfigError: the runtime or the number format is not known.
    """
    limits: Limits = exporter(runtime).LIMITS
    if numerics not in NUMERICS:
        raise ConfigError(f"number format {numerics!r} is not known", hint=f"one of: {', '.join(NUMERICS)}")
    narrower = limits.text if text else limits.convolutions if convolutions else {}
    return limits.always.get(numerics) or narrower.get(numerics)


def require_support(runtime: str, numerics: str, *, variant: str, convolutions: bool) -> None:
    """Refuse a pair that :func:`supports` refuses.

    Raises:
        ConfigError: with the reason.
    """
    reason = supports(runtime, numerics, convolutions=convolutions)
    if reason is not None:
        raise ConfigError(f"variant {variant!r} on {runtime}: {reason}", hint="leave it out or use litert")
