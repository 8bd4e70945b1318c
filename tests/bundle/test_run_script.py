"""The program `run` finds its own folder however it is called, and passes nothing of the user's Python on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bundle._contents import ARCHITECTURES
from harness.bundle._scripts import run_script

ARCH = ARCHITECTURES["arm64"]
# Stands for the loader, which no test here could start: it shows how it was called.
LOADER = '#!/bin/sh\nfor a; do echo "arg $a"; done\n/usr/bin/env\n'


@pytest.fixture(params=["plain", "with a space", "with'quote"])
def bundle(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return made(tmp_path / request.param)


def made(folder: Path) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "run").write_bytes(run_script(ARCH))
    (folder / "lib" / ARCH.loader).write_text(LOADER)
    for program in (folder / "run", folder / "lib" / ARCH.loader):
        program.chmod(0o755)
    return folder


def called(*command: str, cwd: Path, **variables: str) -> tuple[list[str], dict[str, str]]:
    done = subprocess.run(
        command, cwd=cwd, env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    arguments = [line.removeprefix("arg ") for line in lines if line.startswith("arg ")]
    return arguments, dict(line.split("=", 1) for line in lines if not line.startswith("arg "))


def test_it_starts_the_interpreter_by_the_loader_beside_it(bundle: Path) -> None:
    arguments, variables = called(str(bundle / "run"), "-m", "a b", "", cwd=Path("/"))
    assert arguments == [
        "--inhibit-cache", "--library-path", f"{bundle}/lib", "--argv0", f"{bundle}/run",
        f"{bundle}/py/bin/python3.11", "-m", "a b", "",
    ]  # fmt: skip
    assert variables["PYTHONHOME"] == f"{bundle}/py"
    assert variables["PYTHONPATH"] == f"{bundle}/site"


def test_it_finds_its_folder_however_it_is_called(bundle: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    (elsewhere / "absolute").symlink_to(bundle / "run")
    (elsewhere / "relative").symlink_to(Path("../..") / bundle.name / "run")
    (elsewhere / "chain").symlink_to("relative")
    (tmp_path / "folder").symlink_to(bundle)
    ways = [
        called("./run", cwd=bundle),
        called("sh", "run", cwd=bundle),
        called(f"{bundle.name}/run", cwd=tmp_path),
        called(str(elsewhere / "absolute"), cwd=Path("/")),
        called("./absolute", cwd=elsewhere),
        called("./relative", cwd=elsewhere),
        called("deep/relative", cwd=elsewhere.parent),
        called("sh", "chain", cwd=elsewhere),
        called(str(tmp_path / "folder" / "run"), cwd=Path("/")),
        called("run", cwd=Path("/"), PATH=f"{bundle}:/usr/bin:/bin"),
        called("./run", cwd=bundle, CDPATH=str(tmp_path)),
    ]
    assert {tuple(arguments) for arguments, _ in ways} == {tuple(called(str(bundle / "run"), cwd=Path("/"))[0])}


def test_no_variable_of_the_user_reaches_the_interpreter(bundle: Path) -> None:
    shown = subprocess.run([sys.executable, "--help-env"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"\bPYTHON[A-Z0-9_]+\b", shown))
    assert {"PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHASHSEED"} <= known
    users = dict.fromkeys([*known, "LD_LIBRARY_PATH", "LD_AUDIT", "LOCPATH", "LC_ALL"], "/of/the/user")
    _, variables = called(str(bundle / "run"), cwd=Path("/"), **users, HOME="/home/me")
    assert "/of/the/user" not in variables.values()
    assert variables["HOME"] == "/home/me"


def test_temporary_files_go_where_they_can_be_written(bundle: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    assert called(str(bundle / "run"), cwd=Path("/"), TMPDIR=str(chosen))[1]["TMPDIR"] == str(chosen)
    assert called(str(bundle / "run"), cwd=Path("/"), TMPDIR=str(tmp_path / "gone"))[1]["TMPDIR"] == "/tmp"  # noqa: S108


def test_a_folder_that_the_loader_would_split_is_refused(tmp_path: Path) -> None:
    bundle = made(tmp_path / "a:b")
    done = subprocess.run([bundle / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "move it" in done.stderr


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_every_shell_reads_it(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    bundle = made(tmp_path / "b")
    command = [shell, "sh", "run"] if shell == "busybox" else [shell, "run"]
    arguments, variables = called(*command, cwd=bundle)
    expected, passed = called("sh", "run", cwd=bundle)
    assert arguments == expected
    # Some shells pass on variables of their own.
    assert variables.items() >= passed.items()
