"""Blocks of output in documents are made by the commands that they show; this makes them, and finds stale ones.

``python -m tests.docs.blocks --write [FILE ...]`` runs the commands of every marked block in a folder with the files of
``tests.docs.scene`` and writes what they print; without ``--write`` it says which blocks are stale. A mark is a comment
of Markdown before a fenced block:

- ``<!-- made -->``: each line of the block that begins with ``$ `` is run, and is followed by what it prints. What a
  command says on standard error is left out, unless it prints nothing else and ends with 3 or 4.
- ``<!-- made by: COMMAND -->``: the whole block is what this command prints.
- ``<!-- made, first 12 -->``, ``<!-- made, from "TEXT" 8 -->``: only so many lines, from the beginning or from the
  first line that holds the text; ``...`` stands for the others. Several may be given.
- ``<!-- file: NAME -->``: the block is put into this file before later blocks are made.
- ``<!-- run: COMMAND -->``: is run for what it leaves behind, and shows nothing.
- ``<!-- recorded 2026-11-28: COMMAND -->``: the block was made by this command on that day, on a device or in many
  minutes. It is not made again; a test parses the command.

What differs from one time to the next is compared as a word that stands for it (``RULES``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.scene import make

__all__ = ["DOCUMENTS", "RULES", "Block", "blocks_of", "documents", "remade", "stale", "unmarked"]

ROOT = Path(__file__).parents[2]
# Documents whose output is made here. A page that another command makes (a study's, a benchmark's) is not among them.
DOCUMENTS = (
    "README.md",
    "docs/tutorial-phone.md",
    "docs/tutorial-ci.md",
    "docs/arrays.md",
    "docs/policy.md",
    "docs/reading-a-result.md",
    "docs/own-models.md",
    "docs/agent.md",
    "docs/audits.md",
    "docs/evidence.md",
    "docs/ci.md",
    "docs/outputs.md",
    "docs/plan.md",
    "docs/compare.md",
)
# Longer than any of these commands takes on a busy machine.
SECONDS = 300
# What is compared in place of what differs between two runs of the same command.
RULES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-][\d:]+)?)?\b"), "DATE"),
    (re.compile(r"[\d.,]+ ?(ns|µs|ms|s|min)\b"), "TIME"),
    (re.compile(r"\d+ to \d+ runs"), "N runs"),  # of a benchmark: as many as fit into its time
    (re.compile(r"\bpid \d+"), "pid PID"),
    (re.compile(r"\d+ bytes free|[\d.,]+ [kMG]i?B (free|available)"), "SPACE"),
    (re.compile(r"\d+\.\d [KMG]iB\b"), "SIZE"),  # of a run's folder: its arrays are compressed
    (re.compile(r"[─━═-]{3,}"), "---"),  # as wide as the widest time
    (re.compile(r"[ \t]+"), " "),
)
MARK = re.compile(
    r"^<!-- (?P<mark>made|recorded|file|run)(?P<rest>[^\n]*?) -->\n(?:```(?P<language>\w*)\n(?P<text>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r'first (?P<first>\d+)|from "(?P<text>[^"]+)" (?P<lines>\d+)')


@dataclass(frozen=True)
class Block:
    """A mark and the block below it.

    Args:
        mark: made, recorded, file or run.
        rest: what the mark says beside: a command, a file's name, or which lines are shown.
        text: the block's; empty where the mark has none.
        start: where the text begins in the document.
        end: where it ends.
    """

    mark: str
    rest: str
    text: str
    start: int
    end: int

    @property
    def command(self) -> str:
        """The command that the mark names, or nothing."""
        return self.rest.partition(": ")[2]

    @property
    def commands(self) -> list[str]:
        """The lines of the block that are commands, with the lines that continue them."""
        return _split(self.text)[0]


def documents() -> list[Path]:
    """The documents that are there."""
    return [ROOT / name for name in DOCUMENTS if (ROOT / name).is_file()]


def blocks_of(text: str) -> list[Block]:
    """Every marked block of a document, in its order."""
    found = []
    for match in MARK.finditer(text):
        start, end = match.span("text") if match["text"] is not None else (match.end(), match.end())
        found.append(Block(match["mark"], match["rest"].strip(" ,"), match["text"] or "", start, end))
    return found


def unmarked(text: str) -> list[str]:
    """Commands in blocks that show what a command of ours printed, and have no mark."""
    marked = {block.start for block in blocks_of(text)}
    blocks = [_split(match[2]) for match in FENCE.finditer(text) if match.start(2) not in marked]
    return [
        commands[0].splitlines()[0]
        for commands, output in blocks
        if output and any(one.startswith("$ edgeleak") for one in commands)
    ]


def _split(text: str) -> tuple[list[str], list[str]]:
    """The commands of a block, each with the lines that continue it, and all other lines."""
    commands: list[str] = []
    others: list[str] = []
    continues = False
    for line in text.splitlines():
        if continues:
            commands[-1] += "\n" + line
        elif line.startswith("$ "):
            commands.append(line)
        else:
            others.append(line)
        continues = (continues or line.startswith("$ ")) and line.endswith("\\")
    return commands, others


def _run(script: str, folder: Path) -> None:
    """Run a script of the shell in a folder, with the command under test before all others."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script}\n{done.stdout}{done.stderr}")


def _printed(commands: list[str], folder: Path) -> list[str]:
    """What each of several commands prints, one after the other in one shell."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        lines = []
        for number, command in enumerate(commands):
            at = place / str(number)
            # The status is given on, so that `echo $?` shows it.
            lines.append(f"{{ {command}\n}} >{at}.out 2>{at}.err; s=$?; echo $s >{at}.rc; (exit $s)")
        _run("\n".join([*lines, "true"]), folder)
        outputs = []
        for number in range(len(commands)):
            out, err = ((place / f"{number}.{kind}").read_text() for kind in ("out", "err"))
            status = int((place / f"{number}.rc").read_text())
            if "unforeseen" in err:  # a defect: no document shows it
                raise RuntimeError(f"{commands[number]}\n{err}")
            said = err if not out and status in (3, 4) else out
            outputs.append("\n".join(line.rstrip() for line in said.replace(str(folder), ".").splitlines()).strip("\n"))
    return outputs


def _shown(output: str, rest: str) -> str:
    """The lines of an output that the mark asks for."""
    lines = output.splitlines()
    wanted: set[int] = set()
    for match in SHOWN.finditer(rest):
        if match["first"]:
            wanted |= set(range(int(match["first"])))
        else:
            at = next((number for number, line in enumerate(lines) if match["text"] in line), None)
            if at is not None:
                wanted |= set(range(at, at + int(match["lines"])))
    if not wanted:
        return output
    kept: list[str] = []
    for number, line in enumerate(lines):
        if number in wanted:
            kept.append(line)
        elif kept[-1:] != ["..."]:
            kept.append("...")
    return "\n".join(kept)


def _made(block: Block, folder: Path) -> str:
    """The text of a block as its commands make it now."""
    if block.command:
        (output,) = _printed([block.command], folder)
        return _shown(output, block.rest.partition(":")[0]) + "\n"
    outputs = _printed([command.removeprefix("$ ") for command in block.commands], folder)
    pieces = []
    for command, output in zip(block.commands, outputs, strict=True):
        pieces += [command, _shown(output, block.rest)] if output else [command]
    return "\n".join(pieces) + "\n"


def _compared(text: str) -> str:
    for pattern, word in RULES:
        text = pattern.sub(word, text)
    return "\n".join(line.strip() for line in text.splitlines())


def remade(text: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Make every block of a document that can be made.

    Args:
        text: the document.
        folder: where its commands run; it holds the scene's files and is written into.

    Yields:
        Each block with its text as it is made now: the same text where it is not stale.
    """
    for block in blocks_of(text):
        if block.mark == "file":
            (folder / block.rest.removeprefix(": ")).write_text(block.text)
        elif block.mark == "run":
            _run(block.command, folder)
        elif block.mark == "made":
            made = _made(block, folder)
            yield block, block.text if _compared(made) == _compared(block.text) else made


def stale(document: Path, folder: Path) -> list[tuple[str, str]]:
    """Blocks of a document that their commands do not make any more, each with what they make."""
    return [(block.text, made) for block, made in remade(document.read_text(), folder) if made != block.text]


def _write(document: Path, folder: Path) -> None:
    text = document.read_text()
    for block, made in reversed(list(remade(text, folder))):
        text = text[: block.start] + made + text[block.end :]
    document.write_text(text)


def main(arguments: list[str]) -> int:
    """Make the blocks of the named documents, or of all."""
    chosen = [Path(one).resolve() for one in arguments if one != "--write"] or documents()
    late = 0
    with tempfile.TemporaryDirectory() as name:
        scene = make(Path(name) / "scene")
        for document in chosen:
            folder = Path(shutil.copytree(scene, Path(name) / document.stem))
            if "--write" in arguments:
                _write(document, folder)
                continue
            for _, made in stale(document, folder):
                late += 1
                print(f"{document.name}: a block is stale; it would be\n{made}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
