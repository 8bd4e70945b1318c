"""The bundle's manifest: versions, licences and digests of all that it was made of and of every file in it."""

from __future__ import annotations

import email.parser
import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.bundle._contents import DEBIAN_LICENCES, FORMAT, PARTS, PYTHON, SUITE, Architecture
from harness.bundle._python import DebianFiles
from harness.bundle._tree import Tree, digest_of

__all__ = ["MANIFEST", "as_text", "make_manifest", "put_debian_licences", "version_of"]

MANIFEST = "manifest.json"
_LICENCES = "licences/debian"
_UNNAMED = "see its licence file"


def put_debian_licences(tree: Tree, files: DebianFiles, packages: Sequence[str]) -> None:
    """Put the copyright files of Debian's packages into a folder.

    Args:
        tree: the folder.
        files: of Debian.
        packages: names of those that something in the folder comes from.
    """
    for name in packages:
        if (text := files.copyrights.get(name)) is not None:
            tree.put(f"{_LICENCES}/{name}", text, "python" if "python" in name else "libs")


def make_manifest(
    tree: Tree,
    arch: Architecture,
    *,
    agent: Sequence[tuple[str, bytes]],
    debian: DebianFiles,
    packages: Sequence[str],
    wheels: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """The manifest; it names no date, no user and no machine.

    Args:
        tree: with everything else in it.
        arch: of the bundle.
        agent: what was taken of the project's own wheel.
        debian: Debian's files.
        packages: names of those that something comes from.
        wheels: their rows.
    """
    version = version_of(agent)
    files = {}
    raw = dict.fromkeys(PARTS, 0)
    for path in tree.paths:
        content = tree.read(path)
        files[path] = {"sha256": digest_of(content), "size": len(content), "part": tree.parts[path]}
        raw[tree.parts[path]] += len(content)
    own = "\n".join(f"{digest_of(content)} {path}" for path, content in agent)
    return {
        "format": FORMAT,
        "version": version,
        "architecture": arch.name,
        "python": PYTHON,
        "agent": {
            "name": "edgeleak",
            "version": version,
            "licence": "Apache-2.0",
            "sha256": digest_of(own.encode()),
        },
        "debian": {
            "suite": SUITE,
            "packages": [_package(debian, name) for name in packages],
        },
        "wheels": sorted((dict(row) for row in wheels), key=lambda row: row["name"]),
        "parts": {part: size for part, size in raw.items() if size},
        "files": files,
    }


def as_text(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as it lies in the folder."""
    return (json.dumps(manifest, indent=1) + "\n").encode()


def version_of(agent: Sequence[tuple[str, bytes]]) -> str:
    """The version in the description of the project's wheel; ``unknown`` where it has none.

    Args:
        agent: what was taken of it.
    """
    for path, content in agent:
        if path.endswith(".dist-info/METADATA"):
            return email.parser.HeaderParser().parsestr(content.decode(errors="replace")).get("Version", "unknown")
    return "unknown"


def _package(debian: DebianFiles, name: str) -> dict[str, str]:
    package = debian.packages[name]
    return {
        "name": name,
        "version": package.version,
        "source": package.source,
        "licence": DEBIAN_LICENCES.get(name, _UNNAMED),
        "licence_file": f"{_LICENCES}/{name}",
        "file": package.file,
        "sha256": package.sha256,
    }
