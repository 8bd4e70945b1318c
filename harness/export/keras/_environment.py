"""TensorFlow's environments beside this one, and the requests to scripts that run there."""

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
# Beside the package, where `make tensorflow` creates them.
DEFAULT = HERE.parents[2] / ".tensorflow"
# Length of a failed script's last line in the message.
TAIL_CHARACTERS = 300


def python_of(name: str) -> Path:
    """The interpreter of one environment.

    Args:
        name: ``main``, TensorFlow's converter; or ``tfmot``, the Model Optimization toolkit.

    Raises:
        DependencyError: the environment is missing.
    """
    folder = Path(os.environ.get(VARIABLE) or DEFAULT) / name
    python = folder / "bin" / "python"
    if not python.exists():
        raise DependencyError(
            f"TensorFlow's environment {folder} is missing",
            hint=f"run `make tensorflow` in a checkout, or set {VARIABLE} to the folder of {name}/",
        )
    return python


def ask(python: Path, script: str, request: Mapping[str, Any], *, about: Path) -> Iterator[dict[str, Any]]:
    """Run a script on a request, and yield its answers as they arrive.

    The script imports nothing of this package and gets only the records that the request names.

    Args:
        python: the environment's interpreter.
        script: one of those under ``scripts``, by its name.
        request: the request, as that script describes it; every path absolute.
        about: the model, for error messages.

    Raises:
        ArtifactError: the model cannot be used, or the script ended with an error.
    """
    # As a module of this folder, so that the scripts import each other and nothing of this package.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with tempfile.TemporaryDirectory(prefix="edgeleak-keras-") as folder, tempfile.TemporaryFile() as errors:
        request_path = Path(folder) / "request.json"
        request_path.write_text(json.dumps(request))
        process = subprocess.Popen(
            [python, "-s", "-B", "-m", f"scripts.{script}", request_path],
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
                    answer = json.loads(line)
                    if "error" in answer:
                        raise ArtifactError(f"{about}: {answer['error']}")
                    yield answer
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["without a message"]
            raise ArtifactError(f"{about}: TensorFlow ended with status {status}: {lines[-1][:TAIL_CHARACTERS]}")
