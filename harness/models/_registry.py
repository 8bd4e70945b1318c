"""The table of architectures by name."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from harness.errors import ConfigError
from harness.packages import require

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "check", "names"]


@dataclass(frozen=True)
class _Architecture:
    """One of this package's networks, imported when it is built.

    Args:
        kind: kind of record that it takes: ``image``, ``table`` or ``text``.
        module: module of this package.
        name: its class; called with ``n_classes``, ``in_shape``, ``width``, for text also with ``vocabulary``,
            ``layers``, ``heads`` and ``pretrained``.
    """

    kind: str
    module: str
    name: str


_ARCHITECTURES = {
    "bert": _Architecture("text", "_bert", "Bert"),
    "cnn": _Architecture("image", "_cnn", "SmallCnn"),
    "densenet121": _Architecture("image", "_densenet121", "DenseNet121"),
    "gpt2": _Architecture("text", "_gpt2", "Gpt2"),
    "mlp": _Architecture("table", "_mlp", "Mlp"),
    "mobilenetv2": _Architecture("image", "_mobilenetv2", "MobileNetV2"),
    "resnet18": _Architecture("image", "_resnet18", "ResNet18"),
    "resnet50": _Architecture("image", "_resnet50", "ResNet50"),
    "vgg16-bn": _Architecture("image", "_vgg16", "Vgg16"),
}


def names() -> tuple[str, ...]:
    """The names of this package's architectures, sorted."""
    return tuple(sorted(_ARCHITECTURES))


def check(
    name: str,
    *,
    n_classes: int,
    in_shape: Sequence[int],
    width: int,
    vocabulary: int = 0,
    heads: int = 2,
) -> None:
    """Check a model's configuration without building the model or importing torch.

    Args:
        name: see :func:`build`, as the other arguments.

    Raises:
        ConfigError: the name is not known, a number is out of range, or the network takes another kind of record.
    """
    if name not in _ARCHITECTURES and ":" not in name:
        raise ConfigError(
            f"model.name: {name!r} is not known", hint=f"one of: {', '.join(names())}; or package.module:factory"
        )
    if width < 1:
        raise ConfigError(f"model {name}: width {width} is too small; it must be at least 1")
    if n_classes < 2:
        raise ConfigError(f"model {name}: {n_classes} classes; at least 2 are needed")
    kind = _kind(name, tuple(in_shape), vocabulary)
    if name not in _ARCHITECTURES:
        return
    if _ARCHITECTURES[name].kind != kind:
        raise ConfigError(
            f"model {name}: it takes {_ARCHITECTURES[name].kind} records, the data set has {kind} records of shape "
            f"{tuple(in_shape)}",
            hint=f"for {kind} records: {', '.join(n for n in names() if _ARCHITECTURES[n].kind == kind)}",
        )
    if kind == "text" and width % heads:
        raise ConfigError(f"model {name}: width {width} is not a multiple of heads {heads}")


def build(
    name: str,
    *,
    n_classes: int,
    in_shape: Sequence[int],
    width: int,
    seed: int = 0,
    vocabulary: int = 0,
    layers: int = 2,
    heads: int = 2,
    pretrained: str | None = None,
    shift: int = 0,
    folder: str | None = None,
) -> nn.Module:
    """Make a freshly initialised network that maps records ``[b, *in_shape]`` to logits ``[b, n_classes]``.

    Args:
        name: one of :func:`names`, or ``package.module:factory`` for the user's own network, made by
            ``factory(n_classes=..., in_shape=...)``.
        n_classes: number of classes, at least 2.
        in_shape: shape of one record: ``(C, H, W)`` for images, ``(d,)`` for tables, ``(sequence,)`` for text.
        width: channels of the first layer, units of a hidden layer, or the size of a token's vector.
        seed: seed of the initial weights; equal arguments give equal weights; torch's global generator is unchanged.
        vocabulary: number of token ids where records are text (int64, 0 is padding); 0 where they are float32.
        layers: layers of a network for text.
        heads: attention heads of each of them; ``width`` is a multiple.
        pretrained: folder of a text network's initial weights; its width, layers and heads then apply.
        shift: difference between a data set's token id and that folder's id of the same token; lower ids are padding.
        folder: folder to import the user's own factory from, besides PYTHONPATH and the current folder.

    Raises:
        ConfigError: as :func:`check`; also where the user's factory or folder cannot be used.
        DependencyError: torch, or transformers for a network for text, is not installed.
    """
    check(name, n_classes=n_classes, in_shape=in_shape, width=width, vocabulary=vocabulary, heads=heads)
    shape = tuple(int(d) for d in in_shape)
    architecture = _ARCHITECTURES.get(name)
    of_text = architecture is not None and architecture.kind == "text"
    if pretrained is not None and not of_text:
        raise ConfigError(
            f"model.pretrained: {name} does not start from a folder's weights", hint="leave it out, or use bert or gpt2"
        )
    require("torch")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture is None:
            from harness.models._custom import custom

            return custom(name, n_classes=n_classes, in_shape=shape, vocabulary=vocabulary, folder=folder)
        options: dict[str, object] = {"n_classes": n_classes, "in_shape": shape, "width": width}
        if of_text:
            require("transformers", extra="text")
            options |= {"vocabulary": vocabulary, "layers": layers, "heads": heads}
            options |= {"pretrained": pretrained, "shift": shift}
        network: nn.Module = getattr(_imported(architecture.module), architecture.name)(**options)
        return network


def _kind(name: str, shape: tuple[int, ...], vocabulary: int) -> str:
    """The kind of records of this shape."""
    if min(shape, default=0) < 1 or len(shape) not in (1, 3):
        raise ConfigError(
            f"model {name}: records of shape {shape}; expected (channels, height, width) for images, (values,) for "
            f"tables, (tokens,) for text"
        )
    if len(shape) == 3:
        return "image"
    return "text" if vocabulary else "table"


def _imported(module: str) -> ModuleType:
    """Import a module of this package without the messages that the transformers library logs on import."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        return importlib.import_module(f"harness.models.{module}")
    finally:
        logging.disable(before)
