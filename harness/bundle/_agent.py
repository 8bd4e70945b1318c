"""The agent in this project's own wheel: given, built where the project runs from a checkout, or packed again.

What goes into a bundle is of the wheel, so an agent on a phone is the one that would be installed from it.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import importlib.metadata
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

from harness.bundle._contents import AGENT
from harness.bundle._pip import pip
from harness.bundle._tree import digest_of
from harness.bundle._wheels import selected
from harness.errors import EdgeleakError, UsageError

__all__ = ["files_of", "fingerprint", "own_wheel"]

_NAME = "edgeleak"
_DESCRIPTION = ("*.dist-info/METADATA", "*.dist-info/licenses/*")
# Besides the packages, what decides what a checkout's wheel holds.
_BUILD_FILES = ("pyproject.toml", "LICENSE")
# The same bytes whenever it is built.
_EPOCH = "315532800"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def fingerprint(wheel: Path | None, distribution: importlib.metadata.Distribution | None = None) -> str:
    """A digest that is another one whenever another agent would go into a bundle; quick, and builds nothing.

    Args:
        wheel: of the project; None for this one's own.
        distribution: that runs; found if left.

    Raises:
        UsageError: it is no wheel of this project.
        EdgeleakError: the project is not installed, or its files were changed since.
    """
    if wheel is not None:
        return _digest(files_of(wheel))
    distribution = distribution or _installed()
    checkout = _checkout(distribution)
    if checkout is not None:
        return _digest(_files(checkout))
    return _digest((path, _without_readme(path, content)) for path, content in _recorded(distribution))


def own_wheel(wheel: Path | None, folder: Path, distribution: importlib.metadata.Distribution | None = None) -> Path:
    """The project's wheel.

    Args:
        wheel: a given one, which is taken as it is; None makes one.
        folder: where it is made.
        distribution: that runs; found if left.

    Raises:
        UsageError: the given one is no wheel of this project.
        EdgeleakError: it cannot be built, or the installed files were changed since.
    """
    if wheel is not None:
        files_of(wheel)
        return wheel
    distribution = distribution or _installed()
    folder.mkdir(parents=True, exist_ok=True)
    checkout = _checkout(distribution)
    if checkout is None:
        made = folder / f"{_NAME}-{distribution.version}-py3-none-any.whl"
        with zipfile.ZipFile(made, "w") as archive:
            for path, content in _recorded(distribution):
                archive.writestr(zipfile.ZipInfo(path, _ZIP_DATE), content)
        return made
    pip(
        "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(checkout),
        purpose="a wheel of this checkout", environment={"SOURCE_DATE_EPOCH": _EPOCH}, at=folder,
    )  # fmt: skip
    return next(folder.glob(f"{_NAME}-*.whl"))


def files_of(wheel: Path) -> list[tuple[str, bytes]]:
    """What goes into a bundle of the project's wheel, in the order of the paths.

    Args:
        wheel: of the project.

    Raises:
        UsageError: it is no wheel of this project.
    """
    try:
        files = [(path, _without_readme(path, content)) for path, content in selected(wheel, _goes_in)]
    except EdgeleakError as error:
        raise UsageError(f"--wheel {error.message}", hint=error.hint) from error
    paths = {path for path, _ in files}
    described = any(path.startswith(f"{_NAME}-") and path.endswith("/METADATA") for path in paths)
    if not described or "device_agent/cli.py" not in paths:
        raise UsageError(
            f"--wheel {wheel}: is no wheel of {_NAME}", hint="give one that pip wheel made of this project"
        )
    return files


def _installed() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(_NAME)
    except importlib.metadata.PackageNotFoundError as error:
        raise EdgeleakError(
            f"{_NAME} is not installed in this interpreter, so there is no agent to bundle",
            hint="pip install it, or give its wheel by --wheel FILE",
        ) from error


def _checkout(distribution: importlib.metadata.Distribution) -> Path | None:
    """The folder that an editable installation runs from."""
    try:
        about = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    url = urlparse(str(about.get("url", "")))
    if url.scheme != "file" or not (about.get("dir_info") or {}).get("editable"):
        return None
    return Path(unquote(url.path))


def _files(checkout: Path) -> Iterator[tuple[str, bytes]]:
    """What its wheel would be made of."""
    for name in _BUILD_FILES:
        if (checkout / name).is_file():
            yield name, (checkout / name).read_bytes()
    for pattern in AGENT:
        folder = checkout / pattern.removesuffix("/*")
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield str(path.relative_to(checkout)), path.read_bytes()


def _recorded(distribution: importlib.metadata.Distribution) -> list[tuple[str, bytes]]:
    """The installed files as they were installed."""
    found = []
    for file in distribution.files or ():
        path = str(file)
        if not _goes_in(path) or path.endswith(".pyc"):
            continue
        content = Path(str(distribution.locate_file(file))).read_bytes()
        if file.hash is not None and file.hash.mode == "sha256" and file.hash.value != _as_recorded(content):
            raise EdgeleakError(
                f"{distribution.locate_file(file)}: is not as it was installed",
                hint=f"pip install --force-reinstall --no-deps {_NAME}, or give a wheel by --wheel FILE",
            )
        found.append((path, content))
    return sorted(found)


def _as_recorded(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _goes_in(path: str) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in (*AGENT, *_DESCRIPTION))


def _without_readme(path: str, content: bytes) -> bytes:
    """A description ends where the project's page begins: nobody reads that on a phone."""
    return content.split(b"\n\n", 1)[0] + b"\n" if path.endswith("/METADATA") else content


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    return digest_of("\n".join(f"{digest_of(content)} {path}" for path, content in files).encode())
