"""Writes docs/commands.md from the command line itself: every verb with its arguments, options and examples.

Run ``python -m tests.docs.reference`` after a change to a verb; a test proves that the page is fresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import harness.cli  # noqa: F401  # registers the verbs
from harness.cli._app import app
from harness.cli._verbs import EVERYWHERE, SECTIONS

__all__ = ["PAGE", "page", "write"]

PAGE = Path(__file__).parents[2] / "docs/commands.md"
HEAD = """# Commands

<!-- made by python -m tests.docs.reference -->
Every verb of `edgeleak` with its arguments and options, written from the command line itself. `-h` behind a verb
shows the same in the terminal. Results go to standard output, progress and messages to standard error.
"""
EXAMPLES = re.compile(r"^Examples?: *", re.DOTALL)


def verbs() -> Iterator[tuple[Any, Any]]:
    """Every verb with its context, groups before what is in them, in the order of help."""
    root: Any = typer.main.get_command(app)

    def below(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
        yield command, context
        for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
            inner = command.get_command(context, name)
            if not inner.hidden:
                yield from below(inner, inner.context_class(inner, info_name=name, parent=context))

    yield from below(root, root.context_class(root, info_name="edgeleak"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _code(text: str) -> str:
    """Code in a cell of a table: Markdown splits cells at a bar in code, too."""
    return f"`{_cell(text)}`"


def _rows(command: Any, context: Any, kind: str) -> list[str]:
    rows = []
    for one in command.params:
        # What every call takes is shown once, at the top.
        repeated = context.parent is not None and one.name in EVERYWHERE
        record = None if one.param_type_name != kind or one.hidden or repeated else one.get_help_record(context)
        if record is not None:
            name, meaning = record
            by = one.envvar if isinstance(one.envvar, str) else None
            if by and by not in meaning:
                meaning += f" [env: {by}]"
            rows.append(f"| {_code(name)} | {_cell(meaning)} |")
    return rows


def _examples(epilog: str) -> list[str]:
    """The calls in an epilog: "Examples: a; b (what it is for)"."""
    lines = []
    for one in EXAMPLES.sub("", " ".join(epilog.split())).split("; "):
        call, _, remark = one.rstrip(".").partition(" (")
        lines.append(call + (f"  # {remark.rstrip(')')}" if remark else ""))
    return lines


def section(command: Any, context: Any) -> str:
    """What the page says of one verb."""
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    parts = [f"{'##' if context.parent.parent is None else '###'} {context.command_path}"]
    text = (command.help or "").strip().replace("\f", "")
    parts += [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]
    if hasattr(command, "commands"):
        return "\n\n".join(parts)
    parts.append(f"`{usage}`")
    epilog = (command.epilog or "").strip()
    if EXAMPLES.match(epilog):
        parts.append("\n".join(["```", *_examples(epilog), "```"]))
    elif epilog:
        parts.append(" ".join(epilog.split()))
    for kind, title in (("argument", "argument"), ("option", "option")):
        if rows := _rows(command, context, kind):
            parts.append("\n".join([f"| {title} | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    every = list(verbs())
    root, context = every[0]
    parts = [HEAD.rstrip()]
    for title, named in SECTIONS.items():
        listed = [
            f"| [{_cell(inner.command_path)}](#{inner.command_path.replace(' ', '-')}) | "
            f"{_cell((command.help or '').strip().partition(chr(10) * 2)[0])} |"
            for command, inner in every[1:]
            if inner.command_path.split()[1] in named
        ]
        parts += [f"**{title}**", "\n".join(["| verb | what it does |", "|---|---|", *listed])]
    parts.append("\n".join(["| option of every call | meaning |", "|---|---|", *_rows(root, context, "option")]))
    parts.append((root.epilog or "").strip())
    parts += [section(command, inner) for command, inner in every[1:]]
    return "\n\n".join(part for part in parts if part) + "\n"


def write() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    write()
