"""Where a compiled shim lies, and what was compiled: found without loading it."""

from __future__ import annotations

import json
import os
import platform
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ABI", "FILE", "FOLDER", "MANIFEST", "VARIABLE", "Shim", "cache_folder", "find", "machine"]

# Of the functions and structures in shim.cpp, which has the same number.
ABI = 1
FOLDER = "edgeleak_executorch"
FILE = "libedgeleak_executorch.so"
MANIFEST = "manifest.json"
# Names a compiled shim; empty for none, so that torch's bindings are used.
VARIABLE = "EDGELEAK_EXECUTORCH_SHIM"
# The kernel's names of machines -> the names that builds use.
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Shim:
    """A compiled shim.

    Args:
        path: the library.
        version: of ExecuTorch in it; empty where nothing says.
    """

    path: Path
    version: str

    @property
    def provider(self) -> str:
        """What an agent that runs it calls its ExecuTorch, e.g. ``executorch 1.5.1 (shim)``."""
        return " ".join(filter(None, ("executorch", self.version, "(shim)")))


def machine() -> str | None:
    """This machine as builds call it, ``x86_64`` or ``arm64``; None for any other."""
    return _MACHINES.get(platform.machine().lower())


def cache_folder(arch: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The user's own folder for shims of an architecture: where the folder of packages is not the user's to write.

    Args:
        arch: ``x86_64`` or ``arm64``.
        environment: of this process.
    """
    own = environment.get("EDGELEAK_CACHE_DIR")
    if own:
        root = Path(own)
    elif environment.get("XDG_CACHE_HOME"):
        root = Path(environment["XDG_CACHE_HOME"]) / "edgeleak"
    else:
        root = Path.home() / ".cache" / "edgeleak"
    return root / "executorch" / arch


def find(environment: Mapping[str, str] = os.environ) -> Shim | None:
    """The shim to use; None where there is none.

    It is the file that the variable names, or the first of: beside this package, among the installed packages, in the
    user's cache. A named file is taken as it is, so that loading it says what is wrong with it.

    Args:
        environment: of this process.
    """
    named = environment.get(VARIABLE)
    if named is not None:
        return _shim(Path(named)) if named else None
    return next((_shim(path) for path in _places(environment) if path.is_file()), None)


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    beside = Path(__file__).resolve().parents[3]
    yield beside / FOLDER / FILE
    yield Path(sysconfig.get_path("purelib")) / FOLDER / FILE
    arch = machine()
    if arch is not None:
        yield cache_folder(arch, environment) / FOLDER / FILE


def _shim(path: Path) -> Shim:
    try:
        version = str(json.loads((path.parent / MANIFEST).read_text())["executorch"])
    except (OSError, ValueError, KeyError, TypeError):
        version = ""
    return Shim(path, version)
