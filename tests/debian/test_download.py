"""What apt fetches into a private folder, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import debian
from harness.errors import EdgeleakError
from tests.debian.repository import NEEDS_APT, Package, make

pytestmark = NEEDS_APT

PACKAGES = [
    Package("tool", {"usr/bin/tool": b"#!/bin/sh\n", "usr/share/doc/tool/copyright": b"mine"}, "libtool1"),
    Package("libtool1", {"usr/lib/libtool.so.1": b"\x7fELF"}),
    Package("linux-image-arm64", depends="linux-image-6.1-arm64"),
    Package("linux-image-6.1-arm64", {"boot/vmlinuz-6.1-arm64": b"kernel"}, "a-tool-that-is-nowhere"),
]


def fetched(tmp_path: Path, packages: Sequence[str], alone: Sequence[str] = ()) -> list[Path]:
    folder = tmp_path / "fetched"
    folder.mkdir()
    return debian.download(packages, alone=alone, suite="trixie", architecture="arm64", folder=folder)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = make(tmp_path / "repository", PACKAGES)
    monkeypatch.setenv(debian.SOURCE_VARIABLE, f"deb [trusted=yes] {uri} trixie main")


@pytest.mark.usefixtures("source")
def test_packages_come_with_what_they_depend_on_and_others_alone(tmp_path: Path) -> None:
    files = fetched(tmp_path, ["tool"], ["linux-image-arm64"])
    names = [file.name.partition("_")[0] for file in files]
    assert names == ["libtool1", "linux-image-6.1-arm64", "tool"]
    held = {member.path: member.content for file in files for member in debian.members(file)}
    assert held["boot/vmlinuz-6.1-arm64"] == b"kernel"
    assert held["usr/bin/tool"] == b"#!/bin/sh\n"


@pytest.mark.usefixtures("source")
def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeleakError, match="no-such-package"):
        fetched(tmp_path, ["no-such-package"])


def test_a_mirror_that_nobody_answers_is_a_matter_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for proxy in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv(debian.SOURCE_VARIABLE, "deb [trusted=yes] http://127.0.0.1:9/debian trixie main")
    with pytest.raises(EdgeleakError, match="check the network"):
        fetched(tmp_path, ["tool"])


def test_packages_without_a_signature_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = make(tmp_path / "repository", PACKAGES)
    monkeypatch.setenv(debian.SOURCE_VARIABLE, f"deb {uri} trixie main")
    with pytest.raises(EdgeleakError, match="signature cannot be checked"):
        fetched(tmp_path, ["tool"])


def test_a_damaged_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = make(tmp_path / "repository", PACKAGES)
    monkeypatch.setenv(debian.SOURCE_VARIABLE, f"deb [trusted=yes] {uri} trixie main")
    package = tmp_path / "repository" / "tool_1.0_arm64.deb"
    package.write_bytes(package.read_bytes()[:-8] + b"damaged!")
    with pytest.raises(EdgeleakError, match="Hash Sum mismatch"):
        fetched(tmp_path, ["tool"])
    with pytest.raises(EdgeleakError, match="no whole package"):
        list(debian.members(package))
