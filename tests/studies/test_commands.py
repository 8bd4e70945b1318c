"""The studies' command lines: help with an example, exit codes, and an interrupt while they load."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness import cli

STUDIES = ("bits_for_privacy", "compleak", "export_matrix", "mis_coverage", "mis_molecules", "mis_synthetic")
# A command line that is interrupted while it is loaded.
INTERRUPTED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


def app_of(study: str) -> typer.Typer:
    app: typer.Typer = import_module(f"studies.{study}.command").app
    return app


@pytest.mark.parametrize("study", STUDIES)
def test_help_shows_an_example_and_the_options_that_studies_share(study: str) -> None:
    done = CliRunner().invoke(app_of(study), ["-h"], prog_name=f"python -m studies.{study}")
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    assert text.startswith(f"Usage: python -m studies.{study} ")
    assert f"Example: python -m studies.{study} " in text
    for option in ("--run", "--out", "--json", "--quiet"):
        assert option in text


@pytest.mark.parametrize("study", STUDIES)
def test_an_unknown_option_is_a_usage_error(
    study: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [study, "--nonsense"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the tests keep their own handlers
    with pytest.raises(SystemExit) as end:
        cli.main(app_of(study), name=f"python -m studies.{study}")
    assert end.value.code == 4
    line = capsys.readouterr().err
    assert "No such option: --nonsense" in line
    assert f"see python -m studies.{study} -h" in line


def test_an_interrupt_while_a_study_loads_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "loading").mkdir()
    (tmp_path / "loading" / "__init__.py").touch()
    (tmp_path / "loading" / "command.py").write_text(INTERRUPTED)
    code = "from studies.kit.start import start\nstart('loading')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 3
    assert done.stderr == "edgeleak: interrupted (the same command resumes; finished work is kept)\n"
