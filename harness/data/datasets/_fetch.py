"""`edgeleak fetch`: data sets from where they are published, checked against the digests that are known of them."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from harness.data.datasets._catalogue import CATALOGUE, Download, Offer
from harness.data._text_files import require
from harness.errors import ConfigError, InputError, UsageError

__all__ = ["describe", "fetch"]

# Seconds that a server may stay silent.
TIMEOUT_S = 60


def describe(name: str, *, catalogue: Mapping[str, Offer] = CATALOGUE) -> str:
    """What would be fetched: licence, addresses and sizes, a line each.

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

    A file that is there already and has the right digest is not downloaded again. A file with another digest never
    takes its place in the folder.

    Args:
        name: the data set.
        folder: where the files go; made where it is missing. It is the data set's `data_dir`.
        agreed: the user has seen :func:`describe` and said yes.
        catalogue: what can be fetched.

    Returns:
        The files in the folder.

    Raises:
        ConfigError: the data set is not in the catalogue.
        UsageError: not agreed, or the checksum of a file is not known.
        InputError: a file cannot be had, or is not the published one.
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
    found: list[Path] = []
    for download in offer.downloads:
        path = _retrieve(download, folder)
        found.extend([path] if download.unpack is None else _unpack(path, re.compile(download.unpack), folder))
    return tuple(found)


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
        place = pooch.retrieve(
            download.url,
            known_hash=f"sha256:{download.sha256}",
            fname=download.name,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
        )
    except requests.RequestException as error:
        raise InputError(f"{download.url}: cannot be fetched: {error}", hint="try again later") from None
    except ValueError:  # pooch's word for another digest; the file is removed by then
        raise InputError(
            f"{download.url}: is not the published file: its SHA-256 is not {download.sha256}",
            hint="it was altered on the way or at its place; nothing was kept",
        ) from None
    return Path(place)


def _unpack(path: Path, wanted: re.Pattern[str], folder: Path) -> Iterator[Path]:
    """Write the members that match, each to the place that the pattern's first group names, and no other."""
    count = 0
    for name, stream in _members(path):
        match = wanted.fullmatch(name)
        if match is None:
            continue
        place = folder / match[1]
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(place.name + ".part")
        with stream, draft.open("wb") as out:
            shutil.copyfileobj(stream, out)
        draft.replace(place)
        count += 1
        yield place
    if not count:
        raise InputError(f"{path}: holds none of the files that were expected")


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each plain file of a zip or a packed tar; its bytes are known to be the published ones."""
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
