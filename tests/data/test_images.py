"""Image data sets: each from a small file in its official layout, and every file that is not what it claims."""

from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.data import datasets
from harness.errors import DependencyError, InputError
from harness.types import IntArray
from tests.data.loading import arrays_of, images_of

HUNDRED_BYTES = 2 + 3072


def write_idx(path: Path, values: NDArray[Any]) -> bytes:
    data = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return data


def write_mnist(folder: Path, *, part: str = "t10k", n: int = 20, suffix: str = ".gz") -> tuple[IntArray, IntArray]:
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (n, 28, 28)), rng.permutation(np.arange(n) % 10)
    write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", images)
    write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", labels)
    return images, labels


def write_image(path: Path, *, size: tuple[int, int] = (64, 64), seed: int = 0) -> NDArray[np.uint8]:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def write_folder(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 3) -> Path:
    for k, name in enumerate(classes):
        for i in range(each):
            write_image(folder / name / f"{i}.png", seed=10 * k + i)
    return folder


def test_cifar100_takes_the_fine_label(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 256, (6, HUNDRED_BYTES), dtype=np.uint8)
    table[:, 0], table[:, 1] = 19, [0, 99, 5, 5, 40, 7]
    (tmp_path / "train.bin").write_bytes(table[:4].tobytes())
    (tmp_path / "test.bin").write_bytes(table[4:].tobytes())
    loaded = arrays_of("cifar100", data_dir=tmp_path)
    assert loaded.labels.tolist() == [0, 99, 5, 5, 40, 7]
    assert loaded.ids.tolist() == [0, 1, 2, 3, 50_000, 50_001]
    assert loaded.n_classes == 100
    assert loaded.source_names == ("train.bin", "test.bin")
    assert loaded.sources is not None
    assert loaded.sources.tolist() == [0, 0, 0, 0, 1, 1]
    blue = table[1, 2 + 2048 :].reshape(32, 32)
    np.testing.assert_allclose(loaded.inputs[1, 2], (blue / 255 - 0.4409) / 0.2762, rtol=1e-4, atol=1e-6)
    table[2, 1] = 100
    (tmp_path / "train.bin").write_bytes(table[:4].tobytes())
    with pytest.raises(InputError, match=r"train\.bin: record 2 has a label above 99"):
        datasets.load("cifar100", data_dir=tmp_path)


@pytest.mark.parametrize(("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)])
def test_idx_images_are_padded_to_32_and_normalised_by_constants(
    tmp_path: Path, name: str, mean: float, std: float
) -> None:
    images, labels = write_mnist(tmp_path)
    loaded = arrays_of(name, data_dir=tmp_path)
    assert loaded.kind == "image"
    assert loaded.in_shape == (1, 32, 32)
    assert loaded.labels.tolist() == labels.tolist()
    assert loaded.ids[0] == 60_000
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    np.testing.assert_allclose(loaded.inputs[:, 0], (padded / 255 - mean) / std, rtol=1e-4, atol=1e-5)
    write_mnist(tmp_path, part="train", n=30, suffix="")
    both = arrays_of(name, data_dir=tmp_path)
    assert both.source_names == ("train", "t10k")
    np.testing.assert_array_equal(both.take(loaded.ids).inputs["args_0"], loaded.inputs)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _not_gzip(path: Path) -> None:
    path.write_bytes(b"no gzip at all")


def _of_other_size(path: Path) -> None:
    write_idx(path, np.zeros((20, 27, 28)))


def _claims_more(path: Path) -> None:
    data = struct.pack(">BBBB3I", 0, 0, 8, 3, 60_000, 28, 28) + b"\0" * 784
    path.write_bytes(gzip.compress(data))


def _bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 20, 28, 28) + b"\0" * 60_000_000))


def _not_idx(path: Path) -> None:
    path.write_bytes(gzip.compress(b"\x89PNG" + b"\0" * 100))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncated, "truncated or not gzip"),
        (_not_gzip, "truncated or not gzip"),
        (_of_other_size, r"records of shape \[27, 28\]"),
        (_claims_more, "60000 records take 47040000 bytes, the file holds 784"),
        (_bomb, "unpacks to more than"),
        (_not_idx, "not an IDX file"),
    ],
)
def test_a_damaged_idx_file_is_refused_with_its_name(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    write_mnist(tmp_path)
    damage(tmp_path / "t10k-images-idx3-ubyte.gz")
    with pytest.raises(InputError, match=rf"t10k-images-idx3-ubyte\.gz.*{message}"):
        datasets.load("mnist", data_dir=tmp_path)


def test_idx_labels_that_do_not_fit_are_refused_with_their_file(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
    write_idx(labels, np.arange(20) % 11)
    with pytest.raises(InputError, match=r"labels-idx1-ubyte\.gz: record 10 has a label above 9"):
        datasets.load("mnist", data_dir=tmp_path)
    write_idx(labels, np.arange(19) % 10)
    with pytest.raises(InputError, match="19 labels for 20 images"):
        datasets.load("mnist", data_dir=tmp_path)
    labels.unlink()
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte: no such file"):
        datasets.load("mnist", data_dir=tmp_path)
    with pytest.raises(InputError, match="there is no train-images"):
        datasets.load("mnist", data_dir=labels.parent.parent)


def test_a_folder_of_images_is_decoded_only_where_asked(tmp_path: Path) -> None:
    images = images_of(write_folder(tmp_path))
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    pixels = write_image(tmp_path / "dog" / "0.png", size=(64, 64), seed=99)
    (tmp_path / "cat" / "2.png").write_bytes(b"broken, and nobody asks")
    decoded = images.decoded(np.array([3, 0]))
    assert decoded.inputs.shape == (2, 3, 64, 64)
    assert decoded.labels.tolist() == [1, 0]
    assert decoded.ids.tolist() == [3, 0]
    np.testing.assert_allclose(decoded.inputs[0, 1], (pixels[:, :, 1] / 255 - 0.456) / 0.224, rtol=1e-4, atol=1e-5)
    assert decoded.inputs.tobytes() == images.decoded(np.array([3, 0])).inputs.tobytes()


def test_images_of_any_size_and_mode_become_64_by_64_rgb(tmp_path: Path) -> None:
    write_folder(tmp_path)
    Image.new("L", (10, 200), 255).save(tmp_path / "cat" / "0.png")
    Image.new("RGBA", (300, 64), (255, 0, 0, 7)).save(tmp_path / "cat" / "1.png")
    decoded = images_of(tmp_path).decoded(np.array([0, 1]))
    white = (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(decoded.inputs[0, :, 30, 30], white, rtol=1e-5)
    np.testing.assert_allclose(decoded.inputs[1, :, 3, 3], [white[0], -0.456 / 0.224, -0.406 / 0.225], rtol=1e-5)


def test_copies_of_an_image_file_get_one_role_at_most(tmp_path: Path) -> None:
    images = images_of(write_folder(tmp_path, each=8))
    (tmp_path / "cat" / "7.png").write_bytes((tmp_path / "cat" / "1.png").read_bytes())
    split = datasets.split(images, members=5, nonmembers=5, shadows=1, seed=0)
    assert split.duplicates_removed == 1
    assert 7 not in split.everyone()
    assert len(split.everyone()) == 15


def test_an_unreadable_image_is_refused_with_its_path(tmp_path: Path) -> None:
    images = images_of(write_folder(tmp_path))
    whole = (tmp_path / "dog" / "1.png").read_bytes()
    for content in (b"", b"not an image", whole[: len(whole) // 2]):
        (tmp_path / "dog" / "1.png").write_bytes(content)
        with pytest.raises(InputError, match=r"dog.1\.png: not a readable image") as caught:
            images.decoded(np.array([4]))
        assert "\n" not in str(caught.value)


def test_a_picture_that_claims_gigabytes_is_refused_by_its_header(tmp_path: Path) -> None:
    images = images_of(write_folder(tmp_path))
    Image.new("1", (20_000, 20_000)).save(tmp_path / "cat" / "0.png")
    with pytest.raises(InputError, match=r"cat.0\.png: .*(pixels|exceeds)"):
        images.decoded(np.array([0]))


def test_a_class_without_images_and_a_folder_without_classes_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "emu").mkdir()
    (tmp_path / "emu" / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="emu: class emu has no image"):
        images_of(tmp_path)
    with pytest.raises(InputError, match="there is no folder of a class"):
        images_of(tmp_path / "emu")
    with pytest.raises(InputError, match="no such file or folder"):
        images_of(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a folder"):
        images_of(tmp_path / "cat" / "0.png")


def test_without_pillow_decoding_is_refused_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = images_of(write_folder(tmp_path))
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match=r"PIL is not installed.*edgeleak\[images\]"):
        images.decoded(np.array([0]))


def _write_tiny(folder: Path) -> None:
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("n02\nn01\n")
    for k, name in enumerate(("n01", "n02")):
        for i in range(2):
            write_image(folder / "train" / name / "images" / f"{name}_{i}.JPEG", seed=2 * k + i)
    write_image(folder / "val" / "images" / "val_0.JPEG", seed=9)
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t0\t62\t62\n")


def test_tiny_imagenet_reads_training_folders_and_the_table_of_validation_images(tmp_path: Path) -> None:
    _write_tiny(tmp_path)
    images = images_of(tmp_path, "tiny-imagenet")
    assert images.class_names == ("n01", "n02")
    assert images.labels.tolist() == [0, 0, 1, 1, 1]
    assert images.sources is not None
    assert [images.source_names[k] for k in images.sources] == ["train"] * 4 + ["val"]
    assert images.decoded(images.ids).in_shape == (3, 64, 64)
    table = tmp_path / "val" / "val_annotations.txt"
    table.write_text("val_0.JPEG\tn77\t0\n")
    with pytest.raises(InputError, match=r"val_annotations\.txt: line 1: class 'n77'"):
        images_of(tmp_path, "tiny-imagenet")
    for name in ("gone.JPEG", "../../wnids.txt"):
        table.write_text(f"val_0.JPEG\tn01\t0\n{name}\tn01\t0\n")
        with pytest.raises(InputError, match=r"line 2: there is no image"):
            images_of(tmp_path, "tiny-imagenet")


def test_mini_imagenet_numbers_the_classes_of_all_parts_together(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", ("n01", "n03"))
    write_folder(tmp_path / "test", ("n02",))
    images = images_of(tmp_path, "mini-imagenet")
    assert images.class_names == ("n01", "n02", "n03")
    assert images.labels.tolist() == [0] * 3 + [2] * 3 + [1] * 3
    assert images.source_names == ("train", "test")
    with pytest.raises(InputError, match="none of the folders train, val, test"):
        images_of(tmp_path / "train", "mini-imagenet")
