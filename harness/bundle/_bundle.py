"""Bundles in the cache: made once for what goes in, whole or not there, and checked when they are taken out."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bundle import _agent, _contents
from harness.bundle._make import ARCHIVE, FOLDER, make
from harness.bundle._manifest import MANIFEST
from harness.bundle._tree import digest_of
from harness.cache import cache_dir, locked, room_for
from harness.errors import EdgeleakError, UsageError

__all__ = ["Bundle", "Progress", "cached_bundle", "found_bundle", "key_of", "make_bundle"]

Progress = Callable[[str], None]
_ROOM = "bundles"
_PART = ".part-"
# Says that the rest is whole: the archive's digest.
_MARK = "digest"
_KEY_DIGITS = 24
# Older ones stay until that many are there: branches and versions come and go.
_KEPT = 6
_ATTEMPTS = 3


@dataclass(frozen=True)
class Bundle:
    """The agent for an architecture, as a folder and as an archive of it.

    Args:
        arch: ``arm64`` or ``x86_64``.
        folder: the bundle, with its program ``run``.
        archive: the same, ``.tar.gz``.
        digest: SHA-256 of the archive, in hexadecimal digits.
        manifest: what lies in the folder as ``manifest.json``.
    """

    arch: str
    folder: Path
    archive: Path
    digest: str
    manifest: dict[str, Any]


def make_bundle(
    arch: str,
    *,
    out: Path | None = None,
    wheel: Path | None = None,
    progress: Progress | None = None,
    fresh: bool = False,
) -> Bundle:
    """The bundle for an architecture: from the cache where nothing that goes in has changed, made otherwise.

    Args:
        arch: ``arm64`` or ``x86_64``.
        out: an empty folder, or one that is made, for a copy; None leaves it in the cache alone.
        wheel: this project's; None for one of the project that runs.
        progress: is told what happens.
        fresh: make it anew, e.g. for security updates of Debian's packages.

    Raises:
        UsageError: there is no such architecture, the wheel is not this project's, or ``out`` holds something.
        DependencyError: a program is missing that a bundle is made with.
        StorageError: there is no room.
        EdgeleakError: something cannot be fetched or compiled.
    """
    known = _contents.architecture(arch)
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out}: is not an empty folder", hint="name one that does not exist yet")
    room = cache_dir() / _ROOM
    bundle = None if fresh else _read(arch, room / key_of(arch, wheel))
    if bundle is None:
        with locked(room), room_for(room):
            # Another process may have made it meanwhile.
            bundle = None if fresh else _read(arch, room / key_of(arch, wheel))
            if bundle is None:
                _clear(room)
                bundle = _made(room, known, wheel, progress or _silent)
    return bundle if out is None else _copied(bundle, out)


def cached_bundle(arch: str, progress: Progress | None = None) -> Bundle:
    """This project's own bundle: at once where it is in the cache, made otherwise.

    Args:
        arch: ``arm64`` or ``x86_64``.
        progress: is told what happens.

    Raises:
        EdgeleakError: as `make_bundle`.
    """
    return make_bundle(arch, progress=progress)


def found_bundle(arch: str) -> Bundle | None:
    """This project's own bundle where it is in the cache; None where it would have to be made.

    Args:
        arch: ``arm64`` or ``x86_64``.
    """
    return _read(arch, cache_dir() / _ROOM / key_of(arch))


def key_of(arch: str, wheel: Path | None = None) -> str:
    """The bundle's name in the cache: another one whenever the agent, a version or what is left out differs.

    Args:
        arch: ``arm64`` or ``x86_64``.
        wheel: this project's; None for one of the project that runs.

    Raises:
        EdgeleakError: there is no agent to bundle.
    """
    rules = sorted(Path(__file__).parent.glob("_*.py"))
    recipe = [digest_of(file.read_bytes()) for file in rules if file.name not in ("_bundle.py", "_sizes.py")]
    return digest_of(json.dumps([arch, _agent.fingerprint(wheel), recipe]).encode())[:_KEY_DIGITS]


def _read(arch: str, place: Path) -> Bundle | None:
    """What lies there, if all of it is as it was written."""
    archive = place / ARCHIVE
    try:
        digest = (place / _MARK).read_text().strip()
        if digest_of(archive.read_bytes()) != digest:
            return None
        manifest = json.loads((place / FOLDER / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    whole = all((place / FOLDER / path).is_file() for path in manifest["files"])
    return Bundle(arch, place / FOLDER, archive, digest, manifest) if whole else None


def _made(room: Path, arch: _contents.Architecture, wheel: Path | None, say: Progress) -> Bundle:
    for _ in range(_ATTEMPTS):
        place = room / key_of(arch.name, wheel)
        part = Path(tempfile.mkdtemp(prefix=_PART, dir=room))
        try:
            make(arch, part, wheel=wheel, say=say)
            (part / _MARK).write_text(digest_of((part / ARCHIVE).read_bytes()) + "\n")
            # Somebody who edits the agent meanwhile must not get what was there before under the new name.
            if room / key_of(arch.name, wheel) == place:
                # Another user's process may run it, where the cache is shared.
                part.chmod(0o755)
                shutil.rmtree(place, ignore_errors=True)
                part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        if (bundle := _read(arch.name, place)) is not None:
            return bundle
        say("the agent's files changed meanwhile; once more")
    raise EdgeleakError(
        "the agent's files change while the bundle is made of them", hint="run it again when nobody edits them"
    )


def _clear(room: Path) -> None:
    """Remove what killed processes left, and the bundles that have not been made for longest."""
    for abandoned in room.glob(f"{_PART}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    marks = sorted(room.glob(f"*/{_MARK}"), key=lambda mark: mark.stat().st_mtime, reverse=True)
    for mark in marks[_KEPT - 1 :]:
        shutil.rmtree(mark.parent, ignore_errors=True)


def _copied(bundle: Bundle, out: Path) -> Bundle:
    name = f"edgeleak-agent-{bundle.manifest['version']}-{bundle.arch}"
    folder, archive = out / name, out / f"{name}.tar.gz"
    with room_for(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(bundle.folder, folder)
            shutil.copyfile(bundle.archive, archive)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                archive.unlink(missing_ok=True)
            raise
    return Bundle(bundle.arch, folder, archive, bundle.digest, bundle.manifest)


def _silent(_: str) -> None:
    pass
