"""The agent's shim over ExecuTorch, compiled for a bundle's architecture by the agent's own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.bundle._contents import Architecture
from harness.bundle._tree import Tree, digest_of
from harness.bundle._wheels import fetch_executorch
from harness.errors import DependencyError, EdgeleakError
from harness.plain import plain

__all__ = ["put_shim"]

# In the agent's package; the harness never imports it.
_COMMAND = "device_agent.runtimes.executorch.build"
_SECONDS = 400.0


def put_shim(tree: Tree, arch: Architecture, agent: Path, scratch: Path) -> dict[str, str]:
    """Compile the shim and put it into a bundle's ``site``; the row of its wheel in the manifest.

    Args:
        tree: the folder.
        arch: that it is compiled for.
        agent: folder with the package ``device_agent`` of the bundle.
        scratch: for what is in between.

    Raises:
        DependencyError: there is no compiler for the architecture.
        EdgeleakError: the libraries cannot be fetched, or the compiler failed.
    """
    wheel, out = fetch_executorch(arch, scratch / "executorch"), scratch / "shim"
    out.mkdir()
    command = [sys.executable, "-m", _COMMAND, "--arch", arch.name, "--executorch", str(wheel), "--out", str(out)]
    try:
        done = subprocess.run(
            command,
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(agent), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EdgeleakError(f"the shim was not compiled within {_SECONDS:g} s", hint="run it again") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or ["it said nothing"]
        reason = plain(lines[-1].removeprefix("error: "), length=400)
        if "apt install" in reason:
            raise DependencyError(f"ExecuTorch's shim for {arch.name}: {reason}")
        raise EdgeleakError(f"ExecuTorch's shim for {arch.name}: {reason}", hint="run it again with --fresh")
    for path in sorted(out.rglob("*")):
        if path.is_file():
            tree.put(f"site/{path.relative_to(out)}", path.read_bytes(), "executorch")
    return {
        "name": "executorch",
        "version": str(json.loads(next(out.rglob("manifest.json")).read_bytes())["executorch"]),
        "licence": "BSD-3-Clause",
        "file": wheel.name,
        "sha256": digest_of(wheel.read_bytes()),
    }
