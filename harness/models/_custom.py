"""The user's own network: a factory named ``package.module:factory``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.errors import ConfigError

__all__ = ["custom"]

# Records that a network is tried on.
TRIED = 2


def custom(name: str, *, n_classes: int, in_shape: tuple[int, ...], vocabulary: int, folder: str | None) -> nn.Module:
    """Call the user's factory, and try what it made on two records of noise.

    Args:
        name: ``package.module:factory``; called as ``factory(n_classes=..., in_shape=...)``.
        n_classes: number of classes.
        in_shape: shape of one record.
        vocabulary: number of token ids; 0 where records are float32.
        folder: where modules are looked for behind everything that Python looks through; the current folder comes next.

    Raises:
        ConfigError: it cannot be imported or called, or what it returns does not map records to finite logits.
    """
    call = f"model.name: {name}(n_classes={n_classes}, in_shape={in_shape})"
    factory = _imported(name, folder)
    try:
        model = factory(n_classes=n_classes, in_shape=in_shape)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{call} raised {_told(error)}", hint="the factory is called with these two keywords and no others"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{call} returned {type(model).__name__}, not a torch.nn.Module")
    records = torch.randint(1, vocabulary, (TRIED, *in_shape)) if vocabulary else torch.randn(TRIED, *in_shape)
    training = model.training
    try:
        with torch.no_grad():
            logits = model.eval()(records)
    except Exception as error:
        raise ConfigError(
            f"{call}: the model, asked about {str(records.dtype).removeprefix('torch.')} {list(records.shape)}, raised "
            f"{_told(error)}"
        ) from error
    model.train(training)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (TRIED, n_classes):
        shown = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(
            f"{call}: the model answers {TRIED} records with {shown}, not with logits {[TRIED, n_classes]}"
        )
    if not bool(torch.isfinite(logits).all()):
        raise ConfigError(f"{call}: the model answers noise with NaN or infinity")
    return model


def _imported(name: str, folder: str | None) -> Callable[..., object]:
    module, _, attribute = name.partition(":")
    if not attribute or not all(part.isidentifier() for part in [*module.split("."), attribute]):
        raise ConfigError(f"model.name: {name!r} is not of the form package.module:factory")
    # Behind the installed packages, so that a file of the user's named like one of them breaks nothing; for good,
    # because a factory may import more when it is called.
    for place in (folder, str(Path.cwd())):
        if place is not None and place not in sys.path:
            sys.path.append(place)
    importlib.invalidate_caches()
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"model.name: {name}: {module} cannot be imported: {_told(error)}",
            hint="it is looked for in PYTHONPATH, in the folder of the configuration and in the current folder",
        ) from error
    factory = getattr(found, attribute, None)
    if not callable(factory):
        raise ConfigError(f"model.name: {name}: {found.__file__} has no function {attribute}")
    made: Callable[..., object] = factory
    return made


def _told(error: BaseException) -> str:
    """An error on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
