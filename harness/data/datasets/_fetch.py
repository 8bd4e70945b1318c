"""`edgeleak fetch`: downloads data sets from their publishers and verifies their digests."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from harness.data.datasets._catalogue import CATALOGUE, Download, Offer
from harness.errors import ConfigError, InputError, UsageError
from harness.packages import require

__all__ = ["describe", "fetch"]

# Seconds to wait for a server's response.
TIMEOUT_S = 60


def describe(name: str, *, catalogue: Mapping[str, Offer] = CATALOGUE) -> str:
    """Describe a download before it: licence, addresses and sizes, one per line.

    Raises:
        ConfigError: the data set is not in the catalogue.
    """
    offer = _offer(name, catalogue)
    sizes = [download.size_bytes for download in offer.downloads]
    total = "size not known" if None in sizes else f"{sum(filter(None, sizes)) / 1e6:.1f} MB"
    files = [d.url if d.size_bytes is None else f"{d.url} ({d.size_bytes:,} bytes)" for d in offer.downloads]
    return "\n  ".join([f"{name}: {total}; licence: {offer.licence}", *files])


def fetch(name: str, folder: Path, *, agreed: bool, catalogue: Mapping[str, Offer] = CATALOGUE) -> tuple[Path, ...]:
    """Download a data set's files into a folder, and unpack those that the loaders read unpacked.

    A file that exists already with the right digest is not downloaded again. A downloaded file with another digest is
    never stored.

    Args:
        name: the data set.
        folder: folder for the files, created where it is missing; the data set's `data_dir`.
        agreed: whether the user has agreed to the licence and size of :func:`describe`.
        catalogue: the data sets that can be fetched.

    Returns:
        The files in the folder.

    Raises:
        ConfigError: the data set is not in the catalogue.
        UsageError: not agreed, or the checksum of a file is not known.
        InputError: a file cannot be downloaded, or is not the published one.
        DependencyError: pooch is not installed.
    """
    offer = _offer(name, catalogue)
    unknown = [download for download in offer.downloads if download.sha256 is None]
    if unknown:
        raise UsageError(
            f"{name}: the checksum of {unknown[0].url} is not known, so it is not fetched",
            hint="download it yourself and give its folder as data_dir",
        )
    if not agreed:
        raise UsageError(f"{name}: nothing was fetched yet", hint="add --yes to agree to the licence and the size")
    require("pooch", extra="fetch")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for download in offer.downloads:
        path = _retrieve(download, folder)
        paths.extend([path] if download.unpack is None else _unpack(path, re.compile(download.unpack), folder))
    return tuple(paths)


def _offer(name: str, catalogue: Mapping[str, Offer]) -> Offer:
    try:
        return catalogue[name]
    except KeyError:
        raise ConfigError(
            f"data set {name!r} cannot be fetched", hint=f"one of: {', '.join(sorted(catalogue))}"
        ) from None


def _retrieve(download: Download, folder: Path) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    try:
        downloaded = pooch.retrieve(
            download.url,
            known_hash=f"sha256:{download.sha256}",
            fname=download.name,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
        )
    except requests.RequestException as error:
        raise InputError(f"{download.url}: cannot be fetched: {error}", hint="try again later") from None
    except ValueError:  # pooch raises it for another digest, and has removed the file
        raise InputError(
            f"{download.url}: is not the published file: its SHA-256 is not {download.sha256}",
            hint="it was altered by the server or in transit; nothing was stored",
        ) from None
    return Path(downloaded)


def _unpack(path: Path, pattern: re.Pattern[str], folder: Path) -> Iterator[Path]:
    """Write only the members that match, each to the path that the pattern's first group names."""
    count = 0
    for name, stream in _members(path):
        match = pattern.fullmatch(name)
        if match is None:
            continue
        target = folder / match[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(target.name + ".part")
        with stream, draft.open("wb") as out:
            shutil.copyfileobj(stream, out)
        draft.replace(target)
        count += 1
        yield target
    if not count:
        raise InputError(f"{path}: holds none of the files that were expected", hint="delete it and fetch again")


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each regular file of a zip or a packed tar, whose digest has been verified."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if not item.is_dir():
                    yield item.filename, archive.open(item)
    else:
        with tarfile.open(path, "r:*") as packed:
            for member in packed:
                stream = packed.extractfile(member) if member.isfile() else None
                if stream is not None:
                    yield member.name, stream
