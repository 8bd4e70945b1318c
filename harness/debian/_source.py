"""Which of the sources in apt's configuration is Debian's: mirror, keys and all, and never one that is written here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import DependencyError, UsageError

__all__ = ["SOURCE_VARIABLE", "Source", "debian_source"]

# A source in apt's one-line form, for machines whose own is not Debian's.
SOURCE_VARIABLE = "EDGELEAK_DEBIAN_SOURCE"
_SUITES = re.compile(r"(old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke")
# One-line options as the fields of the other form; the rest chooses what to fetch, which we choose ourselves.
_FIELDS = {
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
    "check-date": "Check-Date",
    "allow-insecure": "Allow-Insecure",
    "by-hash": "By-Hash",
}
_APT_SECONDS = 30.0


@dataclass(frozen=True)
class Source:
    """A place of packages, as apt's configuration names it.

    Args:
        uri: e.g. of a mirror.
        suites: that are configured.
        components: that are configured.
        fields: how it is trusted, in the names of apt's deb822 form.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def has_keys_of_debian(self) -> bool:
        """Whether its packages must be signed with a key of Debian's keyring."""
        return "debian-archive" in self.fields.get("Signed-By", "")

    def stanza(self, suite: str) -> str:
        """The source with another suite, as a file ``*.sources`` holds it.

        Args:
            suite: e.g. ``trixie``.
        """
        own = {"Types": "deb", "URIs": self.uri, "Suites": suite, "Components": "main"}
        return "".join(f"{name}: {value}\n" for name, value in {**own, **self.fields}.items())


def debian_source() -> Source:
    """Debian's own source, or a mirror of it, in apt's configuration; ``$EDGELEAK_DEBIAN_SOURCE`` replaces it.

    Raises:
        DependencyError: this machine has no apt.
        UsageError: its apt knows no source of Debian.
    """
    if chosen := os.environ.get(SOURCE_VARIABLE):
        for source in _one_line(chosen):
            return source
        raise UsageError(
            f"{SOURCE_VARIABLE}={chosen!r} is no source of packages",
            hint="write it as apt does: deb [signed-by=KEYRING] URI SUITE main",
        )
    candidates = [source for source in _configured() if "main" in source.components]
    candidates = [source for source in candidates if any(_SUITES.fullmatch(suite) for suite in source.suites)]
    known = _known_to_be_debian()
    # Lists may not have been fetched on this machine yet; the keys then say whose source it is.
    candidates.sort(key=lambda source: (source.uri.rstrip("/") not in known, not source.has_keys_of_debian))
    if not candidates:
        raise UsageError(
            "apt on this machine knows no source of Debian packages",
            hint=f"use Debian, or set {SOURCE_VARIABLE}='deb [signed-by=KEYRING] URI SUITE main'; the package "
            "debian-archive-keyring has Debian's keys",
        )
    return candidates[0]


def _configured() -> list[Source]:
    said = _apt("apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d")
    places = dict(word.split("=", 1) for word in shlex.split(said) if "=" in word)
    listed, folder = Path(places.get("LIST", "")), Path(places.get("PARTS", ""))
    parts = sorted([*folder.glob("*.list"), *folder.glob("*.sources")]) if places.get("PARTS") else []
    found: list[Source] = []
    for file in [listed, *parts]:
        if file.is_file():
            text = file.read_text(errors="replace")
            found.extend(_stanzas(text) if file.suffix == ".sources" else _one_line(text))
    return found


def _one_line(text: str) -> Iterator[Source]:
    """Sources of the form ``deb [options] uri suite components``."""
    for line in text.splitlines():
        match = re.fullmatch(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?", line)
        if match:
            options = dict(word.split("=", 1) for word in (match[1] or "").split() if "=" in word)
            fields = {_FIELDS[key.lower()]: value for key, value in options.items() if key.lower() in _FIELDS}
            yield Source(match[2], (match[3],), tuple(match[4].split()), fields)


def _stanzas(text: str) -> Iterator[Source]:
    """Sources of apt's deb822 form."""
    kept = {name.lower(): name for name in _FIELDS.values()}
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", lines):
        # A value goes on in lines that begin with a space: a key that is written into the source does.
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([A-Za-z-]+):(.*(?:\n[ \t].*)*)", block, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
        trust = {kept[name]: value for name, value in fields.items() if name in kept}
        for uri in fields.get("uris", "").split():
            yield Source(uri, tuple(suites), tuple(components), trust)


def _known_to_be_debian() -> set[str]:
    """The places whose signed lists say that they are Debian's."""
    said = _apt("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")
    rows = (line.split("|", 2) for line in said.splitlines())
    return {row[2].rstrip("/") for row in rows if row[:2] == ["Debian", "Debian"]}


def _apt(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_APT_SECONDS, check=False)
    except FileNotFoundError as error:
        raise DependencyError(
            f"{command[0]} is not on this machine, and packages of Debian are needed",
            hint="do this on Debian or a distribution made of it",
        ) from error
    return done.stdout.decode(errors="replace")
