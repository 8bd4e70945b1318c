"""The agent comes from this project's wheel: built from a checkout, packed again where it is installed, or given."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness.bundle._agent import files_of, fingerprint, own_wheel
from harness.errors import EdgeleakError, UsageError

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the project's wheel is built from."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    for name in ("device_agent", "protos", "harness", "examples"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_wheel(None, tmp_path_factory.mktemp("built"), editable(checkout, tmp_path_factory.mktemp("editable")))


@pytest.fixture
def installed(built: Path, tmp_path: Path) -> importlib.metadata.Distribution:
    """The wheel, installed by pip into a folder of its own."""
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*command, str(built)], check=True, capture_output=True)
    return importlib.metadata.Distribution.at(next(target.glob("edgeleak-*.dist-info")))


def editable(checkout: Path, folder: Path) -> importlib.metadata.Distribution:
    """An installation that runs from a checkout, as pip describes one."""
    about = folder / "edgeleak-0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: edgeleak\nVersion: 0\n")
    (about / "direct_url.json").write_text(f'{{"url": "{checkout.as_uri()}", "dir_info": {{"editable": true}}}}')
    return importlib.metadata.Distribution.at(about)


def test_a_checkout_s_wheel_holds_the_agent_as_it_is_there(checkout: Path, built: Path) -> None:
    files = dict(files_of(built))
    expected = {
        str(path.relative_to(checkout)): path.read_bytes()
        for package in ("device_agent", "protos")
        for path in (checkout / package).rglob("*")
        if path.is_file()
    }
    assert {path: content for path, content in files.items() if ".dist-info/" not in path} == expected
    assert not any(path.startswith("harness/") for path in files)
    assert any(path.endswith("/licenses/LICENSE") for path in files)


def test_an_installed_project_gives_the_same_agent_as_its_wheel(
    built: Path, installed: importlib.metadata.Distribution, tmp_path: Path
) -> None:
    assert files_of(own_wheel(None, tmp_path / "packed", installed)) == files_of(built)
    assert fingerprint(None, installed) == fingerprint(built)


def test_a_given_wheel_is_taken_as_it_is(built: Path, tmp_path: Path) -> None:
    assert own_wheel(built, tmp_path / "unused") == built
    assert not (tmp_path / "unused").exists()


def test_an_installed_file_that_was_changed_is_refused_by_name(installed: importlib.metadata.Distribution) -> None:
    file = Path(str(installed.locate_file("device_agent/cli.py")))
    file.write_text(file.read_text() + "# changed\n")
    with pytest.raises(EdgeleakError, match=r"device_agent/cli\.py: is not as it was installed"):
        fingerprint(None, installed)


def test_a_checkout_s_fingerprint_follows_the_agent_and_not_the_host(checkout: Path, tmp_path: Path) -> None:
    distribution = editable(checkout, tmp_path)
    before = fingerprint(None, distribution)
    (checkout / "device_agent" / "__pycache__").mkdir(exist_ok=True)
    (checkout / "device_agent" / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"")
    host = checkout / "harness" / "query.py"
    host.write_text(host.read_text() + "\n# of the host\n")
    assert fingerprint(None, distribution) == before
    added = checkout / "device_agent" / "added.py"
    added.write_text("")
    assert fingerprint(None, distribution) != before
    added.unlink()
    assert fingerprint(None, distribution) == before


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_wheel_of_this_project_is_refused(tmp_path: Path, content: bytes | None) -> None:
    wheel = tmp_path / "other-1.0-py3-none-any.whl"
    if content is None:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other/__init__.py", "")
            archive.writestr("other-1.0.dist-info/METADATA", "Name: other\nVersion: 1.0\n")
    else:
        wheel.write_bytes(content)
    with pytest.raises(UsageError, match=r"--wheel .*other-1\.0"):
        own_wheel(wheel, tmp_path)
