"""The real files, where they lie beside the checkout: as many records of each class as their authors state."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data import datasets
from harness.data.datasets._catalogue import CATALOGUE
from tests.data.loading import arrays_of, texts_of

ROOT = Path(__file__).parent.parent.parent
SHARED = next((place for place in (ROOT / "shared", ROOT.parent / "shared") if (place / "datasets").is_dir()), None)

pytestmark = pytest.mark.skipif(SHARED is None, reason="shared/datasets is not beside this checkout")


def place(*parts: str) -> Path:
    assert SHARED is not None
    return SHARED.joinpath("datasets", *parts)


@pytest.mark.parametrize(
    ("name", "where", "n", "by_class", "shape"),
    [
        ("mnist", "mnist_t10k", 10_000, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], (1, 32, 32)),
        ("fashion-mnist", "fashion_mnist", 70_000, [7_000] * 10, (1, 32, 32)),
        ("adult", "adult", 48_842, [37_155, 11_687], (108,)),
    ],
)
def test_images_and_tables_have_the_published_counts(
    name: str, where: str, n: int, by_class: list[int], shape: tuple[int, ...]
) -> None:
    data = arrays_of(name, data_dir=place(where))
    assert len(data) == n
    assert data.in_shape == shape
    assert np.bincount(data.labels).tolist() == by_class


def test_fashion_mnist_is_normalised_by_its_own_moments() -> None:
    data = arrays_of("fashion-mnist", data_dir=place("fashion_mnist"))
    inner = data.inputs[:60_000, :, 2:-2, 2:-2]
    assert abs(float(inner.mean(dtype=np.float64))) < 1e-3
    assert abs(float(inner.std(dtype=np.float64)) - 1) < 1e-3


def test_adult_has_the_published_shares_of_high_incomes_and_copies() -> None:
    data = arrays_of("adult", data_dir=place("adult"))
    assert data.sources is not None
    first = data.sources == 0
    assert int(first.sum()) == 32_561
    assert round(float(data.labels[first].mean()), 3) == 0.241
    assert round(float(data.labels[~first].mean()), 3) == 0.236
    assert len(data) - len({data.content(row) for row in range(len(data))}) >= 24


def test_location30_has_the_published_counts() -> None:
    data = arrays_of("location30", data_dir=place("location30"))
    assert data.inputs.shape == (5_010, 446)
    sizes = np.bincount(data.labels)
    assert (len(sizes), sizes.min(), sizes.max()) == (30, 97, 308)
    assert round(float(data.inputs.mean()), 3) == 0.120


@pytest.mark.parametrize(
    ("name", "where", "by_source", "by_class", "copies"),
    [
        ("ag-news", "ag_news", [7_600], [1_900] * 4, 0),
        ("ag-news", "ag_news/train_subset_10k.tsv", [10_001], [2_509, 2_458, 2_496, 2_538], 13),
        ("sst2", "sst2", [6_920, 872, 1_821], [4_650, 4_963], 11),
        ("sst2", "sst2/glue_train_phrases.tsv", [67_349], [29_780, 37_569], 371),
        ("trec", "trec", [5_452, 500], [95, 1_300, 1_344, 1_288, 916, 1_009], 81),
        ("imdb", "imdb_small", [500] * 4, [1_000, 1_000], 1),
    ],
)
def test_texts_have_the_published_counts(
    name: str, where: str, by_source: list[int], by_class: list[int], copies: int
) -> None:
    data = texts_of(name, place(where))
    assert data.sources is not None
    assert np.bincount(data.sources).tolist() == by_source
    assert np.bincount(data.labels).tolist() == by_class
    split = datasets.split(data, members=100, nonmembers=100, shadows=1, seed=0)
    assert split.duplicates_removed == copies
    assert datasets.source_warnings(data, split) == ()


def test_imdb_reviews_have_228_words_on_average() -> None:
    data = texts_of("imdb", place("imdb_small", "aclImdb_subset.tar.gz"))
    assert round(np.mean([len(text.split()) for text in data.inputs])) == 228


@pytest.mark.slow
def test_cifar_in_its_binary_layout_has_the_published_counts(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    assert SHARED is not None
    subprocess.run([sys.executable, str(SHARED / "tools" / "unpack_cifar.py"), str(tmp_path)], check=True)
    ten = arrays_of("cifar10", data_dir=tmp_path / "cifar-10-batches-bin")
    assert np.bincount(ten.labels[ten.ids < 50_000]).tolist() == [2_000] * 10
    assert len(ten) == 29_977
    hundred = arrays_of("cifar100", data_dir=tmp_path / "cifar-100-binary")
    assert np.bincount(hundred.labels[hundred.ids < 50_000]).tolist() == [100] * 100
    assert np.bincount(hundred.labels[hundred.ids >= 50_000]).tolist() == [50] * 100
    assert abs(float(hundred.inputs.mean(dtype=np.float64))) < 0.02
    assert datasets.split(hundred, members=500, nonmembers=500, shadows=1, seed=0).duplicates_removed == 0


def test_the_catalogue_has_the_digests_of_these_files() -> None:
    known = {
        download.name: download.sha256
        for name in ("mnist", "adult", "location30", "ag-news")
        for download in CATALOGUE[name].downloads
    }
    there = [place(folder, file) for folder in ("mnist_t10k", "adult", "location30", "ag_news") for file in known]
    there = [path for path in there if path.is_file()]
    assert len(there) == 6
    for path in there:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == known[path.name]
        assert path.stat().st_size in {d.size_bytes for offer in CATALOGUE.values() for d in offer.downloads}
