"""Images in folders: Tiny ImageNet, mini-ImageNet (Vinyals et al. 2016) and the user's own, one folder a class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from harness.data._text_files import decode, lines_of, read_bytes
from harness.data.datasets._images import IMAGENET, ImageFiles
from harness.data.datasets._registry import Place, register
from harness.errors import InputError

__all__: list[str] = []

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
# The usual channel means and standard deviations of its training images.
TINY = ((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821))
MINI_PARTS = ("train", "val", "test")

# Class, source and file of one image.
Found = tuple[str, str, Path]


@register("image-folder")
def _load_own(place: Place) -> ImageFiles:
    """`DIR/class/image`; the classes are the folders' names, sorted."""
    folder = place.folder("a folder with one folder of images a class")
    classes = _folders(folder)
    return _gathered(place, [found for name in classes for found in _images(folder / name, name, place.name)], classes)


@register("mini-imagenet")
def _load_mini(place: Place) -> ImageFiles:
    """`DIR/{train,val,test}/class/image`; the three parts hold different classes, a model here knows them all."""
    folder = place.folder("the folder that holds train, val and test, each with one folder of images a class")
    parts = [part for part in MINI_PARTS if (folder / part).is_dir()]
    if not parts:
        raise InputError(f"{folder}: there is none of the folders {', '.join(MINI_PARTS)}")
    named = [(part, name) for part in parts for name in _folders(folder / part)]
    found = [image for part, name in named for image in _images(folder / part / name, name, part)]
    return _gathered(place, found, sorted({name for _, name in named}))


@register("tiny-imagenet")
def _load_tiny(place: Place) -> ImageFiles:
    """The official layout: 200 classes in wnids.txt, training images by folder, validation images by a table.

    The test images have no published labels and are left out.
    """
    folder = place.folder("the unpacked folder tiny-imagenet-200")
    listed = folder / "wnids.txt"
    classes = sorted(decode(listed, read_bytes(listed)).split())
    if not classes or len(set(classes)) != len(classes):
        raise InputError(f"{listed}: no list of distinct classes")
    found = [image for name in classes for image in _images(folder / "train" / name / "images", name, "train")]
    found.extend(_validation(folder / "val", frozenset(classes)))
    return _gathered(place, found, classes, *TINY)


def _validation(folder: Path, classes: frozenset[str]) -> Iterator[Found]:
    """Validation images: file, class and a box a line, separated by tabs."""
    table = folder / "val_annotations.txt"
    if not folder.is_dir():
        return
    for line, row in lines_of(table):
        name, _, rest = row.partition("\t")
        label = rest.split("\t")[0]
        if label not in classes:
            raise InputError(f"{table}: line {line}: class {label!r} is not in wnids.txt")
        path = folder / "images" / name
        if Path(name).name != name or not path.is_file():
            raise InputError(f"{table}: line {line}: there is no image {name!r} in {folder / 'images'}")
        yield label, "val", path


def _folders(folder: Path) -> list[str]:
    """Names of the folders inside, sorted; hidden ones are left out."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise InputError(f"{folder}: there is no folder of a class", hint="one folder a class, images inside")
    return names


def _images(folder: Path, label: str, source: str) -> Iterator[Found]:
    """A class's image files by name.

    Raises:
        InputError: there is no such folder, or no image in it: a class without records cannot be learned.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint=f"the images of class {label}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{folder}: class {label} has no image", hint=f"one of: {', '.join(sorted(SUFFIXES))}")
    yield from ((label, source, path) for path in files)


def _gathered(
    place: Place,
    found: Iterable[Found],
    classes: Iterable[str],
    mean: tuple[float, ...] = IMAGENET[0],
    std: tuple[float, ...] = IMAGENET[1],
) -> ImageFiles:
    """Ids are places in the order of class and file name."""
    labels, sources, files = zip(*found, strict=True)
    names = tuple(classes)
    number = {name: k for k, name in enumerate(names)}
    parts = tuple(dict.fromkeys(sources))
    of = {part: k for k, part in enumerate(parts)}
    return ImageFiles(
        name=place.name,
        inputs=files,
        labels=np.array([number[label] for label in labels], dtype=np.int64),
        ids=np.arange(len(files), dtype=np.int64),
        n_classes=len(names),
        class_names=names,
        sources=np.array([of[source] for source in sources], dtype=np.int64),
        source_names=parts,
        mean=mean,
        std=std,
    )
