"""The architectures; :func:`build` makes a model by name. Torch is imported when a model is built."""

from harness.models._registry import build, check, names

__all__ = ["build", "check", "names"]
