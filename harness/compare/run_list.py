"""The run folders in a folder: what each found, how large it is, and which old ones go. Damage is told, never fatal."""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness import fields
from harness.errors import EdgeleakError, InputError, RunError
from harness.results import AttackFindings, Result
from harness.types import Estimate

__all__ = ["ListedRun", "Pruned", "listed", "prunable", "prune", "strongest_of"]

MANIFEST = "manifest.json"
SCHEMA = "edgeleak.run/"


@dataclass(frozen=True)
class ListedRun:
    """One run folder.

    Args:
        folder: where it lies.
        name: the audit's; empty where it is not known.
        created: when it was begun, ISO 8601; empty where it is not known.
        outcome: of the gate; empty where there is no verdict.
        attack: the strongest attack on what ships, as a sentence; empty where there is no result.
        auc: its AUC with the interval that holds for all attacks at once; None where there is no result.
        size_bytes: of all its files, links not followed.
        problem: what is damaged; empty where nothing is.
        in_use: another process works in it.
    """

    folder: Path
    name: str
    created: str
    outcome: str
    attack: str
    auc: Estimate | None
    size_bytes: int
    problem: str = ""
    in_use: bool = False

    @property
    def begun(self) -> datetime | None:
        """When it was begun; None where that cannot be read."""
        try:
            begun = datetime.fromisoformat(self.created)
        except ValueError:
            return None
        return begun if begun.tzinfo else begun.replace(tzinfo=UTC)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "run": str(self.folder),
            "name": self.name,
            "created": self.created or None,
            "outcome": self.outcome or None,
            "attack": self.attack or None,
            "auc": None if self.auc is None else self.auc.to_json(),
            "size_bytes": self.size_bytes,
            "problem": self.problem or None,
            "in_use": self.in_use,
        }


@dataclass(frozen=True)
class Pruned:
    """A run that goes, or that should and stays.

    Args:
        run: the run.
        why_kept: why it stays after all; empty where it goes.
    """

    run: ListedRun
    why_kept: str = ""


def listed(folder: Path) -> tuple[ListedRun, ...]:
    """The runs that lie directly in a folder, the newest first; links are not followed.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder", hint="give the folder that the runs lie in, e.g. runs")
    found = [_read(one) for one in sorted(folder.iterdir()) if is_run(one)]
    return tuple(sorted(found, key=lambda one: one.created, reverse=True))


def is_run(folder: Path) -> bool:
    """Whether this is a run folder: a folder, no link to one, with a manifest of its own."""
    manifest = folder / MANIFEST
    return folder.is_dir() and not folder.is_symlink() and manifest.is_file() and not manifest.is_symlink()


def strongest_of(results: AttackFindings) -> Result | None:
    """The strongest attack on what ships, by AUC; None where none has one."""
    known = [one for one in results.results if not one.is_control and math.isfinite(one.headline.value)]
    return max(known, key=lambda one: one.headline.value, default=None)


def prunable(
    folder: Path, *, keep: int | None, older_than: timedelta | None, now: datetime | None = None
) -> tuple[Pruned, ...]:
    """The runs that are to go, the oldest first, with those that stay for a reason.

    Args:
        folder: the folder that the runs lie in.
        keep: how many of each audit stay, the newest.
        older_than: only runs begun longer ago go.
        now: the present; None takes the clock's.

    Raises:
        RunError: there is no such folder.
    """
    present = datetime.now(tz=UTC) if now is None else now
    found, seen = [], dict[str, int]()
    for run in listed(folder):
        if not run.name or run.begun is None:
            if run.problem:
                found.append(Pruned(run, f"not touched: {run.problem}"))
            continue
        seen[run.name] = seen.get(run.name, 0) + 1
        if keep is not None and seen[run.name] <= keep:
            continue
        if older_than is not None and present - run.begun <= older_than:
            continue
        found.append(Pruned(run, "not touched: another process is using it" if run.in_use else ""))
    return tuple(reversed(found))


def prune(run: ListedRun) -> str:
    """Delete a run that nobody uses; links inside it go, what they lead to stays.

    Returns:
        Why it was not deleted; empty where it was.
    """
    if not is_run(run.folder) or _read(run.folder).name != run.name:
        return "not touched: it changed meanwhile"
    lock = _lock(run.folder)
    if lock is None:
        return "not touched: another process is using it"
    try:
        shutil.rmtree(run.folder)
    finally:
        os.close(lock)
    return ""


def _read(folder: Path) -> ListedRun:
    problems: list[str] = []
    manifest = _object(folder / MANIFEST, problems)
    if manifest and not fields.text(manifest, "schema").startswith(SCHEMA):
        problems.append(f"{MANIFEST} is of no run")
        manifest = {}
    attacks = _object(folder / "results" / "attack.json", problems, optional=True)
    gate = _object(folder / "results" / "gate.json", problems, optional=True)
    best = None
    try:
        best = strongest_of(AttackFindings.from_json(attacks))
    except (InputError, EdgeleakError) as error:
        problems.append(f"results/attack.json: {error.message}")
    lock = _lock(folder)
    if lock is not None:
        os.close(lock)
    return ListedRun(
        folder=folder,
        name=fields.text(fields.mapping(manifest, "config"), "name") if manifest else "",
        created=fields.text(manifest, "created"),
        outcome=fields.text(gate, "outcome"),
        attack="" if best is None else str(best.view),
        auc=None if best is None else best.headline,
        size_bytes=_size_of(folder),
        problem="; ".join(problems),
        in_use=lock is None,
    )


def _object(path: Path, problems: list[str], *, optional: bool = False) -> Mapping[str, object]:
    try:
        node = json.loads(path.read_bytes())
    except FileNotFoundError:
        if not optional:
            problems.append(f"{path.name} is missing")
        return {}
    except (OSError, ValueError):
        problems.append(f"{path.name} is damaged")
        return {}
    if not isinstance(node, dict):
        problems.append(f"{path.name} is damaged")
        return {}
    return node


def _size_of(folder: Path) -> int:
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # a folder that goes away, or is not ours
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _sizes(Path(entry.path))
        else:
            try:
                yield entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the run's lock; None where another process does. The file is not made."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
