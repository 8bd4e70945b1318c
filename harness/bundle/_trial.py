"""A first run of a bundle where it is made, if it is for this machine: a missing file is found here, not on a phone."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from harness.bundle._contents import Architecture
from harness.bundle._scripts import RUN
from harness.errors import EdgeleakError
from harness.plain import plain

__all__ = ["try_bundle"]

_SECONDS = 120.0
_RUNTIMES = ("executorch", "litert", "onnx")
# What the agent imports when it starts, and its worker for the first model of each runtime.
_CODE = f"""\
import importlib
for name in ("server", "security", "supervisor", "worker", "cage"):
    importlib.import_module("device_agent." + name)
for name in {_RUNTIMES!r}:
    importlib.import_module("device_agent.runtimes." + name).prepare()
"""


def try_bundle(folder: Path, arch: Architecture, own: Architecture) -> None:
    """Import everything that the agent and its worker import.

    Args:
        folder: the bundle.
        arch: of the bundle.
        own: of this machine; nothing is tried where it is another one.

    Raises:
        EdgeleakError: something is missing.
    """
    if arch != own:
        return
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [str(folder / RUN), "-P", "-c", _CODE],
            cwd=temporary,
            env={"PATH": "/usr/bin:/bin", "TMPDIR": temporary},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise EdgeleakError(
            f"the bundle does not run here: {plain(said[-1], length=300)}",
            hint="these versions do not go together: update edgeleak, or give another --wheel",
        )
