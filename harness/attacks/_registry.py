"""The table of attacks: a dict, a decorator that refuses duplicates, and an entry point for other packages."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from harness.attacks._base import BaseAttack, Need
from harness.errors import DependencyError, UsageError

__all__ = ["ENTRY_POINT_GROUP", "REGISTRY", "attack_class", "counterpart", "headline", "names", "needs_of", "register"]

ENTRY_POINT_GROUP = "edgeleak.attacks"
REGISTRY: dict[str, type[BaseAttack]] = {}

A = TypeVar("A", bound=type[BaseAttack])


def register(
    name: str,
    *,
    family: str = "",
    alone: str = "",
    needs: Sequence[Need] = ("confidences",),
    headline: bool = False,
) -> Callable[[A], A]:
    """Register an attack class under ``name``.

    Args:
        name: becomes the class's ``name``.
        family: attacks of one idea, whatever they see; its own name where there is no other.
        alone: the NR attack on the original that an attack on several variants is compared with.
        needs: what it has to observe; an audit asks the device for what its attacks need.
        headline: whether it runs where no attack is named.

    Raises:
        UsageError: the name is taken.
    """

    def add(attack: A) -> A:
        if name in REGISTRY:
            raise UsageError(
                f"attack {name!r} is registered twice", hint=f"it is {REGISTRY[name].__qualname__} already"
            )
        attack.name = name
        attack.family = family or name
        attack.alone = alone
        attack.needs = frozenset(needs)
        attack.headline = headline
        REGISTRY[name] = attack
        return attack

    return add


def attack_class(name: str) -> type[BaseAttack]:
    """The class registered under ``name``, here or by another package's entry point.

    Raises:
        UsageError: no attack has this name, or what the other package offers is not an attack.
        DependencyError: the other package cannot be imported.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        attack = _loaded(point)
        # Loading may have registered it through the decorator; a bare class is named by its entry point.
        if name not in REGISTRY:
            register(name)(attack)
        return REGISTRY[name]
    near = difflib.get_close_matches(name, names(), n=3)
    meant = f"do you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"attack {name!r} is unknown", hint=f"{meant}`edgeleak attack --list` shows all {len(names())}")


def counterpart(name: str) -> str:
    """The NR attack that an attack is compared with on the original: itself, or one of its family; empty for none."""
    attack = attack_class(name)
    return name if attack.adversary == "NR" else attack.alone


def _loaded(point: EntryPoint) -> type[BaseAttack]:
    try:
        attack = point.load()
    except Exception as error:  # what another package raises while it is imported is its own affair
        raise DependencyError(
            f"attack {point.name!r}: {point.value} cannot be imported: {type(error).__name__}: {error}",
            hint="mend or remove the package that offers it",
        ) from error
    if not (isinstance(attack, type) and issubclass(attack, BaseAttack)):
        raise UsageError(f"attack {point.name!r}: {point.value} is not a subclass of harness.attacks.BaseAttack")
    return attack


def needs_of(attacks: Iterable[str]) -> frozenset[Need]:
    """What some attacks have to observe, together.

    Raises:
        UsageError: an attack's name is unknown.
    """
    return frozenset().union(*(attack_class(name).needs for name in attacks))


def headline() -> tuple[str, ...]:
    """The attacks that run where none is named: the strongest of each family, and the one that every reader knows."""
    return tuple(name for name, attack in REGISTRY.items() if attack.headline)


def names() -> tuple[str, ...]:
    """Every attack's name, built-in ones first."""
    plugged = (point.name for point in entry_points(group=ENTRY_POINT_GROUP))
    return (*REGISTRY, *(name for name in plugged if name not in REGISTRY))
