"""Losses from answers, and loss matrices from a file."""

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data import losses
from harness.errors import InputError
from harness.mis import loss_matrix, losses_from_confidences, losses_from_regression

P = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4]])
Y = np.array([0, 0, 1])


def test_losses_equal_their_textbook_formulas() -> None:
    assert losses_from_confidences(P, Y).tolist() == pytest.approx([-math.log(0.7), -math.log(1e-7), -math.log(0.3)])
    assert losses_from_confidences(P, Y, kind="brier").tolist() == pytest.approx([0.14, 2.0, 0.74])
    assert losses_from_confidences(P, Y, kind="zero_one").tolist() == [0.0, 1.0, 1.0]
    assert losses_from_confidences(P, Y, floor=0.5)[1] == pytest.approx(math.log(2))
    assert losses_from_regression(np.array([1.0, 3.0]), np.array([2.0, 3.5])).tolist() == [1.0, 0.25]
    assert losses_from_regression(np.array([1.0, 3.0]), np.array([2.0, 3.5]), kind="ae").tolist() == [1.0, 0.5]


@pytest.mark.parametrize("kind", ["nll", "brier", "zero_one"])
def test_log_confidences_give_the_losses_of_confidences(kind: str) -> None:
    with np.errstate(divide="ignore"):
        logs = np.log(P)
    expected = losses_from_confidences(P, Y, kind=kind)
    assert losses_from_confidences(logs, Y, kind=kind, log_confidences=True).tolist() == pytest.approx(
        expected.tolist()
    )


def test_a_loss_matrix_has_one_row_a_candidate() -> None:
    matrix = loss_matrix([P, P[:, ::-1]], Y)
    assert matrix.shape == (2, 3)
    assert matrix[1, 0] == pytest.approx(-math.log(0.1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses_from_confidences(P, Y[:2]), "shape"),
        (lambda: losses_from_confidences(P, np.array([0, 1, 3])), "within 0..2"),
        (lambda: losses_from_confidences(P, Y, kind="hinge"), "unknown loss 'hinge'"),
        (lambda: losses_from_confidences(P, Y, floor=0.0), "floor"),
        (lambda: losses_from_confidences(np.where(P == 1.0, np.nan, P), Y), "row 1"),
        (lambda: losses_from_confidences(np.where(P == 1.0, np.inf, P), Y, log_confidences=True), "row 1"),
        (lambda: losses_from_regression(np.zeros(3), np.zeros(2)), "shape"),
        (lambda: losses_from_regression(np.array([0.0, np.nan]), np.zeros(2)), "record 1"),
        (lambda: losses_from_regression(np.zeros(2), np.zeros(2), kind="mse"), "unknown loss 'mse'"),
        (lambda: loss_matrix([], Y), "no candidates"),
    ],
)
def test_bad_confidences_labels_targets_and_loss_names_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def write(path: Path, **tables: NDArray[Any]) -> Path:
    arrays_by_key: dict[str, Any] = {key.replace("__", "/"): values for key, values in tables.items()}
    np.savez(path, **arrays_by_key)
    return path


def test_a_file_gives_the_loss_matrices_of_its_quantizers_alone(tmp_path: Path) -> None:
    path = write(
        tmp_path / "l.npz", losses__int8=np.ones((2, 9), np.float32), losses__sparse=np.zeros((3, 9)), labels=np.ones(9)
    )
    matrices = losses.load(path)
    assert {name: m.shape for name, m in matrices.items()} == {"int8": (2, 9), "sparse": (3, 9)}
    assert matrices["int8"].dtype == np.float32


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"labels": np.ones(9)}, "no key losses/<quantizer>; present: labels"),
        ({"losses__int8": np.full((2, 9), np.nan)}, "losses/int8: candidate 0, record 0"),
        ({"losses__int8": np.ones((2, 1))}, "losses/int8: 1 evaluation record"),
        ({"losses__int8": np.ones(9)}, "losses/int8: shape"),
        ({"losses__a": np.ones((2, 9)), "losses__b": np.ones((2, 7))}, "losses/b has 7 records where losses/a has 9"),
        ({"losses__int8": np.array([[None] * 9])}, "losses/int8 holds objects"),
    ],
)
def test_a_bad_loss_matrix_is_refused_with_its_path_and_key(
    tmp_path: Path, tables: dict[str, NDArray[Any]], message: str
) -> None:
    path = write(tmp_path / "l.npz", **tables)
    with pytest.raises(InputError, match=message) as refusal:
        losses.load(path)
    assert str(path) in str(refusal.value)


def test_missing_foreign_and_truncated_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        losses.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("losses")
    with pytest.raises(InputError, match="not a readable"):
        losses.load(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.ones(4))
    with pytest.raises(InputError, match="a single array"):
        losses.load(tmp_path / "one.npy")
    whole = write(tmp_path / "cut.npz", losses__a=np.random.default_rng(0).random((4, 900))).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:5000])
    with pytest.raises(InputError, match="not a readable"):
        losses.load(tmp_path / "cut.npz")


def test_a_header_that_claims_a_petabyte_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "l.npz", losses__a=np.ones((2, 9)))
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (2, 10**14)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("losses/b.npy", stream.getvalue() + bytes(64))
    with pytest.raises(InputError, match=r"losses/b is damaged: shape \[2, 100000000000000\]"):
        losses.load(path)
