"""This interpreter's pip in a process of its own: what it is asked, and its failures as errors that say what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import DependencyError, EdgeleakError, StorageError
from harness.plain import plain

__all__ = ["pip"]

_SECONDS = 540.0
_NO_PIP = re.compile(r"No module named pip\b")
_NO_ROOM = re.compile(r"No space left|Errno 28")
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure|Max retries|ConnectTimeout|ReadTimeout|ProxyError", re.I
)
_NO_BACKEND = re.compile(r"BackendUnavailable|Cannot import 'hatchling")
_NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")


def pip(*arguments: str, purpose: str, environment: dict[str, str] | None = None, at: Path | None = None) -> None:
    """Run pip.

    Args:
        arguments: its command and options.
        purpose: what cannot be had where it fails.
        environment: variables beside those of this process.
        at: the folder in which it runs.

    Raises:
        DependencyError: this interpreter has no pip.
        StorageError: there is no room.
        EdgeleakError: it failed; the message says why.
    """
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    try:
        done = subprocess.run(
            command,
            cwd=at,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EdgeleakError(
            f"{purpose} did not come within {_SECONDS:g} s", hint="check the network, then run it again"
        ) from error
    if done.returncode:
        raise _failure((done.stdout + done.stderr).decode(errors="replace").splitlines(), purpose)


def _failure(lines: Sequence[str], purpose: str) -> EdgeleakError:
    said = "\n".join(lines)
    errors = [line for line in lines if line.startswith("ERROR:")] or list(lines[-1:])
    reason = plain(" / ".join(errors), length=400)
    if _NO_PIP.search(said):
        return DependencyError(
            f"pip is not installed for {sys.executable}, and it fetches {purpose}",
            hint=f"{sys.executable} -m ensurepip brings it",
        )
    if _NO_BACKEND.search(said):
        return DependencyError(
            f"hatchling is not installed for {sys.executable}, and it builds {purpose}",
            hint="pip install hatchling, or give a wheel by --wheel FILE",
        )
    if _NO_ROOM.search(said):
        return StorageError(f"no room for {purpose}: {reason}", hint="make room, or set EDGELEAK_CACHE_DIR")
    if _NO_NETWORK.search(said):
        return EdgeleakError(
            f"{purpose} cannot be fetched: no connection to the package index",
            hint="check the network and pip's proxy; a bundle that was made once works without a network afterwards",
        )
    if lacking := _NO_WHEEL.search(said):
        return EdgeleakError(
            f"{purpose}: the package index has no wheel {lacking[1]} for this architecture",
            hint="check the network; pip config list shows which index is asked, which must have it",
        )
    return EdgeleakError(f"{purpose} cannot be had: pip failed: {reason}", hint="run it again; pip config list helps")
