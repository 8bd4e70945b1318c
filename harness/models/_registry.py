"""The architectures by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.errors import ConfigError
from harness.models._require import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "names"]

Builder = Callable[[int, tuple[int, ...], int], "nn.Module"]


def _cnn(n_classes: int, in_shape: tuple[int, ...], width: int) -> nn.Module:
    from harness.models._cnn import SmallCnn

    return SmallCnn(n_classes=n_classes, channels=in_shape[0], width=width)


def _resnet18(n_classes: int, in_shape: tuple[int, ...], width: int) -> nn.Module:
    from harness.models._resnet import ResNet18

    return ResNet18(n_classes=n_classes, channels=in_shape[0], width=width)


_BUILDERS: dict[str, Builder] = {"cnn": _cnn, "resnet18": _resnet18}


def names() -> tuple[str, ...]:
    """The names that :func:`build` knows, sorted."""
    return tuple(sorted(_BUILDERS))


def build(name: str, *, n_classes: int, in_shape: Sequence[int], width: int, seed: int = 0) -> nn.Module:
    """Make a freshly initialised network that maps ``[b, C, H, W]`` to logits ``[b, n_classes]``.

    Args:
        name: ``cnn`` (three convolutions with batch norm) or ``resnet18`` (the form for 32 x 32 images).
        n_classes: number of classes, at least 2.
        in_shape: shape of one record, ``(C, H, W)``.
        width: channels of the first layer.
        seed: seed of the initial weights; equal arguments give equal weights, and torch's own generator is left alone.

    Raises:
        ConfigError: the name is not known, or a number is impossible.
        DependencyError: torch is not installed.
    """
    if name not in _BUILDERS:
        raise ConfigError(f"model {name!r} is not known", hint=f"one of: {', '.join(names())}")
    if width < 1:
        raise ConfigError(f"model {name}: width {width} must be at least 1")
    if n_classes < 2:
        raise ConfigError(f"model {name}: {n_classes} classes; at least 2 are needed")
    if len(in_shape) != 3 or min(in_shape) < 1:
        raise ConfigError(f"model {name}: records of shape {tuple(in_shape)}; (channels, height, width) is expected")
    require("torch")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _BUILDERS[name](n_classes, tuple(in_shape), width)
