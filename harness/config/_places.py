"""The line of a TOML file on which each rule of a policy is written, for whoever has to change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.config._gate import GateConfig, Place

__all__ = ["places"]

_HEADER = re.compile(r"\s*\[{1,2}([^\[\]]+)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([^=#]+?)\s*=")
_QUOTES = ('"""', "'''")


def places(
    policy: GateConfig, table: Mapping[str, object], text: str, file: str, *, inside: str = ""
) -> dict[str, Place]:
    """Where the rules of a policy are written, by their ids; under an empty id, where the policy begins.

    A rule has the line of its header, `[[rules]]`, or of the key `rules` where they stand in a list; a rule of a preset
    the line that names the preset, and the short form of parity its own.

    Args:
        policy: as it was read from the table.
        table: the policy as a parsed table.
        text: of the whole file.
        file: what the user called it.
        inside: the table of the file that holds the policy, `gate` in an audit.toml; empty in a policy.toml.
    """
    lines: dict[str, list[int]] = {}
    for name, line in _named_lines(text):
        lines.setdefault(name, []).append(line)

    def of(key: str) -> Sequence[int]:
        return lines.get(f"{inside}.{key}" if inside else key, ())

    rows = table.get("rules", ())
    own = len(rows) if isinstance(rows, list | tuple) else 0
    headers = of("rules")
    of_rules = list(headers) if len(headers) == own else [*headers[:1], 0][:1] * own
    of_short = [*of("max_flip_share"), 0][:1] if "max_flip_share" in table else []
    of_preset = [*of("preset"), 0][:1] * (len(policy.rules) - own - len(of_short))
    found = {
        rule.id: Place(file, line) for rule, line in zip(policy.rules, [*of_preset, *of_rules, *of_short], strict=True)
    }
    return {"": Place(file, min((place.line for place in found.values() if place.line), default=0)), **found}


def _named_lines(text: str) -> Iterator[tuple[str, int]]:
    """Dotted names of tables and of keys, each with the line on which it stands; what is in a text names nothing."""
    table, open_quote = "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if open_quote:
            open_quote = "" if line.count(open_quote) % 2 else open_quote
            continue
        header, key = _HEADER.match(line), _KEY.match(line)
        if header is not None:
            table = _dotted(header[1])
            yield table, number
        elif key is not None:
            yield f"{table}.{_dotted(key[1])}" if table else _dotted(key[1]), number
        open_quote = next((quote for quote in _QUOTES if line.count(quote) % 2), "")


def _dotted(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
