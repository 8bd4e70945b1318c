"""`import edgeleak`: which names there are, that they are the harness's own, and what importing them costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import edgeleak
import harness

ROOT = Path(__file__).parents[2]
# The promise to whoever imports it: a name that leaves here breaks somebody's notebook.
NAMES = [
    "ArrayFindings", "AttackResult", "AuditConfig", "Description", "EdgeleakError", "Estimate", "QuantizerMis",
    "Report", "Result", "RocPicture", "Skipped", "Verdict", "View", "__version__", "attack", "audit", "catalogue",
    "judge", "load_config", "load_run", "mis",
]  # fmt: skip
HEAVY = ("numpy", "scipy", "sklearn", "pandas", "pyarrow", "pydantic", "grpc", "zarr", "torch", "rich", "typer")


def test_the_public_names_are_these() -> None:
    assert edgeleak.__all__ == NAMES
    assert dir(edgeleak) == sorted(NAMES)
    assert edgeleak.__version__ == harness.__version__


def test_every_name_is_that_of_a_face_of_the_harness() -> None:
    for name, face in edgeleak._FACES.items():
        module = import_module(face)
        called = edgeleak._CALLED.get(name, name)
        assert called in module.__all__, f"{face} does not list {called}"
        assert getattr(edgeleak, name) is getattr(module, called)


def test_type_checkers_see_the_names_that_are_there() -> None:
    """The block for type checkers imports every lazy name, from the module that it is loaded from."""
    tree = ast.parse((ROOT / "edgeleak" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (alias.asname or alias.name): (str(node.module), alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {name: (face, edgeleak._CALLED.get(name, name)) for name, face in edgeleak._FACES.items()}
    assert set(edgeleak.__all__) == {*imported, "__version__"}
    assert (ROOT / "edgeleak" / "py.typed").exists()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edgeleak' has no attribute 'atack'"):
        edgeleak.atack  # type: ignore[attr-defined]  # noqa: B018


def run(code: str, *args: str, cwd: Path = ROOT, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **({} if path is None else {"PYTHONPATH": str(path)})}
    return subprocess.run(
        [sys.executable, *(("-P",) if path else ()), "-c", code, *args],
        cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_importing_it_loads_nothing_that_computes() -> None:
    done = run(f"import sys, edgeleak; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_python_m_edgeleak_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgeleak", "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, f"edgeleak {edgeleak.__version__}")
    done = subprocess.run(
        [sys.executable, "-m", "edgeleak", "attack", "absent.csv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr == "edgeleak: absent.csv: no such file\n"


def test_an_installed_wheel_has_the_public_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert (site / "edgeleak" / "py.typed").exists()
    code = (
        "import edgeleak; print(edgeleak.__file__); "
        "print(edgeleak.Estimate(0.5, 0.4, 0.6, 100, 'delong')); print(len(edgeleak.catalogue()) > 30)"
    )
    done = run(code, cwd=tmp_path, path=site)
    assert done.returncode == 0, done.stderr
    place, estimate, enough = done.stdout.splitlines()
    assert place.startswith(str(site))
    assert estimate == "0.5 [0.4, 0.6] (0.95 level, n = 100, delong)"
    assert enough == "True"
