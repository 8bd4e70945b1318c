"""The real files, where they lie beside the checkout: as many records of each class as their sources say."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data import datasets
from harness.data.datasets._catalogue import CATALOGUE

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
def test_arrays_have_their_counts(name, where, n, by_class, shape):
    found = datasets.load(name, data_dir=place(where))
    assert isinstance(found, datasets.Dataset)
    assert len(found) == n
    assert found.in_shape == shape
    assert np.bincount(found.labels).tolist() == by_class


def test_fashion_mnist_is_normalised_by_its_own_moments():
    found = datasets.load("fashion-mnist", data_dir=place("fashion_mnist"))
    inner = found.inputs[:60_000, :, 2:-2, 2:-2]
    assert abs(float(inner.mean(dtype=np.float64))) < 1e-3
    assert abs(float(inner.std(dtype=np.float64)) - 1) < 1e-3


def test_adult_has_its_shares_of_high_incomes_and_its_copies():
    found = datasets.load("adult", data_dir=place("adult"))
    first = found.sources == 0
    assert int(first.sum()) == 32_561
    assert round(float(found.labels[first].mean()), 3) == 0.241
    assert round(float(found.labels[~first].mean()), 3) == 0.236
    assert len(found) - len({found.content(row) for row in range(len(found))}) >= 24


def test_location30_has_its_counts():
    found = datasets.load("location30", data_dir=place("location30"))
    assert found.inputs.shape == (5_010, 446)
    sizes = np.bincount(found.labels)
    assert (len(sizes), sizes.min(), sizes.max()) == (30, 97, 308)
    assert round(float(found.inputs.mean()), 3) == 0.120


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
def test_texts_have_their_counts(name, where, by_source, by_class, copies):
    found = datasets.load(name, data_dir=place(where))
    assert np.bincount(found.sources).tolist() == by_source
    assert np.bincount(found.labels).tolist() == by_class
    made = datasets.split(found, members=100, nonmembers=100, shadows=1, seed=0)
    assert made.duplicates_removed == copies
    assert datasets.source_warnings(found, made) == ()


def test_imdb_reviews_are_as_long_as_they_should_be():
    found = datasets.load("imdb", data_dir=place("imdb_small", "aclImdb_subset.tar.gz"))
    assert round(np.mean([len(text.split()) for text in found.inputs])) == 228


@pytest.mark.slow
def test_cifar_in_its_binary_layout(tmp_path):
    pytest.importorskip("PIL")
    assert SHARED is not None
    subprocess.run([sys.executable, str(SHARED / "context" / "unpack_cifar.py"), str(tmp_path)], check=True)
    ten = datasets.load("cifar10", data_dir=tmp_path / "cifar-10-batches-bin")
    assert np.bincount(ten.labels[ten.ids < 50_000]).tolist() == [2_000] * 10
    assert len(ten) == 29_977
    hundred = datasets.load("cifar100", data_dir=tmp_path / "cifar-100-binary")
    assert np.bincount(hundred.labels[hundred.ids < 50_000]).tolist() == [100] * 100
    assert np.bincount(hundred.labels[hundred.ids >= 50_000]).tolist() == [50] * 100
    assert abs(float(hundred.inputs.mean(dtype=np.float64))) < 0.02
    assert datasets.split(hundred, members=500, nonmembers=500, shadows=1, seed=0).duplicates_removed == 0


def test_the_catalogue_knows_these_files():
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
