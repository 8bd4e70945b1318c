"""Fetching from a server on this machine: checked, unpacked by name, and only the published file is stored."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.data import datasets
from harness.data.datasets._catalogue import CATALOGUE, Download, Offer
from harness.errors import ConfigError, DependencyError, InputError, UsageError


class Quiet(SimpleHTTPRequestHandler):
    """A file server that lists the requests and prints nothing."""

    asked: list[str] = []  # noqa: RUF012 - shared on purpose: the server makes a handler a request

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    Quiet.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def offer_of(folder: Path, url: str, files: dict[str, bytes], unpack: str | None = None) -> dict[str, Offer]:
    downloads = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        downloads.append(Download(url + name, len(content), hashlib.sha256(content).hexdigest(), unpack))
    return {"own": Offer("for this test", tuple(downloads))}


def test_files_are_fetched_once_and_checked(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    catalogue = offer_of(folder, url, {"a.csv": b"1,2\n", "b.csv": b"3\n"})
    place = tmp_path / "data" / "own"
    paths = datasets.fetch("own", place, agreed=True, catalogue=catalogue)
    assert [path.relative_to(place).as_posix() for path in paths] == ["a.csv", "b.csv"]
    assert [path.read_bytes() for path in paths] == [b"1,2\n", b"3\n"]
    assert sorted(Quiet.asked) == ["/a.csv", "/b.csv"]
    datasets.fetch("own", place, agreed=True, catalogue=catalogue)
    assert len(Quiet.asked) == 2
    (place / "a.csv").write_bytes(b"altered")
    datasets.fetch("own", place, agreed=True, catalogue=catalogue)
    assert (place / "a.csv").read_bytes() == b"1,2\n"
    assert len(Quiet.asked) == 3


def test_an_altered_file_is_refused_and_not_kept(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    catalogue = offer_of(folder, url, {"a.csv": b"1,2\n"})
    (folder / "a.csv").write_bytes(b"1,3\n")
    with pytest.raises(InputError, match=r"a\.csv: is not the published file") as caught:
        datasets.fetch("own", tmp_path / "data", agreed=True, catalogue=catalogue)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_file_that_the_server_lacks_is_refused_with_its_name(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    catalogue = offer_of(folder, url, {"a.csv": b"1,2\n"})
    (folder / "a.csv").unlink()
    with pytest.raises(InputError, match=r"a\.csv: cannot be fetched: 404"):
        datasets.fetch("own", tmp_path / "data", agreed=True, catalogue=catalogue)
    assert list((tmp_path / "data").iterdir()) == []


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(("name", "pack"), [("own.tar.gz", _tar), ("own.zip", _zip)])
def test_an_archive_is_unpacked_by_the_names_that_are_known(
    served: tuple[Path, str], tmp_path: Path, name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    folder, url = served
    content = {"own/train/n1/a.bin": b"a", "own/b.bin": b"b", "own/../../c.bin": b"c", "d.bin": b"d", "own/e.txt": b"e"}
    catalogue = offer_of(folder, url, {name: pack(content)}, unpack=r"own/((?:train/n\d/)?\w+\.bin)")
    place = tmp_path / "data"
    paths = datasets.fetch("own", place, agreed=True, catalogue=catalogue)
    assert [path.relative_to(place).as_posix() for path in paths] == ["train/n1/a.bin", "b.bin"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {name, "a.bin", "b.bin"}
    catalogue = offer_of(folder, url, {name: pack({"x": b""})}, unpack="nothing(.*)")
    with pytest.raises(InputError, match="holds none of the files"):
        datasets.fetch("own", tmp_path / "other", agreed=True, catalogue=catalogue)


def test_nothing_is_fetched_without_consent_a_checksum_or_a_known_name(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    catalogue = offer_of(folder, url, {"a.csv": b"1,2\n"})
    with pytest.raises(UsageError, match=r"own: nothing was fetched yet \(add --yes"):
        datasets.fetch("own", tmp_path / "data", agreed=False, catalogue=catalogue)
    unchecked = {"own": Offer("?", (Download(url + "a.csv", 4, None),))}
    with pytest.raises(UsageError, match=r"checksum of http.*a\.csv is not known"):
        datasets.fetch("own", tmp_path / "data", agreed=True, catalogue=unchecked)
    with pytest.raises(UsageError, match=r"dataset_purchase\.tgz is not known"):
        datasets.fetch("purchase100", tmp_path / "data", agreed=True)
    with pytest.raises(ConfigError, match=r"'digits' cannot be fetched.*one of: adult, ag-news"):
        datasets.fetch("digits", tmp_path / "data", agreed=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match=r"edgeleak\[fetch\]"):
        datasets.fetch("own", tmp_path / "data", agreed=True, catalogue=catalogue)
    assert Quiet.asked == []
    assert not (tmp_path / "data").exists()


def test_a_description_states_licence_size_and_address() -> None:
    assert datasets.describe("texas100").startswith("texas100: size not known; licence: none stated")
    text = datasets.describe("cifar10")
    assert text.splitlines() == [
        "cifar10: 170.1 MB; licence: none stated by the authors (Krizhevsky 2009)",
        "  https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz (170,052,171 bytes)",
    ]


def test_the_catalogue_has_loadable_names_and_valid_digests() -> None:
    for name, offer in CATALOGUE.items():
        assert name in datasets.names()
        for download in offer.downloads:
            unknown = name in ("purchase100", "texas100")
            assert unknown == (download.sha256 is None) == (download.size_bytes is None)
            assert re.fullmatch(r"[0-9a-f]{64}", download.sha256 or "0" * 64)
            assert re.fullmatch(r"https?://[\w./~-]+", download.url)
            assert re.compile(download.unpack or "(.)").groups == 1
