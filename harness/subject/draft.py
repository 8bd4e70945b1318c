"""An audit of supplied files or of answers as options describe it: its configuration, and its audit.toml."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import AuditConfig, parse
from harness.errors import ConfigError

__all__ = ["Draft", "holds_answers", "named_files"]

# Of files of arrays or tables, in place of an audit.toml.
ANSWERS_SUFFIXES = (".npz", ".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a command's options say of an audit that trains nothing.

    Args:
        artifacts: variant -> model file that ships.
        members: records of the training set.
        nonmembers: records that were not in it.
        records: one file with both and an array of membership, in place of the two.
        population: records outside every model's training set.
        label: column of classes in a table.
        answers: confidence arrays, in place of all of the above.
        shadows: tables of shadow models' answers, where the answers are a table.
        attacks: names of attacks; empty for the default set.
        max_auc: a rule of the release policy: no attack's AUC above this.
        max_increase: a rule: no attack's AUC above the original's by more than this.
        name: of the audit; None takes that of the first file.
    """

    artifacts: Mapping[str, Path]
    members: Path | None = None
    nonmembers: Path | None = None
    records: Path | None = None
    population: Path | None = None
    label: str | None = None
    answers: Path | None = None
    shadows: Sequence[Path] = ()
    attacks: Sequence[str] = ()
    max_auc: float | None = None
    max_increase: float | None = None
    name: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the options describe no audit."""
        described = (self.artifacts, self.answers, self.shadows, self.members, self.nonmembers, self.records)
        return not any(described)

    def config(self) -> AuditConfig:
        """The configuration; paths are absolute.

        Raises:
            ConfigError: the options do not go together.
        """
        return parse(self._table(None), source="options")

    def toml(self, folder: Path, comments: Mapping[str, Sequence[str]]) -> str:
        """The commented audit.toml that describes the same audit.

        Args:
            folder: where the file goes; paths in it are relative to this.
            comments: variant, ``records`` or ``answers`` -> what was found in the files, a line each.
        """
        table = self._table(folder)
        lines = [f"name = {_quoted(table['name'])}", ""]
        for variant, row in zip(self.artifacts, table.get("artifact", ()), strict=True):
            lines += [f"# {line}" for line in comments.get(variant, ())]
            lines += ["[[artifact]]", *_assignments(row), ""]
        for section in ("records", "answers"):
            if section in table:
                lines += [f"# {line}" for line in comments.get(section, ())]
                lines += [f"[{section}]", *_assignments(table[section]), ""]
        lines += ["[attack]", *self._attack_lines(), ""]
        lines += self._gate_lines()
        return "\n".join(lines).rstrip() + "\n"

    def _table(self, folder: Path | None) -> dict[str, Any]:
        def path(file: Path) -> str:
            return str(file.absolute()) if folder is None else os.path.relpath(file.absolute(), folder.absolute())

        files = {
            "members": self.members,
            "nonmembers": self.nonmembers,
            "file": self.records,
            "population": self.population,
        }
        table: dict[str, Any] = {"name": self.name or self._name()}
        if self.artifacts:
            table["artifact"] = [{"variant": name, "file": path(file)} for name, file in self.artifacts.items()]
        records = {key: path(file) for key, file in files.items() if file is not None}
        if self.label is not None:
            records["label"] = self.label
        if records:
            table["records"] = records
        if self.shadows and self.answers is None:
            raise ConfigError("--shadow: is for answers in tables", hint="give the target's table too")
        if self.answers is not None:
            table["answers"] = {"file": path(self.answers)}
            if self.shadows:
                table["answers"]["shadows"] = [path(shadow) for shadow in self.shadows]
        if self.attacks:
            table["attack"] = {"names": list(self.attacks)}
        rules = [
            {key: limit}
            for key, limit in (("max", self.max_auc), ("max_increase", self.max_increase))
            if limit is not None
        ]
        if rules:
            table["gate"] = {"rules": rules}
        return table

    def _name(self) -> str:
        files = [*self.artifacts.values(), *filter(None, (self.answers, self.records, self.members))]
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", files[0].stem if files else "").lstrip("._-")
        return stem or "audit"

    def _attack_lines(self) -> list[str]:
        if self.attacks:
            return [f"names = [{', '.join(map(_quoted, self.attacks))}]"]
        return ['# names = ["confidence", "sr2-rf", "mr-gbt"]   # without names, the strongest attack of each family']

    def _gate_lines(self) -> list[str]:
        lines: list[str] = []
        for key, limit, meaning in (
            ("max", self.max_auc, "no attack's AUC above this; 0.5 is guessing"),
            ("max_increase", self.max_increase, "no attack's AUC above the original's by more than this"),
        ):
            if limit is not None:
                lines += ["[[gate.rules]]", f"{key} = {limit!r}   # {meaning}", ""]
        return lines or [
            "# Without a rule the audit decides nothing and ends inconclusive (exit code 2).",
            "# [[gate.rules]]",
            "# max = 0.6            # no attack's AUC above this; 0.5 is guessing",
            "# [[gate.rules]]",
            "# max_increase = 0.05  # no attack's AUC above the original's by more than this",
        ]


def holds_answers(source: Path) -> bool:
    """Whether a path is one of answers from anywhere, by its suffix, and not one of a configuration."""
    return source.suffix in ANSWERS_SUFFIXES


def named_files(options: Sequence[str], *, option: str = "--artifact") -> dict[str, Path]:
    """Variant -> file, of options ``NAME=FILE``.

    Raises:
        ConfigError: one is not NAME=FILE, or a name comes twice.
    """
    named: dict[str, Path] = {}
    for given in options:
        name, equals, file = given.partition("=")
        if not (equals and name and file) or "/" in name or not name.isprintable():
            raise ConfigError(f"{option} {given!r}: expected NAME=FILE", hint=f"e.g. {option} int8=model.int8.tflite")
        if name in named:
            raise ConfigError(
                f"{option} {given}: {name} names {named[name]} already", hint="give each a name of its own"
            )
        named[name] = Path(file)
    return named


def _assignments(table: object) -> list[str]:
    assert isinstance(table, dict)  # noqa: S101 - made by Draft._table
    return [f"{key} = {_quoted(value)}" for key, value in table.items()]


def _quoted(value: object) -> str:
    """A text as TOML writes it; JSON's escapes are TOML's, which wants one more."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
