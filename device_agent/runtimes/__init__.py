"""The runtimes that can execute an artifact, one module each behind one small protocol.

`protos.runtimes` says which there are and names each one's module.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

from device_agent.errors import AgentError
from device_agent.runtimes._model import Array, InputSpec, Library, Model, Profiled, Quantization, TensorSpec, arrange
from device_agent.runtimes.executorch import find as find_shim
from protos.runtimes import HEAD_BYTES, RUNTIMES, recognised

__all__ = [
    "Array",
    "InputSpec",
    "Library",
    "Model",
    "Profiled",
    "Quantization",
    "TensorSpec",
    "arrange",
    "check_magic",
    "library",
    "profiles",
    "providers",
]


def library(runtime: str) -> Library:
    """The module that loads a runtime's files; it imports its heavy library when it loads the first one.

    Args:
        runtime: a key of `protos.runtimes.RUNTIMES`.
    """
    return cast(Library, import_module(RUNTIMES[runtime].agent_module))


def providers() -> dict[str, str]:
    """Runtime -> package and version that provides it here; what is not installed is absent. Imports nothing heavy."""
    provided = {name: _first_installed(row.packages) for name, row in RUNTIMES.items()}
    shim = find_shim()
    if shim is not None:
        provided["executorch"] = shim.provider
    return {name: package for name, package in provided.items() if package is not None}


def profiles(runtime: str) -> bool:
    """Whether a runtime's models are `Profiled` here; imports nothing heavy.

    Args:
        runtime: a key of `protos.runtimes.RUNTIMES`.
    """
    return runtime == "executorch" and find_shim() is not None


def check_magic(path: Path, *, runtime: str) -> None:
    """Refuse a file that is evidently not of this runtime, before a loader sees it.

    Raises:
        AgentError: INVALID_ARGUMENT saying what the file looks like.
    """
    wanted = RUNTIMES[runtime]
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if wanted.magic.match(head):
        return
    looks = recognised(head)
    guess = f"; it looks like {looks.title}" if looks else "; it is of no format that this agent knows"
    raise AgentError("INVALID_ARGUMENT", f"the artifact is not {wanted.title}{guess}")


def _first_installed(packages: tuple[str, ...]) -> str | None:
    for package in packages:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return None
