"""Exit codes of the real command, whatever happens: one table, made by running it (`pytest -s` prints it)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.attacks.bad_arrays import full_table, write
from tests.end_to_end.conftest import agent, ended, files, wait_for
from tests.end_to_end.hand_made import litert_float
from tests.end_to_end.supplied import MEMBERS, OTHERS, images_of, linear_of

pytestmark = pytest.mark.slow

INSTALLED = Path(sys.executable).with_name("edgeleak")
EDGELEAK = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-m", "harness"]
AUDIT = 'name = "release"\n\n[answers]\nfile = "answers.npz"\n\n[attack]\nnames = ["confidence"]\n'
# What the attack finds lies far from both.
LOW, HIGH = 0.52, 0.99
# A rule that does not hold.
BROKEN = f'[[gate.rules]]\nid = "leak"\nmax = {LOW}\n'
WAIVER = '[[gate.waiver]]\nrule = "leak"\nowner = "R. Owner"\nreason = "accepted"\nexpires = {expires}\n'
OTHER_WAIVER = WAIVER.format(expires="2999-12-31").replace("leak", "leek")
# Python imports a module of this name at its start: faults go into the command without a hook in the product.
FAULT = """
import os

def fsync(_):
    raise {fault}

os.fsync = fsync
"""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: what happens.
        code: the exit code that documents promise.
        said: what the command says, on either stream.
        gate: the policy in audit.toml.
        arguments: of the command.
        variables: of its environment.
        fault: what is raised where a file is written; empty for nothing.
        is_error: it is told on one line of standard error.
    """

    what: str
    code: int
    said: str
    gate: str = ""
    arguments: tuple[str, ...] = ("gate", "audit.toml", "--run", "run")
    variables: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    is_error: bool = False


def wrong(what: str, code: int, said: str, *arguments: str, gate: str = BROKEN, fault: str = "") -> Row:
    """A command that ends with an error."""
    return Row(what, code, said, gate, arguments or Row.arguments, fault=fault, is_error=True)


ROWS = (
    Row("pass", 0, "PASS", f"[[gate.rules]]\nmax = {HIGH}\n"),
    Row("fail", 1, "FAIL", BROKEN),
    Row("inconclusive", 2, "INCONCLUSIVE", "[[gate.rules]]\nmax = {auc}\n"),
    Row("no rule", 2, "no gate rules", ""),
    Row("waived", 0, "R. Owner", BROKEN + WAIVER.format(expires="2999-12-31")),
    Row("expired waiver", 1, "expired", BROKEN + WAIVER.format(expires="2020-01-31")),
    Row("warn only", 0, "warn", BROKEN + 'severity = "warn"\n'),
    Row("pass beside a warning", 0, "warn", f"{BROKEN}severity = 'warn'\n[[gate.rules]]\nmax = {HIGH}\n"),
    Row("report of a failed gate", 0, "", BROKEN, ("report", "audit.toml", "--run", "run")),
    wrong("unforeseen error", 3, "unforeseen ZeroDivisionError: odd", fault='ZeroDivisionError("odd\\nfault")'),
    wrong("out of memory", 3, "out of memory", fault='MemoryError("no room for 9 GiB")'),
    wrong("no room on the disk", 3, "No space left", fault='OSError(28, "No space left on device")'),
    wrong("a run folder below a file", 3, "answers.npz/run", "audit", "audit.toml", "--run", "answers.npz/run"),
    wrong("a run folder of too long a name", 3, "File name too long", "audit", "audit.toml", "--run", "x" * 300),
    wrong("a run folder where nobody can write", 3, "/proc/", "audit", "audit.toml", "--run", "/proc/edgeleak/run"),
    wrong("wrong key", 4, '"seeds": unknown key', gate=f"{BROKEN}[seeds]\n"),
    wrong("wrong TOML", 4, "not valid TOML", gate="[gate"),
    wrong("a limit that is no number", 4, "nan is no limit", gate="[[gate.rules]]\nmax = nan\n"),
    wrong("a rule about an unknown variant", 4, "'int9'", gate=BROKEN + 'variants = ["int9"]\n'),
    wrong("a waiver of no rule", 4, "there is no rule 'leek'", gate=BROKEN + OTHER_WAIVER),
    wrong("an empty --device", 4, "--device", "audit", "audit.toml", "--run", "other", "--device", ""),
    wrong("an unknown flag", 4, "--sped", "audit", "--sped"),
    wrong("an unknown verb", 4, "gaet", "gaet"),
    wrong("no such configuration", 4, "nowhere.toml: no such file", "gate", "nowhere.toml"),
    wrong("a configuration that is a folder", 4, "cannot be read", "gate", "run"),
    wrong("a configuration that is not text", 4, "cannot be read", "gate", "answers.npz.toml"),
    wrong("no run to judge", 4, "no run is there", "gate", "audit.toml", "--run", "typo"),
)


@dataclass(frozen=True)
class Release:
    """A finished audit of answers.

    Args:
        folder: with answers.npz, audit.toml and the run.
        auc: the attack's largest AUC.
    """

    folder: Path
    auc: float


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    write(folder / "answers.npz", full_table())
    (folder / "audit.toml").write_text(AUDIT)
    subprocess.run([*EDGELEAK, "audit", "audit.toml", "--run", "run"], cwd=folder, capture_output=True, check=False)
    results = json.loads((folder / "run/report.json").read_text())["attacks"]["results"]
    return Release(folder, max(one["auc"]["value"] for one in results))


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, int, str]]]:
    """What happened, the exit code, and the last line that was said; printed at the end."""
    rows: list[tuple[str, int, str]] = []
    yield rows
    width = max((len(what) for what, *_ in rows), default=0)
    print("\n\n" + "\n".join(f"{what:{width}}  {code}  {said[:110]}" for what, code, said in rows))


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Path:
    """The release's folder, to change, with a folder for temporary files beside it."""
    (tmp_path / "tmp").mkdir()
    return Path(shutil.copytree(release.folder, tmp_path / "release"))


def run(folder: Path, row: Row) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "TMPDIR": str(folder.parent / "tmp"), **row.variables}
    if row.fault:
        (folder / "fault").mkdir()
        (folder / "fault" / "sitecustomize.py").write_text(FAULT.format(fault=row.fault))
        variables["PYTHONPATH"] = str(folder / "fault")
    command = [*EDGELEAK, *row.arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_what_happens_has_its_exit_code(
    row: Row, release: Release, copy: Path, table: list[tuple[str, int, str]]
) -> None:
    (copy / "audit.toml").write_text(AUDIT + row.gate.replace("{auc}", repr(round(release.auc, 4))))
    (copy / "answers.npz.toml").write_bytes(b'name = "\xff"\n')
    done = run(copy, row)
    said = [line.strip(" │") for line in (done.stdout + done.stderr).splitlines()]
    table.append((row.what, done.returncode, next((line for line in said if row.said in line), "")))
    assert done.returncode == row.code, done.stdout + done.stderr
    assert row.said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if row.is_error:
        assert done.stdout == ""
        assert done.stderr.startswith("edgeleak: ")
        assert done.stderr.count("\n") == 1, "one line"


def test_an_unforeseen_error_leaves_a_private_traceback_and_names_it(copy: Path) -> None:
    row = wrong("", 3, "", fault='ZeroDivisionError("odd")')
    done = run(copy, row)
    (kept,) = (copy.parent / "tmp").glob("edgeleak-*.traceback.txt")
    assert str(kept) in done.stderr
    assert "report it" in done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    text = kept.read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError: odd" in text
    assert "'gate'" in text, "the command's arguments"


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_a_traceback_is_printed_for_whoever_asks_for_it(copy: Path, value: str, shown: bool) -> None:
    fault = wrong("", 3, "", fault="ZeroDivisionError()").fault
    done = run(copy, Row("", 3, "", variables={"EDGELEAK_DEBUG": value}, fault=fault))
    assert done.returncode == 3
    assert ("Traceback" in done.stderr) == shown


def test_an_unforeseen_error_is_one_line_also_where_no_file_takes_its_traceback(copy: Path) -> None:
    """Every folder for temporary files is taken away from the command."""
    (copy / "fault").mkdir()
    (copy / "fault" / "sitecustomize.py").write_text(
        "import os, tempfile\n\ndef full(*_, **__):\n    raise OSError(28, 'full')\n\n"
        "def fsync(_):\n    tempfile.mkstemp = full\n    raise ZeroDivisionError('odd')\n\nos.fsync = fsync\n"
    )
    variables = {**os.environ, "PYTHONPATH": str(copy / "fault")}
    command = [*EDGELEAK, "gate", "audit.toml", "--run", "run"]
    done = subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "EDGELEAK_DEBUG=1" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_does_not_change_the_verdict(
    copy: Path, unbuffered: str, table: list[tuple[str, int, str]]
) -> None:
    (copy / "audit.toml").write_text(AUDIT + BROKEN)
    script = 'set -o pipefail; "$@" | true; echo "${PIPESTATUS[0]}"'
    command = ["bash", "-c", script, "bash", *EDGELEAK, "gate", "audit.toml", "--run", "run", "--json"]
    variables = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True, timeout=200, check=False)
    table.append(("fail, and nobody reads it", int(done.stdout), done.stderr.strip()))
    assert done.stdout == "1\n"
    assert done.stderr == ""


def test_output_that_cannot_be_written_is_an_error_and_no_verdict(copy: Path) -> None:
    (copy / "audit.toml").write_text(AUDIT + BROKEN)
    with Path("/dev/full").open("w") as full:
        command = [*EDGELEAK, "gate", "audit.toml", "--run", "run"]
        done = subprocess.run(
            command, cwd=copy, stdout=full, stderr=subprocess.PIPE, text=True, timeout=200, check=False
        )
    assert done.returncode == 3
    assert "standard output: No space left on device" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupt_has_its_exit_code(copy: Path, number: signal.Signals, table: list[tuple[str, int, str]]) -> None:
    command = [*EDGELEAK, "audit", "audit.toml", "--run", "other"]
    running = subprocess.Popen(
        command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: (copy / "other" / "manifest.json").exists() or running.poll() is not None)
    os.killpg(running.pid, number)
    _, said = ended(running)
    table.append((f"interrupted ({number.name})", running.returncode, said.strip().splitlines()[-1]))
    assert running.returncode == 3
    assert "the same command resumes" in said
    assert "Traceback" not in said


def lines(*words: str) -> str:
    return "\n".join(words) + "\n"


def test_a_device_that_is_lost_has_its_exit_code(tmp_path: Path, table: list[tuple[str, int, str]]) -> None:
    """A real agent is killed while it answers."""
    linear = linear_of(0)
    litert_float(tmp_path / "original.tflite", linear)
    for name, pull in (("members", MEMBERS), ("nonmembers", OTHERS)):
        np.savez(tmp_path / f"{name}.npz", **images_of(linear, 4000, pull, 1))
    (tmp_path / "audit.toml").write_text(
        lines(
            'name = "lost"',
            '[[artifact]]\nvariant = "original"\nfile = "original.tflite"',
            '[records]\nmembers = "members.npz"\nnonmembers = "nonmembers.npz"',
            "[collect]\nbatch_size = 1",
            '[attack]\nnames = ["confidence"]',
            "[[gate.rules]]\nmax = 0.9",
        )
    )
    with agent() as mine:
        running = subprocess.Popen(
            [*EDGELEAK, "audit", "audit.toml", "--run", "run", "--device", mine.url],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for(lambda: bool(files(tmp_path / "run")) or running.poll() is not None)
        mine.end(signal.SIGKILL)
        _, said = ended(running)
    table.append(("device lost", running.returncode, said.strip().splitlines()[-1]))
    assert running.returncode == 3, said
    assert mine.url in said
    assert "Traceback" not in said


def test_the_agent_ends_with_the_code_of_a_device_where_nobody_foresaw_what_fails(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import tempfile\n\ndef mkdtemp(*_, **__):\n    raise ZeroDivisionError('odd')\n\ntempfile.mkdtemp = mkdtemp\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "device_agent.cli", "--listen", "127.0.0.1:0"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("edgeleak-agent: unforeseen ZeroDivisionError: odd")
    assert done.stderr.count("\n") == 1
