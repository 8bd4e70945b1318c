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

# Records of the test that a network has to pass.
N_TEST = 2


def custom(name: str, *, n_classes: int, in_shape: tuple[int, ...], vocabulary: int, folder: str | None) -> nn.Module:
    """Call the user's factory, and test its network on two records of noise.

    Args:
        name: ``package.module:factory``; called as ``factory(n_classes=..., in_shape=...)``.
        n_classes: number of classes.
        in_shape: shape of one record.
        vocabulary: number of token ids; 0 where records are float32.
        folder: searched for modules after Python's own search path; the current folder comes after it.

    Raises:
        ConfigError: the factory cannot be imported or called, or its network does not map records to finite logits.
    """
    call = f"model.name: {name}(n_classes={n_classes}, in_shape={in_shape})"
    factory = _imported(name, folder)
    try:
        model = factory(n_classes=n_classes, in_shape=in_shape)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{call} raised {_one_line(error)}", hint="the factory is called with these two keywords and no others"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{call} returned {type(model).__name__}, not a torch.nn.Module")
    records = torch.randint(1, vocabulary, (N_TEST, *in_shape)) if vocabulary else torch.randn(N_TEST, *in_shape)
    training = model.training
    try:
        with torch.no_grad():
            logits = model.eval()(records)
    except Exception as error:
        raise ConfigError(
            f"{call}: the model, called with {str(records.dtype).removeprefix('torch.')} {list(records.shape)}, raised "
            f"{_one_line(error)}"
        ) from error
    model.train(training)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (N_TEST, n_classes):
        shown = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(
            f"{call}: the model answers {N_TEST} records with {shown}, not with logits {[N_TEST, n_classes]}"
        )
    if not bool(torch.isfinite(logits).all()):
        raise ConfigError(f"{call}: the model answers noise with NaN or infinity", hint="check the initial weights")
    return model


def _imported(name: str, folder: str | None) -> Callable[..., object]:
    module, _, attribute = name.partition(":")
    if not attribute or not all(part.isidentifier() for part in [*module.split("."), attribute]):
        raise ConfigError(f"model.name: {name!r} is not of the form package.module:factory")
    # After the installed packages, so that a user's file with the name of one of them breaks nothing. The entries stay,
    # because a factory may import more when it is called.
    for entry in (folder, str(Path.cwd())):
        if entry is not None and entry not in sys.path:
            sys.path.append(entry)
    importlib.invalidate_caches()
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"model.name: {name}: {module} cannot be imported: {_one_line(error)}",
            hint="the search path is PYTHONPATH, the folder of the configuration and the current folder",
        ) from error
    factory = getattr(imported, attribute, None)
    if not callable(factory):
        raise ConfigError(f"model.name: {name}: {imported.__file__} has no function {attribute}")
    function: Callable[..., object] = factory
    return function


def _one_line(error: BaseException) -> str:
    """The error's type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
