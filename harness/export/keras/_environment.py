"""Where TensorFlow is: environments beside this one, and one way of asking a script that runs there."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import ArtifactError, DependencyError

__all__ = ["ask", "python_of"]

VARIABLE = "EDGELEAK_TENSORFLOW"
HERE = Path(__file__).parent
# Beside the package, where `make tensorflow` puts them.
DEFAULT = HERE.parents[2] / ".tensorflow"
# Of what a script that ended early said last, as much as fits a line.
TAIL_CHARACTERS = 300


def python_of(name: str) -> Path:
    """The interpreter of one environment.

    Args:
        name: ``main``, TensorFlow's converter; or ``tfmot``, the Model Optimization toolkit.

    Raises:
        DependencyError: it is not there.
    """
    folder = Path(os.environ.get(VARIABLE) or DEFAULT) / name
    python = folder / "bin" / "python"
    if not python.exists():
        raise DependencyError(
            f"TensorFlow's environment {folder} is not there",
            hint=f"run `make tensorflow` in a checkout, or let {VARIABLE} name the folder of {name}/",
        )
    return python


def ask(python: Path, script: str, request: Mapping[str, Any], *, about: Path) -> Iterator[dict[str, Any]]:
    """Have a script do something, and give its answers as they come.

    The script imports nothing of ours and gets no records but those that the request names.

    Args:
        python: the environment's interpreter.
        script: one of those under ``scripts``, by its name.
        request: what to do, as that script describes it; every path absolute.
        about: the model, named in errors.

    Raises:
        ArtifactError: the model cannot be used, or the script ended before it had answered.
    """
    # As a module of this folder, so that the scripts find each other and none finds us.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with tempfile.TemporaryDirectory(prefix="edgeleak-keras-") as folder, tempfile.TemporaryFile() as errors:
        asked = Path(folder) / "request.json"
        asked.write_text(json.dumps(request))
        process = subprocess.Popen(
            [python, "-s", "-B", "-m", f"scripts.{script}", asked],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        )
        try:
            assert process.stdout is not None, "started with a pipe"  # noqa: S101
            with process.stdout as answers:
                for line in answers:
                    said = json.loads(line)
                    if "error" in said:
                        raise ArtifactError(f"{about}: {said['error']}")
                    yield said
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ArtifactError(f"{about}: TensorFlow ended with status {status}: {lines[-1][:TAIL_CHARACTERS]}")
