"""IMDB reviews (Maas et al. 2011): aclImdb/{train,test}/{pos,neg}/ID_RATING.txt, in folders or as the packed tar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.data._text_files import decode, members, read_bytes
from harness.data.datasets._dataset import TextDataset
from harness.data.datasets._registry import Place, register
from harness.data.datasets._texts import Part, gathered
from harness.errors import InputError

__all__: list[str] = []

CLASSES = ("neg", "pos")
# A folder's index here is one part of its records' ids, the file's number the other.
FOLDERS = ("train/neg", "train/pos", "test/neg", "test/pos")
REVIEW = re.compile(r"(?:.*/)?((?:train|test)/(?:neg|pos))/(\d{1,9})_\d{1,2}\.txt")
# The longest review has 14 kB.
MOST_BYTES = 1 << 20

Review = tuple[str, int, str]


@register("imdb")
def _load(place: Place) -> TextDataset:
    path = place.path("the folder aclImdb or the one that holds it, or the packed aclImdb_v1.tar.gz")
    inner = path / "aclImdb" if (path / "aclImdb").is_dir() else path
    packed = path if path.is_file() else next(iter(sorted(path.glob("aclImdb*.tar.gz"))), None)
    if any((inner / name).is_dir() for name in FOLDERS):
        return _arranged(place, inner, _from_folders(inner))
    if packed is None:
        raise InputError(f"{path}: there is none of {', '.join(FOLDERS)}, and no aclImdb*.tar.gz")
    return _arranged(place, packed, _from_tar(packed))


def _arranged(place: Place, where: Path, reviews: Iterator[Review]) -> TextDataset:
    """Order reviews by folder and number, independent of their order on disk or in the archive."""
    by_folder: dict[str, dict[int, str]] = {folder: {} for folder in FOLDERS}
    for folder, number, text in reviews:
        if number in by_folder[folder]:
            raise InputError(f"{where}: two reviews of {folder} have the number {number}")
        by_folder[folder][number] = text
    if not any(by_folder.values()):
        raise InputError(f"{where}: there is no review, {' or '.join(FOLDERS)}/ID_RATING.txt")
    for split in ("train", "test"):
        for sentiment, other in (CLASSES, CLASSES[::-1]):
            if by_folder[f"{split}/{other}"] and not by_folder[f"{split}/{sentiment}"]:
                raise InputError(
                    f"{where}: {split}/{sentiment} has no review",
                    hint=f"{split}/{other} has reviews; unpack the whole archive",
                )
    parts = []
    for number, folder in enumerate(FOLDERS):
        rows = sorted(by_folder[folder])
        if rows:
            labels = [CLASSES.index(folder.split("/")[1])] * len(rows)
            parts.append(Part(number, folder, labels, [by_folder[folder][row] for row in rows], rows))
    return gathered(place, parts, CLASSES)


def _from_folders(folder: Path) -> Iterator[Review]:
    for name in FOLDERS:
        for path in (folder / name).glob("*.txt"):
            match = REVIEW.fullmatch(path.as_posix())
            if match:
                yield match[1], int(match[2]), decode(path, read_bytes(path, most=MOST_BYTES))


def _from_tar(path: Path) -> Iterator[Review]:
    """Read the reviews of a packed tar; members are not written to disk, so a name with ``..`` is harmless."""
    with members(path) as files:
        for name, size, stream in files:
            match = REVIEW.fullmatch(name)
            if match is None:
                continue
            if size > MOST_BYTES:
                raise InputError(f"{path}: {name}: {size:,} bytes, at most {MOST_BYTES:,} are read")
            yield match[1], int(match[2]), decode(f"{path}: {name}", stream.read())
