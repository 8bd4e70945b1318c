"""Promises about the repository itself: stubs are fresh, imports obey the rooms, the wheel holds the product alone."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import rooms

ROOT = Path(__file__).parent.parent
# The face of each room: what the others may use of it.
FACES: dict[str, set[str]] = {
    "harness.attacks": {"evaluate", "register", "attack_class", "needs_of", "headline", "Result", "AttackResult"},
    "harness.compression": {"compress"},
    "harness.config": {"AuditConfig", "load", "parse"},
    "harness.data.datasets": {"load", "split", "fetch"},
    "harness.devices": {"open_device", "check_url", "Device"},
    "harness.export": {"export", "export_many", "supports"},
    "harness.mis": {"estimate"},
    "harness.models": {"build"},
    "harness.policy": {"judge", "check", "Verdict", "exit_code"},
    "harness.report": {"write", "summary", "Report"},
    "harness.results": {"Result", "ArtifactResult", "AttackFindings", "MisFindings"},
    "harness.stats": {"auc", "roc", "Estimate"},
    "harness.store": {"Run"},
    "harness.subject": {"load"},
    "harness.types": {"View", "Estimate", "Artifact", "Observations", "Records"},
}


def test_stubs_are_those_of_the_contract(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "protos/edgeleak/v1/agent.proto"]
    outputs = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    subprocess.run([*command, *outputs], cwd=ROOT, check=True)
    for stub in (tmp_path / "protos/edgeleak/v1").iterdir():
        assert stub.read_bytes() == (ROOT / "protos/edgeleak/v1" / stub.name).read_bytes(), "run `make protos`"


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


def test_the_contracts_name_every_room() -> None:
    assert {room for layer in rooms.layers() for room in layer} == rooms.rooms_of("harness")


def test_the_picture_of_the_rooms_is_drawn_from_the_contracts() -> None:
    page = rooms.PAGE.read_text()
    drawn = page[page.index(rooms.BEGIN) + len(rooms.BEGIN) : page.index(rooms.END)]
    assert drawn == f"\n```\n{rooms.picture()}\n```\n", "run `python -m tests.rooms`"


@pytest.mark.parametrize("room", FACES)
def test_every_room_has_one_face_and_lists_it(room: str) -> None:
    face = importlib.import_module(room)
    assert set(face.__all__) >= FACES[room]
    assert len(face.__all__) == len(set(face.__all__))
    for name in face.__all__:
        assert hasattr(face, name), f"{room}.{name}"


def test_the_light_core_needs_no_torch_and_no_runtime() -> None:
    code = "import sys, harness.cli; sys.exit('torch' in sys.modules or 'ai_edge_litert' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_agent_imports_no_harness() -> None:
    code = (
        "import sys, device_agent.cli; sys.exit(any(m == 'harness' or m.startswith('harness.') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_product_and_no_study(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        texts = [archive.read(name).decode() for name in names if name.endswith(".py")]
    assert {name.partition("/")[0] for name in names} == {"edgeleak", "harness", "device_agent", "protos"}
    assert not [name for name in names if name.endswith((".svg", ".png", ".md")) or "stud" in name]
    assert not [text for text in texts if re.search(r"^\s*(from|import) studies", text, re.MULTILINE)]
    assert "harness/examples/digits.toml" in names
    assert "harness/report/writers/template.html.j2" in names


def test_an_installed_wheel_writes_the_example_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        f"import harness, sys; assert harness.__file__.startswith({str(site)!r}), harness.__file__; "
        "from harness.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "init"],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    example = (ROOT / "examples" / "digits.toml").read_text()
    assert (work / "audit.toml").read_text().endswith(example.replace('name = "digits"', 'name = "work"', 1))
