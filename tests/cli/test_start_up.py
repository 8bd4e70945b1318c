"""What a command line loads before its verb works: the version nothing, help no library that computes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any, get_args

import pytest
import typer

from harness import config
from harness.cli import _app
from harness.cli._app import app
from harness.cli._verbs import SECTIONS, VERBS

# What takes long to load, and no help needs. (Typer itself loads pydantic, but no model of ours is made of it.)
HEAVY = {
    "numpy",
    "scipy",
    "sklearn",
    "pandas",
    "torch",
    "zarr",
    "grpc",
    "pyarrow",
    "jinja2",
    "joblib",
    "harness.config",
}
# Runs each command line in one process that shares nothing but typer and the root, and tells what each loaded.
LOADED_BY = """
import contextlib, io, json, sys
import harness.__main__
from harness.cli import main

first = set(sys.modules)
found = {}
for words in json.loads(sys.argv[1]):
    for name in set(sys.modules) - first:
        del sys.modules[name]
    sys.argv = ["edgeleak", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    found[" ".join(words)] = sorted(sys.modules)
print(json.dumps(found))
"""


def loaded(*command_lines: list[str]) -> dict[str, set[str]]:
    asked = [sys.executable, "-c", LOADED_BY, json.dumps(command_lines)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {words: set(names) for words, names in json.loads(done.stdout).items()}


def test_no_help_loads_a_library_that_computes() -> None:
    found = loaded([], ["--help"], *([verb, "--help"] for verb in VERBS))
    assert {words: names & HEAVY for words, names in found.items() if names & HEAVY} == {}


def test_the_version_is_said_before_the_command_line_is_loaded() -> None:
    code = "import sys; sys.argv[1:] = ['--version']; from harness.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("edgeleak ")
    assert "typer" not in done.stderr
    assert "rich" not in done.stderr


def seconds(*words: str) -> float:
    """Median processor time of a command in seconds, its start included."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], capture_output=True, timeout=60, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def test_the_version_costs_little_more_than_python_itself() -> None:
    assert seconds("-m", "harness", "--version") < 4 * seconds("-c", "import runpy")


def group() -> Any:
    return typer.main.get_command(app)


def test_the_table_of_verbs_holds_what_the_modules_make() -> None:
    commands = group().commands
    assert {name: commands[name].name for name in commands} == {name: name for name in VERBS}
    made = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback}
    made |= {info.name for info in app.registered_groups if info.name}
    assert {name.replace("_", "-") for name in made} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_says_the_first_sentence_of_a_verbs_own_help(verb: str) -> None:
    assert group().commands[verb].help.split("\n\n")[0].replace("\n", " ") == VERBS[verb].help


def test_no_verb_is_in_two_sections() -> None:
    assert len(VERBS) == sum(map(len, SECTIONS.values()))


def test_choices_of_options_are_those_of_the_configuration() -> None:
    assert get_args(_app.Answers) == get_args(config.Answers)
    assert get_args(_app.PoolMode) == get_args(config.PoolMode)
