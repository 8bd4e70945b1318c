"""Packages and what they depend on, fetched and verified by apt into a private folder; this machine's stay as they are.

Apt does it alone: nothing is installed, no namespace or root is needed, and no code of the other architecture runs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.debian._source import debian_source
from harness.errors import DependencyError, EdgeleakError, StorageError
from harness.plain import plain

__all__ = ["download"]

# Lists of a suite are 10 MB, a kernel 30; beyond this a mirror hangs.
_SECONDS = 540.0
# The machine's proxies, credentials and certificates count, its pins, hooks and lists do not.
_CONFIGURATION = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{folder}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}";
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
Acquire::Languages "none";
Acquire::Retries "2";
"""
_NO_NETWORK = re.compile(r"Temporary failure|Could not (resolve|connect)|Unable to connect|timed out|unreachable", re.I)
_NO_ROOM = re.compile(r"No space left|enough free space", re.I)
_NO_KEY = re.compile(r"NO_PUBKEY|not signed|signatures? (couldn't|could not|were invalid)|EXPKEYSIG", re.I)


def download(
    packages: Sequence[str], *, alone: Sequence[str] = (), suite: str, architecture: str, folder: Path
) -> list[Path]:
    """Fetch packages, their files in the order of their names.

    Args:
        packages: with all that they depend on.
        alone: without what they depend on; one that merely names the newest version of another stands for that.
        suite: of Debian, e.g. ``trixie``.
        architecture: of the packages, e.g. ``arm64``.
        folder: empty, and for this alone.

    Raises:
        DependencyError: this machine has no apt.
        UsageError: its apt knows no source of Debian.
        StorageError: there is no room.
        EdgeleakError: the packages cannot be fetched; the message says why.
    """
    source = debian_source()
    try:
        for name in ("sources", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources/debian.sources").write_text(source.stanza(suite))
        settings = folder / "apt.conf"
        settings.write_text(_CONFIGURATION.format(folder=folder, architecture=architecture))
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror or error}", hint="make room") from error
    _run(settings, source.uri, "apt-get", "update")
    _run(settings, source.uri, "apt-get", "install", "-y", "--download-only", *packages)
    if alone:
        named = [_newest(settings, source.uri, package) for package in alone]
        _run(settings, source.uri, "apt-get", "download", *named, cwd=folder / "cache/archives")
    return sorted((folder / "cache/archives").glob("*.deb"))


def _newest(settings: Path, uri: str, package: str) -> str:
    """The package that another of the same name, less its version, depends on; itself where there is none."""
    said = _run(settings, uri, "apt-cache", "depends", package)
    stem = package.split("-")[:2]
    needed = re.findall(r"^\s+Depends: (\S+)", said, re.MULTILINE)
    return next((name for name in needed if name.split("-")[:2] == stem), package)


def _run(settings: Path, uri: str, program: str, *command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            [program, "-q", "-c", str(settings), *command],
            cwd=cwd or settings.parent,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise DependencyError(
            f"{program} is not on this machine, and packages of Debian are needed",
            hint="do this on Debian or a distribution made of it",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EdgeleakError(
            f"{plain(uri)}: packages did not come within {_SECONDS:g} s", hint="check the network, then run it again"
        ) from error
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    raise _failure(done.stderr.decode(errors="replace"), uri, command[0])


def _failure(said: str, uri: str, what: str) -> EdgeleakError:
    lines = [line for line in said.splitlines() if line.startswith(("E:", "W:"))] or said.splitlines()[-1:]
    reason = plain(" / ".join(lines), length=400)
    if _NO_ROOM.search(said):
        return StorageError(f"no room for packages: {reason}", hint="make room, or set EDGELEAK_CACHE_DIR")
    if _NO_NETWORK.search(said):
        return EdgeleakError(
            f"{plain(uri)}: packages cannot be fetched: {reason}",
            hint="check the network and apt's proxy; what was made once works without a network afterwards",
        )
    if _NO_KEY.search(said):
        return EdgeleakError(
            f"{plain(uri)}: its signature cannot be checked: {reason}",
            hint="apt-get install --only-upgrade debian-archive-keyring brings the keys of newer suites",
        )
    return EdgeleakError(
        f"{plain(uri)}: apt-get {what} failed: {reason}", hint="apt-get update shows whether apt works"
    )
