"""A repository of small packages in a folder, as apt reads it, and an apt configuration that names it alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["NEEDS_APT", "Package", "apt_configuration", "make"]

NEEDS_APT = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="this machine has no apt: it is no Debian"
)


@dataclass(frozen=True)
class Package:
    """What a package is.

    Args:
        name: of the package.
        files: by path.
        depends: on which others.
    """

    name: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    depends: str = ""


def make(folder: Path, packages: list[Package], *, suite: str = "trixie", architecture: str = "arm64") -> str:
    """Write the repository; its address, without the network."""
    place = folder / "dists" / suite / "main" / f"binary-{architecture}"
    place.mkdir(parents=True)
    index = []
    for package in packages:
        tree = folder / "trees" / package.name
        about = (
            f"Package: {package.name}\nVersion: 1.0\nArchitecture: {architecture}\nMaintainer: nobody <n@example.org>\n"
        )
        about += f"Depends: {package.depends}\n" if package.depends else ""
        about += f"Description: {package.name}\n"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(about)
        for path, content in package.files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
        built = folder / f"{package.name}_1.0_{architecture}.deb"
        command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(built)]
        subprocess.run(command, check=True, capture_output=True)
        digest = hashlib.sha256(built.read_bytes()).hexdigest()
        index.append(f"{about}Filename: {built.name}\nSize: {built.stat().st_size}\nSHA256: {digest}\n")
    listing = "\n".join(index).encode()
    (place / "Packages").write_bytes(listing)
    entry = f" {hashlib.sha256(listing).hexdigest()} {len(listing)} main/binary-{architecture}/Packages\n"
    release = f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nComponents: main\n"
    release += f"Architectures: {architecture}\nDate: Sat, 01 Nov 2025 00:00:00 UTC\nSHA256:\n{entry}"
    (place.parents[1] / "Release").write_text(release)
    return f"copy:{folder}"


def apt_configuration(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """An environment in which apt knows only the sources in these files.

    Args:
        folder: empty.
        files: text by name, ``*.list`` or ``*.sources``.
    """
    parts = folder / "sources.list.d"
    parts.mkdir()
    for name, text in files.items():
        (parts / name).write_text(text)
    (folder / "lists" / "partial").mkdir(parents=True)
    settings = folder / "apt.conf"
    places = {"Etc::sourcelist": "sources.list", "Etc::sourceparts": parts.name, "State::lists": "lists"}
    settings.write_text("".join(f'Dir::{name} "{folder / place}";\n' for name, place in places.items()))
    return {"APT_CONFIG": os.fspath(settings)}
