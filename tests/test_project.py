"""Promises about the repository itself: stubs are fresh, imports obey the rooms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_stubs_are_fresh(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "protos/edgeleak/v1/agent.proto"]
    outputs = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    subprocess.run([*command, *outputs], cwd=ROOT, check=True)
    for made in (tmp_path / "protos/edgeleak/v1").iterdir():
        assert made.read_bytes() == (ROOT / "protos/edgeleak/v1" / made.name).read_bytes(), "run `make protos`"


def test_imports_obey_the_rooms() -> None:
    done = subprocess.run(
        ["lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{Path(sys.executable).parent}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_light_core_needs_no_torch() -> None:
    code = "import sys, harness.cli; sys.exit('torch' in sys.modules or 'ai_edge_litert' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_agent_imports_no_harness() -> None:
    code = (
        "import sys, device_agent.cli; sys.exit(any(m == 'harness' or m.startswith('harness.') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
