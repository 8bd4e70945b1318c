"""Images in folders: Tiny ImageNet, mini-ImageNet (Vinyals et al. 2016) and the user's own, one folder per class."""

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
# The usual channel means and standard deviations of Tiny ImageNet's training images.
TINY = ((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821))
MINI_PARTS = ("train", "val", "test")

# Class, source and file of one image.
Image = tuple[str, str, Path]


@register("image-folder")
def _load_own(place: Place) -> ImageFiles:
    """`DIR/class/image`; the classes are the folders' names, sorted."""
    folder = place.folder("a folder with one folder of images per class")
    classes = _folders(folder)
    images = [image for name in classes for image in _images(folder / name, name, place.name)]
    return _gathered(place, images, classes)


@register("mini-imagenet")
def _load_mini(place: Place) -> ImageFiles:
    """`DIR/{train,val,test}/class/image`; the three parts hold different classes, all of which the model learns."""
    folder = place.folder("the folder that holds train, val and test, each with one folder of images per class")
    parts = [part for part in MINI_PARTS if (folder / part).is_dir()]
    if not parts:
        raise InputError(f"{folder}: there is none of the folders {', '.join(MINI_PARTS)}")
    named = [(part, name) for part in parts for name in _folders(folder / part)]
    images = [image for part, name in named for image in _images(folder / part / name, name, part)]
    return _gathered(place, images, sorted({name for _, name in named}))


@register("tiny-imagenet")
def _load_tiny(place: Place) -> ImageFiles:
    """The official layout: 200 classes in wnids.txt, training images by folder, validation images by a table.

    The test images have no published labels and are not loaded.
    """
    folder = place.folder("the unpacked folder tiny-imagenet-200")
    class_list = folder / "wnids.txt"
    classes = sorted(decode(class_list, read_bytes(class_list)).split())
    if not classes or len(set(classes)) != len(classes):
        raise InputError(f"{class_list}: not a list of distinct classes", hint="get the published file")
    images = [image for name in classes for image in _images(folder / "train" / name / "images", name, "train")]
    images.extend(_validation(folder / "val", frozenset(classes)))
    return _gathered(place, images, classes, *TINY)


def _validation(folder: Path, classes: frozenset[str]) -> Iterator[Image]:
    """Validation images: each line of the table holds file, class and a box, separated by tabs."""
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
    """Sorted names of the folders in a folder, without hidden ones."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise InputError(
            f"{folder}: there is no folder of a class", hint="make one folder per class, with its images inside"
        )
    return names


def _images(folder: Path, label: str, source: str) -> Iterator[Image]:
    """The image files of a class, sorted by name.

    Raises:
        InputError: the folder is missing or has no image; a class without records cannot be learned.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint=f"it should hold the images of class {label}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{folder}: class {label} has no image", hint=f"supported: {', '.join(sorted(SUFFIXES))}")
    yield from ((label, source, path) for path in files)


def _gathered(
    place: Place,
    images: Iterable[Image],
    classes: Iterable[str],
    mean: tuple[float, ...] = IMAGENET[0],
    std: tuple[float, ...] = IMAGENET[1],
) -> ImageFiles:
    """The data set; ids count the images in the order of class and file name."""
    labels, sources, files = zip(*images, strict=True)
    names = tuple(classes)
    number = {name: k for k, name in enumerate(names)}
    parts = tuple(dict.fromkeys(sources))
    source_number = {part: k for k, part in enumerate(parts)}
    return ImageFiles(
        name=place.name,
        inputs=files,
        labels=np.array([number[label] for label in labels], dtype=np.int64),
        ids=np.arange(len(files), dtype=np.int64),
        n_classes=len(names),
        class_names=names,
        sources=np.array([source_number[source] for source in sources], dtype=np.int64),
        source_names=parts,
        mean=mean,
        std=std,
    )
