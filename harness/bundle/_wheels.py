"""Wheels of an architecture: fetched by this machine's pip, and what a bundle takes of them."""

from __future__ import annotations

import email.parser
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.bundle._contents import EXECUTORCH_VERSION, PYTHON, WHEELS, Architecture, Wheel, is_kept
from harness.bundle._pip import pip
from harness.bundle._tree import Tree, digest_of
from harness.errors import EdgeleakError

__all__ = ["Fetched", "fetch", "fetch_executorch", "licence_of", "put_wheel", "selected"]

# Newest first; what is older runs on the glibc of the bundle, too.
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
# Fields of a description that name a licence, by how exact they are.
_LONGEST_NAME = 80
_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True)
class Fetched:
    """A wheel on this machine.

    Args:
        wheel: which was asked for.
        file: where it lies.
    """

    wheel: Wheel
    file: Path


def fetch(arch: Architecture, folder: Path) -> list[Fetched]:
    """Fetch the wheels of a bundle, in the order of their table.

    Args:
        arch: that they are for.
        folder: where they go.

    Raises:
        EdgeleakError: one cannot be fetched; the message says why.
    """
    _download([f"{wheel.name}=={wheel.version}" for wheel in WHEELS], arch, folder, purpose="the bundle's wheels")
    return [Fetched(wheel, _file_of(wheel, folder)) for wheel in WHEELS]


def fetch_executorch(arch: Architecture, folder: Path) -> Path:
    """Fetch the wheel whose libraries the shim is linked to.

    Args:
        arch: that it is for.
        folder: where it goes.

    Raises:
        EdgeleakError: it cannot be fetched; the message says why.
    """
    _download([f"executorch=={EXECUTORCH_VERSION}"], arch, folder, purpose="ExecuTorch's libraries")
    return next(folder.glob("executorch-*.whl"))


def put_wheel(tree: Tree, fetched: Fetched) -> dict[str, str]:
    """Put what a bundle needs of a wheel into its ``site``; the wheel's row of the manifest.

    Args:
        tree: the folder.
        fetched: the wheel.

    Raises:
        EdgeleakError: it is no wheel.
    """
    wheel = fetched.wheel
    for path, content in selected(fetched.file, lambda path: is_kept(path, wheel)):
        tree.put(f"site/{path}", content, wheel.part)
    return {
        "name": wheel.name,
        "version": wheel.version,
        "licence": licence_of(_metadata(fetched.file)),
        "file": fetched.file.name,
        "sha256": digest_of(fetched.file.read_bytes()),
    }


def selected(file: Path, wanted: Callable[[str], bool]) -> Iterable[tuple[str, bytes]]:
    """Files of a wheel, in the order of their paths.

    Args:
        file: the wheel.
        wanted: whether a path is one of them.

    Raises:
        EdgeleakError: it is no wheel.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            paths = sorted(path for path in archive.namelist() if not path.endswith("/") and wanted(path))
            return [(path, archive.read(path)) for path in paths]
    except (OSError, zipfile.BadZipFile) as error:
        raise EdgeleakError(f"{file}: is no whole wheel: {error}", hint="make or fetch it again") from error


def licence_of(metadata: str) -> str:
    """The name of a licence in a wheel's description; ``see its licence files`` where it names none.

    Args:
        metadata: the description.
    """
    fields = email.parser.HeaderParser().parsestr(metadata)
    for name in ("License-Expression", "License"):
        value = (fields.get(name) or "").strip()
        # Some put the whole text there.
        if value and len(value) <= _LONGEST_NAME and "\n" not in value:
            return value
    named = [value.removeprefix(_CLASSIFIER) for value in fields.get_all("Classifier", []) if _CLASSIFIER in value]
    return named[0] if named else "see its licence files"


def _metadata(file: Path) -> str:
    found = list(selected(file, lambda path: path.endswith(".dist-info/METADATA")))
    return found[0][1].decode(errors="replace") if found else ""


def _download(requirements: list[str], arch: Architecture, folder: Path, *, purpose: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    platforms = [word for name in _PLATFORMS for word in ("--platform", f"{name}_{arch.machine}")]
    abis = [word for name in (f"cp{PYTHON.replace('.', '')}", "abi3", "none") for word in ("--abi", name)]
    pip(
        "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms, *abis,
        "--implementation", "cp", "--python-version", PYTHON, "--dest", str(folder), *requirements,
        purpose=purpose,
    )  # fmt: skip


def _file_of(wheel: Wheel, folder: Path) -> Path:
    stem = f"{wheel.name.replace('-', '_')}-{wheel.version}-".lower()
    found = [file for file in folder.glob("*.whl") if file.name.lower().startswith(stem)]
    if not found:
        raise EdgeleakError(f"pip fetched no wheel of {wheel.name} {wheel.version}", hint="run it again")
    return found[0]
