"""The cage of the process that runs models: it may read its libraries and the artifacts, compute, and answer.

`enter` confines the calling process for good with what the kernel has: no-new-privileges, limits, Landlock and a filter
of system calls. `available` says beforehand what there is.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent.cage import _kernel, _landlock, _limits, _paths, _seccomp
from device_agent.cage._limits import MEMORY_BYTES_MIN, default_memory_bytes
from device_agent.settings import CageSettings

__all__ = ["MEMORY_BYTES_MIN", "Sandbox", "available", "default_memory_bytes", "enter"]

# linux/prctl.h
_SET_NO_NEW_PRIVILEGES, _GET_NO_NEW_PRIVILEGES = 38, 39
_NO_PRIVILEGES = "this kernel has no no-new-privileges: a program with special rights could give them to the worker"
_NO_LANDLOCK = "this kernel has no Landlock, or was started without it: models can open every file of the agent's user"
_NO_FILTER = (
    "this kernel or machine has no filter of system calls: models can open sockets, start programs, send signals"
)
_NO_LIMITS = "this system has no limits on memory and descriptors that the agent knows"
_ROOT = "the agent runs as root, whose threads the kernel does not count; run it as a user of its own"
# Where libraries would write what they keep between runs. Nothing is writable: they go without.
_CACHES = ("TMPDIR", "HOME", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR")


@dataclass(frozen=True)
class Sandbox:
    """What confines the worker.

    Args:
        no_new_privileges: it cannot gain rights.
        landlock_abi: version of the kernel's Landlock by which files are confined, 0 where there is none.
        system_calls_filtered: sockets, new programs and signals to others are refused.
        memory_limit_bytes: limit on its own memory, 0 where there is none.
        missing: what the kernel lacks, one sentence each.
    """

    no_new_privileges: bool = False
    landlock_abi: int = 0
    system_calls_filtered: bool = False
    memory_limit_bytes: int = 0
    missing: tuple[str, ...] = ()

    @property
    def unconfined(self) -> tuple[str, ...]:
        """Sentences on rights, files and system calls, for each that nothing confines; none in a whole cage."""
        lacks = {
            _NO_PRIVILEGES: not self.no_new_privileges,
            _NO_LANDLOCK: self.landlock_abi == 0,
            _NO_FILTER: not self.system_calls_filtered,
        }
        return tuple(sentence for sentence, lacking in lacks.items() if lacking)


def available(memory_bytes: int) -> Sandbox:
    """What `enter` will find here; nothing is confined.

    Args:
        memory_bytes: the limit that the worker will have.
    """
    linux = _kernel.machine() is not None
    return _sandbox(_has_no_new_privileges(), _landlock.version(), _seccomp.supported(), memory_bytes if linux else 0)


def enter(settings: CageSettings) -> Sandbox:
    """Confine this process, with all of its threads, for good.

    Call it after imports that start no threads, and before a model is loaded: the kernel confines a thread's later
    children, not its siblings.

    Args:
        settings: what may be read and taken.

    Raises:
        OSError: the kernel has what is needed and refused it, or other threads run already.
    """
    _use_no_temporary_files(settings.readable)
    if _kernel.machine() is None:
        return available(settings.memory_bytes)
    filtered = _seccomp.supported()
    # An emulator of one program, which offers neither, is a thread of the process itself.
    if (filtered or _landlock.version()) and len(list(Path("/proc/self/task").iterdir())) > 1:
        raise OSError("other threads run already, which cannot be confined")
    unprivileged = _has_no_new_privileges()
    if unprivileged:
        _kernel.prctl(_SET_NO_NEW_PRIVILEGES, 1)
    _limits.limit(settings.memory_bytes)
    _limits.drop_capabilities()
    abi = _landlock.restrict(_paths.grants(settings.readable)) if _landlock.version() else 0
    if filtered:
        _seccomp.install(os.getpid())
    return _sandbox(unprivileged, abi, filtered, settings.memory_bytes)


def _sandbox(no_new_privileges: bool, landlock_abi: int, filtered: bool, memory_bytes: int) -> Sandbox:
    sandbox = Sandbox(no_new_privileges, landlock_abi, filtered, memory_bytes)
    missing = list(sandbox.unconfined)
    if memory_bytes == 0:
        missing.append(_NO_LIMITS)
    if os.geteuid() == 0:
        missing.append(_ROOT)
    return replace(sandbox, missing=tuple(missing))


def _has_no_new_privileges() -> bool:
    if _kernel.machine() is None:
        return False
    try:
        _kernel.prctl(_GET_NO_NEW_PRIVILEGES)
    except OSError:
        return False
    return True


def _use_no_temporary_files(folder: Path) -> None:
    # Set, so that no library goes looking for a folder that it can write: that search creates files.
    tempfile.tempdir = str(folder)
    for name in _CACHES:
        os.environ[name] = str(folder)
