"""The bundled example: inside the package where it is installed, beside it in a checkout."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from harness.errors import UsageError

__all__ = ["example"]

NAME = "digits.toml"


def example() -> Traversable:
    """The example's audit.toml.

    Raises:
        UsageError: it is neither in the package nor beside it.
    """
    inside = resources.files("harness") / "examples" / NAME
    beside = Path(__file__).parents[2] / "examples" / NAME
    for place in (inside, beside):
        if place.is_file():
            return place
    raise UsageError(f"{inside}: the bundled example is missing", hint="install edgeleak again")
