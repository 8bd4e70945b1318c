"""The commands that documents and workflows show are commands: each is parsed by the command line itself."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import harness.cli  # noqa: F401  # registers the verbs
from harness.cli._app import app

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
WORKFLOWS = sorted((ROOT / "examples/workflows").glob("*.yml"))
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^[a-z]*\$ +", re.MULTILINE)
INLINE = re.compile(r"`(edgeleak [^`\n]+)`")
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Z_]+=")
REDIRECTION = re.compile(r"\d?>")
# A placeholder that stands for options in a synopsis, e.g. "edgeleak agent install|start".
SYNOPSIS = re.compile(r"[|…]|\.\.\.|\[[A-Z-]")


def commands(script: str) -> Iterator[list[str]]:
    """Every call of edgeleak in a script of the shell, as words."""
    lines = script.replace("\\\n", " ").splitlines()
    if any(PROMPT.match(line) for line in lines):
        # The others are what the command printed.
        lines = [PROMPT.sub("", line) for line in lines if PROMPT.match(line)]
    for line in lines:
        for part in re.split(r"&&|\|\||[;|&]", line.strip()):
            words = shlex.split(part.strip(), comments=True) if part.count('"') % 2 == part.count("'") % 2 == 0 else []
            # Variables before it, and where its output goes, are the shell's.
            words = list(itertools.dropwhile(ASSIGNMENT.match, words))
            words = list(itertools.takewhile(lambda word: not REDIRECTION.match(word), words))
            if words[:1] == ["edgeleak"]:
                yield words[1:]


def of_document(text: str) -> list[list[str]]:
    """Every call of edgeleak in a document's blocks of shell, and between its backticks."""
    blocks = [block for language, block in BLOCK.findall(text) if language in ("", "sh", "console")]
    inline = [one for one in INLINE.findall(text) if not SYNOPSIS.search(one)]
    return [words for script in (*blocks, *inline) for words in commands(script)]


def complaint(words: list[str]) -> str | None:
    """What the command line says against a call; None where it would run it."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="edgeleak")
    rest = list(words)
    while hasattr(command, "commands"):
        name = next((word for word in rest if not word.startswith("-")), None)
        if name is None:
            return None  # an option of the root, e.g. --version
        if name not in command.commands:
            return f"there is no verb {name}"
        rest.remove(name)
        command = command.commands[name]
        context = command.context_class(command, info_name=name, parent=context)
    # "${devices[@]}" stands for any number of words.
    rest = [word for word in rest if not word.endswith("[@]}")]
    try:
        command.parse_args(context, rest)
    except Exception as error:
        # What is missing is not: a document may write no more than the verb.
        return None if type(error).__name__ == "MissingParameter" else str(error)
    return None


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps(path: Path) -> list[dict[str, Any]]:
    content = loaded(path)
    if path == ACTION:
        return list(content["runs"]["steps"])
    return [step for job in content["jobs"].values() for step in job["steps"]]


def scripts(path: Path) -> list[str]:
    found = [step.get("run") or step.get("with", {}).get("script") for step in steps(path)]
    return [EXPRESSION.sub("x", script) for script in found if script]


def test_a_verb_or_an_option_that_does_not_exist_is_noticed() -> None:
    assert complaint(["audit", "audit.toml", "--device", "local"]) is None
    assert complaint(["audti", "audit.toml"]) == "there is no verb audti"
    assert "--devise" in str(complaint(["audit", "audit.toml", "--devise", "local"]))
    assert "--run" in str(complaint(["audit", "audit.toml", "--run"]))
    assert "unexpected" in str(complaint(["doctor", "local"]))


def test_commands_are_found_in_scripts_and_documents() -> None:
    script = (
        "set -e\nedgeleak doctor --json && edgeleak demo  # the demo\nedgeleak audit \\\n  audit.toml | tee log\nls"
    )
    assert list(commands(script)) == [["doctor", "--json"], ["demo"], ["audit", "audit.toml"]]
    assert list(commands("CI=true edgeleak demo --json > demo.json 2> log")) == [["demo", "--json"]]
    readme = (ROOT / "README.md").read_text()
    assert len(of_document(readme)) >= 5
    shown = "```\nhost$   edgeleak audit --fresh\nedgeleak: not a command, but what it printed\n```"
    assert of_document(shown) == [["audit", "--fresh"]]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_is_one(path: Path) -> None:
    shown = of_document(path.read_text())
    assert {" ".join(words): why for words in shown if (why := complaint(words))} == {}


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_every_script_of_a_workflow_is_one_of_the_shell_and_every_command_in_it_one_of_ours(path: Path) -> None:
    for script in scripts(path):
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert [why for words in commands(script) if (why := complaint(words))] == []


def test_the_action_uses_each_of_its_inputs_and_no_others() -> None:
    content = loaded(ACTION)
    used = re.findall(r"inputs\.([\w-]+)", ACTION.read_text())
    assert set(used) == set(content["inputs"])
    assert all(one["description"] for one in (*content["inputs"].values(), *content["outputs"].values()))
    for step in steps(ACTION):
        assert ("run" in step) != ("uses" in step)
        assert "shell" in step or "uses" in step
        # An expression inside a script would run what a branch's name or a pull request's title says.
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_gives_the_action_only_inputs_that_it_has(path: Path) -> None:
    inputs = loaded(ACTION)["inputs"]
    ours = [step for step in steps(path) if str(step.get("uses", "")).startswith("edgeleak/edgeleak@")]
    assert ours
    for step in ours:
        assert set(step.get("with", {})) <= set(inputs)
