"""What the agent tells its worker when it starts it: one JSON argument, and an environment without secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from device_agent.runtimes.executorch import VARIABLE, find

__all__ = ["CageSettings", "WorkerSettings", "environment"]

# A model with native code reads its process's environment, and that of a service holds tokens. These are what an
# interpreter, its libraries and the measurement of test coverage go by.
_NAMES = ("PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_PREFIXES = ("LC_", "PYTHON", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "MALLOC_", "GLIBC_", "TORCH_", "COV")


@dataclass(frozen=True)
class CageSettings:
    """How the worker is confined.

    Args:
        readable: the folder of artifacts: files in it may be read, not listed.
        memory_bytes: limit on the worker's own memory.
        require: the worker ends where the kernel cannot confine it.
    """

    readable: Path
    memory_bytes: int
    require: bool = False


@dataclass(frozen=True)
class WorkerSettings:
    """The worker's one argument.

    Args:
        descriptor: number of the inherited socket.
        parent: the agent's process id.
        cage: how it is confined; None where it is not.
    """

    descriptor: int
    parent: int
    cage: CageSettings | None

    def to_argument(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_argument(cls, text: str) -> WorkerSettings:
        """What `to_argument` wrote."""
        fields = json.loads(text)
        cage = fields["cage"]
        if cage is not None:
            cage = CageSettings(Path(cage["readable"]), int(cage["memory_bytes"]), bool(cage["require"]))
        return cls(int(fields["descriptor"]), int(fields["parent"]), cage)


def environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The worker's environment.

    Args:
        inherited: the agent's.
    """
    passed = {name: value for name, value in inherited.items() if name in _NAMES or name.startswith(_PREFIXES)}
    # numpy's library of linear algebra starts its threads when it is imported, and the kernel confines a thread with
    # those that it starts later, not with its elder siblings. The agent multiplies no matrices with it.
    passed["OPENBLAS_NUM_THREADS"] = "1"
    # The worker runs what this process has found and named, not what it would find from inside the cage.
    shim = find(inherited)
    passed[VARIABLE] = str(shim.path) if shim is not None else ""
    return passed
