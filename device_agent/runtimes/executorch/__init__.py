"""ExecuTorch: `.pte` programs, by a shim over its C++ libraries where one is compiled, else by its Python bindings.

The shim needs neither torch nor the package ``executorch``: ``python -m device_agent.runtimes.executorch.build``.
"""

from __future__ import annotations

from pathlib import Path

from device_agent.runtimes._model import Library, Model
from device_agent.runtimes.executorch import _shim, _torch
from device_agent.runtimes.executorch._place import VARIABLE, Shim, find

__all__ = ["SHARES_THREADS", "VARIABLE", "Shim", "find", "load", "prepare"]

# All programs of a process share one thread pool, and a program keeps the pool that it was loaded with: changing the
# number of threads under a loaded program is a use after free. So the pool is set before a load, and the worker drops
# every loaded program before another number is asked for. That holds for the shim as for the bindings.
SHARES_THREADS = True


def prepare() -> None:
    """Load the shim, or import the bindings.

    Raises:
        AgentError: FAILED_PRECONDITION where they are missing, or the shim cannot be loaded.
    """
    _chosen().prepare()


def load(path: Path, *, threads: int) -> Model:
    """Load one program's ``forward``.

    Raises:
        AgentError: INVALID_ARGUMENT for a malformed file, FAILED_PRECONDITION where the library is missing.
    """
    return _chosen().load(path, threads=threads)


def _chosen() -> Library:
    library: Library = _torch if find() is None else _shim
    return library
