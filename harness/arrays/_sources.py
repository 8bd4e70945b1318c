"""What somebody hands over as answers: a file, a table in memory, or arrays by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.data import answer_tables, answers
from harness.data.keyed import InMemory, Keyed
from harness.errors import UsageError

__all__ = ["IN_MEMORY", "Parts", "digests", "opened"]

# How messages call arrays that have no file.
IN_MEMORY = "arrays"
# Names of one array each, and of one array for each variant.
SINGLE = ("labels", "membership", "ids", "canary")
BY_VARIANT = ("confidences", "logits", "sensitivity", "votes", "groups")

# Name of a part of answers -> its array, or its arrays by variant.
Parts = Mapping[str, object]


@contextmanager
def opened(source: object, shadows: Sequence[object], parts: Parts) -> Iterator[Keyed]:
    """The arrays of a source.

    Args:
        source: a path, a table in memory, or arrays by the keys of `harness.data.answers`; None where the parts are
            given themselves.
        shadows: tables where the source is one; parts where the target is.
        parts: ``labels``, ``membership``, ``confidences`` and so on.

    Raises:
        UsageError: both are given, or neither.
        InputError: something of them cannot be used.
    """
    given = [name for name, value in parts.items() if value is not None]
    if source is None:
        if not given:
            raise UsageError("there are no answers", hint="give a file, a table, or labels, membership, confidences")
        yield InMemory(IN_MEMORY, {**_keys("target", parts), **_of_shadows(shadows)})
    elif given:
        raise UsageError(f"{given[0]}: the answers are given already", hint="give one of the two")
    elif isinstance(source, str | Path):
        with answers.opened(Path(source), [Path(str(shadow)) for shadow in shadows]) as archive:
            yield archive
    elif isinstance(source, Mapping):
        yield InMemory(IN_MEMORY, {**source, **_of_shadows(shadows)})
    else:
        yield answer_tables.read(source, shadows)


def digests(paths: Sequence[Path]) -> tuple[str, ...]:
    """SHA-256 of each file: whoever repeats it needs the same."""

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return tuple(map(digest, paths))


def _of_shadows(shadows: Sequence[object]) -> dict[str, object]:
    keys: dict[str, object] = {}
    for k, shadow in enumerate(shadows):
        if not isinstance(shadow, Mapping):
            raise UsageError(
                f"shadow {k}: a {type(shadow).__name__}, expected what the target's answers are",
                hint="give a mapping with labels, membership and confidences",
            )
        keys |= _keys(f"shadow/{k}", shadow)
    return keys


def _keys(prefix: str, parts: Parts) -> dict[str, object]:
    """The parts of one model's answers under the keys that a file has."""
    keys: dict[str, object] = {}
    for name, value in parts.items():
        if value is None:
            continue
        if name in SINGLE:
            keys[f"{prefix}/{name}"] = value
        elif name in BY_VARIANT and isinstance(value, Mapping):
            keys |= {f"{prefix}/{name}/{variant}": array for variant, array in value.items()}
        elif name in BY_VARIANT:
            raise UsageError(
                f"{name}: a {type(value).__name__}, expected arrays by variant",
                hint=f'e.g. {name}={{"original": ..., "int8": ...}}',
            )
        else:
            raise UsageError(
                f"{prefix}: {name!r} is not a part of answers", hint=f"parts are {', '.join((*SINGLE, *BY_VARIANT))}"
            )
    return keys
