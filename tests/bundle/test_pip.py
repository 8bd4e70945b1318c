"""Failures of pip are errors that say what is missing and what to do."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from harness.bundle._pip import pip
from harness.errors import DependencyError, EdgeleakError


def test_an_index_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    # A port of this machine at which nothing listens.
    index = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "no_proxy": "127.0.0.1"}
    isolated = {"PIP_CONFIG_FILE": "/dev/null", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    with pytest.raises(EdgeleakError, match=r"the wheels cannot be fetched: no connection"):
        pip(
            "download", "--dest", str(tmp_path), "numpy==2.4.6", purpose="the wheels", environment={**index, **isolated}
        )


def test_a_wheel_that_no_index_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeleakError, match=r"no wheel numpy==2\.4\.6 for this architecture"):
        pip(
            "download", "--no-index", "--dest", str(tmp_path), "numpy==2.4.6",
            purpose="the wheels", environment={"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": ""},
        )  # fmt: skip


def test_an_interpreter_without_pip_or_without_hatchling_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "p"\nversion = "1"\n'
    )
    for with_pip, message in ((False, "pip is not installed"), (True, "hatchling is not installed")):
        folder = tmp_path / f"venv-{with_pip}"
        venv.create(folder, with_pip=with_pip)
        monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python"))
        with pytest.raises(DependencyError, match=message):
            pip(
                "wheel",
                "--no-deps",
                "--no-build-isolation",
                "--wheel-dir",
                str(tmp_path),
                str(project),
                purpose="a wheel",
            )
        monkeypatch.undo()
