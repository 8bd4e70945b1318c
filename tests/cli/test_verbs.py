"""The command line as a person meets it: help, devices that are not named, variables, completion, hostile names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from rich.table import Table
from rich.text import Text

from harness import doctor
from harness.cli import _machine, _records
from harness.cli._app import app
from harness.cli._output import InertConsole
from harness.cli._verbs import VERBS
from harness.devices.listing import Listed
from harness.query import sentences
from harness.results import RecordFindings
from tests.one_process import ONE_AFTER_THE_OTHER

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp [bold]b[/] :phone: " + "x" * 10_000
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def ended(*commands: list[str], folder: Path | None = None, **variables: str) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each command line."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("EDGELEAK_")}
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER],
        input="".join(json.dumps(words) + "\n" for words in commands),
        cwd=folder,
        env=own | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def options_of(command: Any) -> set[str]:
    return {option for one in command.params for option in one.opts}


def commands() -> dict[str, Any]:
    found = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    groups = {name: command for name, command in found.items() if hasattr(command, "commands")}
    for name, group in groups.items():
        del found[name]
        found |= {f"{name} {verb}": command for verb, command in group.commands.items()}
    return found


def test_a_command_without_a_verb_shows_help_and_is_no_error() -> None:
    for code, shown, said in ended([], ["agent"], ["emulator"]):
        assert (code, said) == (0, "")
        assert shown.startswith("Usage: edgeleak")


def test_a_misspelt_verb_is_told_the_nearest() -> None:
    ((code, _, said),) = ended(["audti"])
    assert code == 4
    assert "Did you mean 'audit'?" in said


def test_gate_and_report_offer_no_device() -> None:
    for verb in ("gate", "report"):
        assert "--device" not in options_of(commands()[verb])


def test_every_verb_takes_no_color() -> None:
    assert [name for name, command in commands().items() if "--no-color" not in options_of(command)] == []


def test_an_empty_device_is_refused_everywhere(tmp_path: Path) -> None:
    offering = [name for name, command in commands().items() if "--device" in options_of(command)]
    assert len(offering) > 10
    needed = {
        "query": ["r.npz", "--model", "a=b.tflite", "--out", "o.npz"],
        "profile": ["m.pte"],
    }
    calls = [[*name.split(), *needed.get(name, []), "--device", ""] for name in offering]
    for name, (code, _, said) in zip(offering, ended(*calls, folder=tmp_path), strict=True):
        assert (name, code) == (name, 4)
        assert "--device: the name is empty" in said
    assert list(tmp_path.iterdir()) == []


def test_a_flag_counts_before_its_variable_and_an_empty_variable_is_none(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text('name = "x"\n')
    call = ["collect", "audit.toml"]
    ((code, _, said),) = ended(call, folder=tmp_path, EDGELEAK_DEVICE="usb")
    assert (code, "device 'usb' has no known form" in said) == (4, True)
    ((_, _, said),) = ended([*call, "--device", "flag"], folder=tmp_path, EDGELEAK_DEVICE="usb")
    assert "device 'flag' has no known form" in said
    (tmp_path / "audit.toml").write_text('name = "x"\n[device]\nurl = "file"\n')
    ((_, _, said),) = ended(call, folder=tmp_path, EDGELEAK_DEVICE="")
    assert "device 'file' has no known form" in said


def test_variables_name_the_run_and_the_policy(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text('name = "x"\n')
    ((code, _, said),) = ended(["gate"], folder=tmp_path, EDGELEAK_RUN="elsewhere")
    assert (code, "elsewhere: no run is there" in said) == (4, True)
    ((code, _, said),) = ended(["gate"], folder=tmp_path, EDGELEAK_POLICY="nowhere.toml")
    assert (code, "nowhere.toml: no such file" in said) == (4, True)
    ((_, _, said),) = ended(["gate"], folder=tmp_path, EDGELEAK_POLICY="strict")
    assert "runs/x: no run is there" in said


@pytest.mark.parametrize("verb", ["gate", "report"])
def test_a_verb_that_reads_makes_no_folder(tmp_path: Path, verb: str) -> None:
    (tmp_path / "audit.toml").write_text('name = "x"\n')
    ((code, _, said),) = ended([verb, "--run", "typo"], folder=tmp_path)
    assert code == 4
    assert "typo: no run is there" in said
    assert [path.name for path in tmp_path.iterdir()] == ["audit.toml"]


def test_a_shell_completes_verbs_and_options() -> None:
    for words, position, expected in (("edgeleak ga", 1, "gate"), ("edgeleak gate --js", 2, "--json")):
        variables = {"_EDGELEAK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        done = subprocess.run(
            [sys.executable, "-c", "from harness.cli import main; main()"],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.split() == [expected], done.stderr


def test_init_writes_an_audit_under_a_name_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "my release!"
    folder.mkdir()
    calls = ["init"], ["init", "b.toml", "--name", "b"], ["init", "c.toml", "--name", "../c"]
    first, second, third = ended(*calls, folder=folder)
    assert (first[0], second[0], third[0]) == (0, 0, 4)
    assert 'key "name"' in third[2]
    assert tomllib.loads((folder / "audit.toml").read_text())["name"] == "my-release-"
    assert tomllib.loads((folder / "b.toml").read_text())["name"] == "b"
    assert (folder / "b.toml").read_text().startswith("#:schema ./audit.schema.json\n")
    assert not (folder / "c.toml").exists()


def test_query_replaces_no_answers_unasked(tmp_path: Path) -> None:
    (tmp_path / "answers.npz").write_bytes(b"precious")
    call = ["query", "r.npz", "--model", "a=a.tflite", "--out", "answers.npz"]
    refused, forced = ended(call, [*call, "--force"], folder=tmp_path)
    assert refused[0] == 4
    assert "--out answers.npz: exists already" in refused[2]
    assert "exists already" not in forced[2]
    assert (tmp_path / "answers.npz").read_bytes() == b"precious"


def test_accuracies_of_members_and_non_members_are_told_apart() -> None:
    def accuracy(value: float) -> dict[str, object]:
        return {"value": value, "low": value - 0.1, "high": value + 0.05, "n": 100}

    row = {"variant": "int8", "runtime": "litert", "outputs": "logits", "reason": "r", "accuracy": accuracy(0.8)}
    apart = row | {"accuracy_members": accuracy(0.9), "accuracy_nonmembers": accuracy(0.7)}
    result = {"models": [apart], "records": {"members": 100, "n": 200}, "answers": "a.npz"}
    assert (
        "on members 90.0% [80.0, 95.0] (n = 100), on non-members 70.0% [60.0, 75.0] (n = 100)" in sentences(result)[0]
    )
    assert "80.0%" not in sentences(result)[0].replace("[80.0", "")
    assert "accuracy 80.0%" in sentences(result | {"models": [row]})[0]


def printed(shown: Any, capsys: pytest.CaptureFixture[str], **more: Any) -> str:
    InertConsole().print(shown, **more)
    return capsys.readouterr().out


def test_no_text_that_a_verb_prints_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(HOSTILE)
    table.add_row(Text(HOSTILE))
    device = Listed(device=HOSTILE, kind="adb", state=HOSTILE, model=HOSTILE, note=HOSTILE)
    view = {"adversary": "NR", "attack": HOSTILE, "variants": [HOSTILE]}
    found = RecordFindings.from_json({"views": [view], "records": [], "n_members": 3, "n_nonmembers": 4})
    check = doctor.Check("agent", False, HOSTILE, HOSTILE)
    for shown in (HOSTILE, Text(HOSTILE), table, device.line(), _records._table(found), doctor.table([check])):
        text = printed(shown, capsys, markup=False)
        assert not STEERING.search(text)
        assert "\N{REPLACEMENT CHARACTER}" in text or "\\x1b" in text


def test_names_are_no_markup_and_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("[red]adb:phone:[/]", capsys, markup=False, soft_wrap=True) == "[red]adb:phone:[/]\n"
    assert "[litert] -c" in printed(doctor.table([doctor.Check("x", False, "f", 'p "a[litert] -c"')]), capsys)


def test_json_means_the_same_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    InertConsole().print_json(json.dumps({HOSTILE: ["ü", HOSTILE]}))
    text = capsys.readouterr().out
    assert not STEERING.search(text)
    assert "ü" in text
    assert json.loads(text) == {HOSTILE: ["ü", HOSTILE]}


def test_colours_are_left_out_where_nobody_wants_them(tmp_path: Path) -> None:
    code = (
        "from harness.cli._app import app, err; from rich.text import Text\n"
        "import harness.cli._app as a, sys, typer\n"
        "typer.main.get_command(app)(['--no-color'] if len(sys.argv) > 1 else [], standalone_mode=False)\n"
        "a.out.print(Text('word', style='red'))"
    )

    def shown(*args: str, **variables: str) -> str:
        own = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            env=own | {"FORCE_COLOR": "1", "TERM": "xterm"} | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    assert "\x1b[31mword" in shown()
    assert "\x1b[31m" not in shown("--no-color")
    assert "\x1b[31m" not in shown(EDGELEAK_NO_COLOR="1")
    assert "\x1b[31m" not in shown(NO_COLOR="1")


def test_purposes_of_doctor_are_those_of_its_room() -> None:
    assert get_args(_machine.Purpose) == get_args(doctor.Purpose)


def test_the_help_of_every_verb_is_shown() -> None:
    for verb, (code, shown, _) in zip(VERBS, ended(*([verb, "--help"] for verb in VERBS)), strict=True):
        assert (verb, code) == (verb, 0)
        assert shown.startswith(f"Usage: edgeleak {verb}")


@pytest.mark.parametrize("width", [30, 60, 200])
def test_no_text_is_a_command_of_a_workflow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("COLUMNS", str(width))
    hostile = "a device of a rather long name ::error::no ::set-output name=verdict::pass ##[group]x"
    for shown in (hostile, Text(hostile)):
        text = printed(shown, capsys, markup=False)
        assert "error" in text
        assert "::" not in text
        assert "##[" not in text
