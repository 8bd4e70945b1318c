"""The table of attacks: a dict, a decorator that refuses duplicates, and an entry point for other packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeVar

from harness.attacks._base import BaseAttack
from harness.errors import UsageError

__all__ = ["ENTRY_POINT_GROUP", "REGISTRY", "attack_class", "names", "register"]

ENTRY_POINT_GROUP = "edgeleak.attacks"
REGISTRY: dict[str, type[BaseAttack]] = {}

A = TypeVar("A", bound=type[BaseAttack])


def register(name: str) -> Callable[[A], A]:
    """Register an attack class under ``name``, which becomes its ``name``.

    Raises:
        UsageError: the name is taken.
    """

    def add(attack: A) -> A:
        if name in REGISTRY:
            raise UsageError(
                f"attack {name!r} is registered twice", hint=f"it is {REGISTRY[name].__qualname__} already"
            )
        attack.name = name
        REGISTRY[name] = attack
        return attack

    return add


def attack_class(name: str) -> type[BaseAttack]:
    """The class registered under ``name``, here or by another package's entry point.

    Raises:
        UsageError: no attack has this name.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        attack: type[BaseAttack] = point.load()
        # Loading may have registered it through the decorator; a bare class is named by its entry point.
        if name not in REGISTRY:
            register(name)(attack)
        return REGISTRY[name]
    raise UsageError(f"attack {name!r} is unknown", hint=f"known: {', '.join(names())}")


def names() -> tuple[str, ...]:
    """Every attack's name, built-in ones first."""
    plugged = (point.name for point in entry_points(group=ENTRY_POINT_GROUP))
    return (*REGISTRY, *(name for name in plugged if name not in REGISTRY))
