"""Which source of packages is taken from apt's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import debian
from harness.errors import UsageError
from tests.debian import repository

pytestmark = repository.NEEDS_APT

MIRROR = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Check-Valid-Until: no
"""
SECURITY = "deb http://mirror.example.org/security bookworm-security main\n"


def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> debian.Source:
    named = {name.replace("_", "."): text for name, text in files.items()}
    for name, value in repository.apt_configuration(tmp_path, named).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(debian.SOURCE_VARIABLE, raising=False)
    return debian.debian_source()


def test_a_mirror_keeps_its_keys_and_its_trust_with_another_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = chosen(tmp_path, monkeypatch, a_list=SECURITY, debian_sources=MIRROR)
    assert source.stanza("trixie").splitlines() == [
        "Types: deb",
        "URIs: http://mirror.example.org/debian",
        "Suites: trixie",
        "Components: main",
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
        "Check-Valid-Until: no",
    ]


def test_a_line_with_options_is_read_as_the_longer_form_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "deb [arch=amd64,arm64 signed-by=/k.gpg trusted=yes] mirror+file:/etc/apt/m.list stable main # mine\n"
    source = chosen(tmp_path, monkeypatch, a_list=line)
    assert source.uri == "mirror+file:/etc/apt/m.list"
    assert source.fields == {"Signed-By": "/k.gpg", "Trusted": "yes"}


def test_a_key_that_is_written_into_the_source_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    text = f"Types: deb\nURIs: http://a.example.org\nSuites: sid\nComponents: main\nSigned-By:{key}\n"
    stanza = chosen(tmp_path, monkeypatch, a_sources=text).stanza("trixie")
    assert stanza.endswith(" -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECURITY,
        "deb-src http://mirror.example.org/debian bookworm main\n",
        "# deb http://mirror.example.org/debian bookworm main\n",
        "deb http://archive.example.org/ubuntu noble main\n",
        "deb http://mirror.example.org/debian bookworm contrib\n",
    ],
)
def test_a_machine_without_a_source_of_debian_is_told_how_to_name_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="EDGELEAK_DEBIAN_SOURCE="):
        chosen(tmp_path, monkeypatch, a_list=text)


def test_a_source_that_is_switched_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        chosen(tmp_path, monkeypatch, a_sources=f"{MIRROR}Enabled: no\n")


def test_debians_own_keyring_goes_before_another_maker_of_the_same_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "deb [signed-by=/usr/share/keyrings/board.gpg] http://board.example.org/debian bookworm main\n"
    source = chosen(tmp_path, monkeypatch, a_list=other, debian_sources=MIRROR)
    assert source.uri == "http://mirror.example.org/debian"


def test_the_variable_replaces_what_apt_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "deb [signed-by=/k.gpg] http://named.example.org/debian trixie main"
    for name, value in repository.apt_configuration(tmp_path, {"debian.sources": MIRROR}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(debian.SOURCE_VARIABLE, line)
    assert debian.debian_source().uri == "http://named.example.org/debian"
    monkeypatch.setenv(debian.SOURCE_VARIABLE, "http://named.example.org/debian")
    with pytest.raises(UsageError, match="is no source of packages"):
        debian.debian_source()
