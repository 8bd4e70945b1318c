"""Data sets by name: shapes, fixed preprocessing, and files that are not what they claim."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data import datasets
from harness.errors import ConfigError, InputError
from tests.data.loading import arrays_of

RECORD_BYTES = 3073


def _write_cifar(path: Path, *, n: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, (n, RECORD_BYTES), dtype=np.uint8)
    table[:, 0] = rng.integers(0, 10, n)
    path.write_bytes(table.tobytes())
    return table


def test_digits_are_embedded_and_standardised() -> None:
    digits = arrays_of("digits")
    assert digits.inputs.shape == (1797, 1, 8, 8)
    assert digits.inputs.dtype == np.float32
    assert digits.n_classes == 10
    assert set(digits.labels) == set(range(10))
    # The constants are fixed, so they fit to their printed digits and no further.
    assert abs(digits.inputs.mean()) < 1e-4
    assert abs(digits.inputs.std() - 1) < 1e-4
    assert digits.inputs.tobytes() == arrays_of("digits").inputs.tobytes()


def test_cifar10_reads_the_official_layout_and_keeps_ids_whatever_files_are_there(tmp_path: Path) -> None:
    second = _write_cifar(tmp_path / "data_batch_2.bin", n=7, seed=1)
    _write_cifar(tmp_path / "test_batch.bin", n=5, seed=2)
    (tmp_path / "notes.bin").write_bytes(b"not a batch")
    loaded = arrays_of("cifar10", data_dir=tmp_path)
    assert loaded.inputs.shape == (12, 3, 32, 32)
    assert loaded.ids.tolist() == [*range(10_000, 10_007), *range(50_000, 50_005)]
    assert loaded.labels[:7].tolist() == second[:, 0].tolist()
    red = second[3, 1 : 1 + 1024].reshape(32, 32)
    np.testing.assert_allclose(loaded.inputs[3, 0], (red / 255 - 0.4914) / 0.2470, rtol=1e-5)
    _write_cifar(tmp_path / "data_batch_1.bin", n=3, seed=3)
    more = arrays_of("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(more.take(loaded.ids).inputs["args_0"], loaded.inputs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "whole number"),
        (b"\0" * (RECORD_BYTES + 1), "whole number"),
        (b"\x0a" + b"\0" * (RECORD_BYTES - 1), "record 0 has a label above 9"),
    ],
)
def test_a_damaged_cifar_file_is_refused_with_its_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.load("cifar10", data_dir=tmp_path)
    assert "data_batch_1.bin" in str(caught.value)


def test_an_unknown_name_no_folder_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'mnits' is not known.*cifar10, cifar100, csv, digits"):
        datasets.load("mnits")
    with pytest.raises(ConfigError, match="needs data_dir"):
        datasets.load("cifar10")
    with pytest.raises(InputError, match="data_batch"):
        datasets.load("cifar10", data_dir=tmp_path)


def test_a_second_loader_of_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="digits"):
        datasets.register("digits")(lambda _: datasets.load("digits"))


def test_records_come_in_the_order_of_their_ids() -> None:
    digits = arrays_of("digits")
    ids = np.array([1796, 3, 700])
    records = digits.take(ids)
    assert records.ids.tolist() == ids.tolist()
    np.testing.assert_array_equal(records.inputs["args_0"], digits.inputs[ids])
    np.testing.assert_array_equal(records.labels, digits.labels[ids])
    with pytest.raises(InputError, match="no record 1797"):
        digits.take(np.array([0, 1797]))


PARTS: dict[str, Any] = {
    "inputs": np.zeros((2, 1, 2, 2), np.float32),
    "labels": np.array([0, 1]),
    "ids": np.array([4, 9]),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.zeros((2, 1, 2, 2))}, "float64"),
        ({"inputs": np.zeros((2, 2, 2), np.float32)}, r"\(2, 2, 2\)"),
        ({"inputs": np.zeros((2, 2), np.int32)}, "int32"),
        ({"inputs": np.zeros((2, 0), np.float32)}, "holds nothing"),
        ({"inputs": np.zeros((0, 3), np.float32)}, "no records"),
        ({"labels": np.array([0, 2])}, "outside 0..1"),
        ({"labels": np.array([0])}, "1 labels"),
        ({"ids": np.array([4, 4])}, "repeat"),
        ({"inputs": np.full((2, 1, 2, 2), np.nan, np.float32)}, "NaN"),
        ({"inputs": np.full((2, 3), np.inf, np.float32)}, "infinity"),
        ({"inputs": np.array([[1, 2], [3, 9]])}, r"token id is outside 0\.\.8"),
        ({"inputs": np.array([[1, 2], [3, -1]])}, "token id"),
        ({"class_names": ("a",)}, "1 names of classes for 2"),
        ({"sources": np.array([0, 1]), "source_names": ("a",)}, "source is outside"),
    ],
)
def test_a_data_set_that_does_not_fit_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        datasets.Dataset("own", **(PARTS | change), n_classes=2, vocabulary=9)


@pytest.mark.parametrize(
    ("inputs", "kind", "shape", "dtype"),
    [
        (np.zeros((2, 1, 2, 2), np.float32), "image", (1, 2, 2), "float32"),
        (np.zeros((2, 5), np.float32), "table", (5,), "float32"),
        (np.array([[2, 8, 0], [2, 3, 0]]), "text", (3,), "int64"),
    ],
)
def test_the_kind_of_records_follows_from_their_type_and_axes(
    inputs: NDArray[Any], kind: str, shape: tuple[int, ...], dtype: str
) -> None:
    data = datasets.Dataset("own", **(PARTS | {"inputs": inputs}), n_classes=2, vocabulary=9)
    assert (data.kind, data.in_shape, data.in_dtype) == (kind, shape, dtype)
    records = data.take(np.array([9, 4]))
    np.testing.assert_array_equal(records.inputs["args_0"], inputs[::-1])
    assert records.inputs["args_0"].dtype == dtype


def test_a_data_set_is_loaded_without_torch() -> None:
    code = "import sys, harness.data.datasets as d; d.load('digits'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
