"""The face of the device room, and what it brings along."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import harness.devices

ROOT = Path(__file__).parents[2]


def test_the_face_is_pinned() -> None:
    assert harness.devices.__all__ == [
        "BatchAnswer",
        "BenchmarkResult",
        "Board",
        "ColdStart",
        "Device",
        "DeviceInfo",
        "FakeAgent",
        "Lease",
        "Sandbox",
        "Signature",
        "SplitDevice",
        "Telemetry",
        "TensorInfo",
        "Timeouts",
        "check_url",
        "machine",
        "open_device",
        "open_split",
    ]


def test_importing_the_room_imports_no_torch_and_no_agent() -> None:
    code = "import sys, harness.devices; sys.exit(bool({'torch', 'device_agent', 'ai_edge_litert'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_contract_about_grpc_names_every_other_room() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one["name"] == "Only the device room knows gRPC")
    rooms = {
        f"harness.{path.stem}"
        for path in (ROOT / "harness").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(contract["source_modules"]) == rooms - {"harness.devices", "harness.__init__"}
    assert contract["forbidden_modules"] == ["grpc", "protos.edgeleak", "protos.tensors"]
    assert contract["allow_indirect_imports"]
