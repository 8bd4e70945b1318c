"""Tables: the published ones in their layouts, the user's own, and every row that cannot be used."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from harness.data import datasets
from harness.errors import ConfigError, DependencyError, InputError
from harness.types import IntArray
from tests.data.loading import arrays_of

RECORD = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, "


def pack(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def bits_of(n: int, d: int) -> IntArray:
    return np.random.default_rng(d).integers(0, 2, (n, d))


def lines(bits: IntArray, labels: list[int] | None = None) -> bytes:
    rows = [",".join(map(str, row)) for row in bits.tolist()]
    if labels is not None:
        rows = [f'"{label}",{row}' for label, row in zip(labels, rows, strict=True)]
    return ("\n".join(rows) + "\n").encode()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "archive", "d", "classes"),
    [
        ("location30", "dataset_location.tgz", 446, 30),
        ("purchase100", "dataset_purchase.tgz", 600, 100),
        ("texas100", "dataset_texas.tgz", 6169, 100),
    ],
)
def test_tables_of_bits_are_read_out_of_the_published_archive(
    tmp_path: Path, name: str, archive: str, d: int, classes: int
) -> None:
    bits, labels = bits_of(6, d), [1, classes, 2, 2, 7, 9]
    if name == "texas100":
        files = {"texas/100/feats": lines(bits), "texas/100/labels": "\n".join(map(str, labels)).encode()}
    else:
        files = {{"location30": "bangkok", "purchase100": "dataset_purchase"}[name]: lines(bits, labels)}
    pack(tmp_path / archive, files)
    for place in (tmp_path, tmp_path / archive):
        loaded = arrays_of(name, data_dir=place)
        assert loaded.kind == "table"
        assert loaded.n_classes == classes
        assert loaded.labels.tolist() == [label - 1 for label in labels]
        np.testing.assert_array_equal(loaded.inputs, bits)
        assert loaded.inputs.dtype == np.float32


@pytest.mark.parametrize("form", ["numbers", "one-hot"])
def test_tables_of_bits_are_read_from_npz_too(tmp_path: Path, form: str) -> None:
    bits, labels = bits_of(100, 600), np.random.default_rng(0).permutation(100)
    np.savez(tmp_path / "purchase100.npz", features=bits, labels=labels if form == "numbers" else np.eye(100)[labels])
    loaded = arrays_of("purchase100", data_dir=tmp_path)
    np.testing.assert_array_equal(loaded.inputs, bits)
    assert loaded.labels.tolist() == labels.tolist()


def _bad_bit(content: bytes) -> bytes:
    return content.replace(b",1", b",2", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_bad_bit(lines(bits_of(3, 446), [1, 2, 3])), "bangkok: line 1 is not 446 digits 0 or 1"),
        (lines(bits_of(3, 445), [1, 2, 3]), "bangkok: line 1 is not 446 digits"),
        (lines(bits_of(3, 446), [1, 2, 31]), r"bangkok: line 3: class b'31' is outside 1..30"),
        (lines(bits_of(3, 446), [1, 0, 3]), r"bangkok: line 2: class b'0' is outside"),
        (b"\n", "bangkok is missing or empty"),
        (b"1," + b"0," * 2000, "bangkok: line 1 is longer than"),
    ],
    ids=["no bit", "too few bits", "class above", "class below", "empty", "long line"],
)
def test_a_bad_row_of_bits_is_refused_with_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    pack(tmp_path / "dataset_location.tgz", {"bangkok": content})
    with pytest.raises(InputError, match=rf"dataset_location\.tgz: {message}"):
        datasets.load("location30", data_dir=tmp_path)


def test_a_damaged_archive_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "dataset_location.tgz"
    with pytest.raises(InputError, match=r"dataset_location\.tgz: no such file"):
        datasets.load("location30", data_dir=tmp_path)
    pack(path, {"../bangkok": lines(bits_of(60, 446), [1] * 60), "/bangkok": b"x"})
    with pytest.raises(InputError, match="bangkok is missing or empty"):
        datasets.load("location30", data_dir=tmp_path)
    pack(path, {"bangkok": lines(bits_of(60, 446), [1] * 60)})
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no tar at all", b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"dataset_location\.tgz: truncated or not a packed tar"):
            datasets.load("location30", data_dir=tmp_path)


def test_a_bad_npz_of_bits_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "purchase100.npz"
    bits, labels = bits_of(100, 600), np.arange(100)
    files: list[tuple[dict[str, Any], str]] = [
        ({"features": bits, "labels": np.zeros((100, 100))}, "a row does not hold a single 1"),
        ({"features": bits[:, :5], "labels": labels}, r"expected \[n, 600\]"),
        ({"features": bits * 2, "labels": labels}, "record 0 holds something else"),
        ({"features": bits, "labels": labels - 1}, "record 1 has the label -1"),
        ({"features": bits}, "labels is missing"),
    ]
    for arrays, message in files:
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=message):
            datasets.load("purchase100", data_dir=tmp_path)


def test_adult_is_one_hot_and_standardised_by_constants(tmp_path: Path) -> None:
    write(tmp_path / "adult.data", f"{RECORD}United-States, <=50K\n{RECORD.replace('State-gov', '?')}?, >50K\n\n")
    write(tmp_path / "adult.test", f"|1x3 Cross validator\n{RECORD}Peru, >50K.\n")
    loaded = arrays_of("adult", data_dir=tmp_path)
    assert loaded.in_shape == (108,)
    assert loaded.labels.tolist() == [0, 1, 1]
    assert loaded.ids.tolist() == [0, 1, 1_000_000_000]
    assert loaded.source_names == ("adult.data", "adult.test")
    assert loaded.inputs[0, 0] == pytest.approx((39 - 38.5816) / 13.6402, rel=1e-5)
    # Eight categories: each puts a single 1 into its columns.
    assert [int((row == 1).sum()) for row in loaded.inputs] == [8, 8, 8]
    assert (loaded.inputs[0] != loaded.inputs[1]).sum() == 4
    alone = tmp_path / "alone"
    alone.mkdir()
    write(alone / "adult.test", f"{RECORD}Peru, >50K.\n")
    np.testing.assert_array_equal(arrays_of("adult", data_dir=alone).inputs[0], loaded.inputs[2])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"{RECORD}Atlantis, <=50K", "column native-country: line 2: 'Atlantis'"),
        (f"{RECORD}Peru, much", "column income: line 2: 'much'"),
        (f"{RECORD}Peru", "line 2 has 14 cells, expected 15"),
        (RECORD.replace("39", "nan") + "Peru, >50K", "column age: line 2: 'nan' is not a whole number"),
    ],
)
def test_a_bad_row_of_adult_is_refused_with_file_and_line(tmp_path: Path, row: str, message: str) -> None:
    write(tmp_path / "adult.data", f"{RECORD}Peru, <=50K\n{row}\n")
    with pytest.raises(InputError, match=rf"adult\.data: {message}"):
        datasets.load("adult", data_dir=tmp_path)


def test_adult_without_files_or_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither adult\.data nor adult\.test"):
        datasets.load("adult", data_dir=tmp_path)
    write(tmp_path / "adult.test", "|1x3 Cross validator\n")
    with pytest.raises(InputError, match=r"adult\.test: there are no records"):
        datasets.load("adult", data_dir=tmp_path)


def test_csv_takes_names_or_numbers_as_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", 'a,kind,"b, c"\n1,wolf,-2.5\n3,elk,4e2\n\n5,wolf,0\n')
    named = arrays_of("csv", data_dir=path, label="kind")
    assert named.class_names == ("elk", "wolf")
    assert named.labels.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(named.inputs, np.array([[1, -2.5], [3, 400], [5, 0]], np.float32))
    numbered = write(tmp_path / "numbered.csv", "\ufefflabel,x\n1,5\n0,6\n")
    assert arrays_of("csv", data_dir=numbered).labels.tolist() == [1, 0]
    assert arrays_of("csv", data_dir=numbered).class_names == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n", r"no column 'label' \(name the column of classes with label; columns: x, y\)"),
        ("", "no column 'label'"),
        ("label\n1\n", "no column beside 'label'"),
        ("label,x,x\n1,2,3\n", "two columns are called 'x'"),
        ("label,x\n", "no records below the header"),
        ("label,x\n0,1\n0,1,2\n", "line 3 has 3 cells, the header has 2"),
        ("label,x\n0,1\n1,blue\n", "line 3, column x: 'blue' is not a number"),
        ("label,x\n0,1\n1,\n", "line 3, column x: '' is not a number"),
        ("label,x\n0,nan\n", "line 2, column x: 'nan' is not finite"),
        ("label,x\n0,-inf\n", "line 2, column x: '-inf' is not finite"),
        ("label,x\n0,1e200\n", "record 1 holds NaN, infinity or a number beyond float32"),
        ("label,x\n0,1\n-1,2\n", "column label: record 2 has the label -1"),
        ("label,x\n0,1\n2,2\n", "column label: class 1 has no record"),
        ("label,x\n0,1\n99999999999999999999999,2\n", "too many digits"),
        ("label,x\n0,1\n ,2\n", "record 2 has no label"),
        ('label,x\n0,1\n1,"2\n', "line 3: unexpected end of data"),
        (b"label,x\n0,1\n\xff,2\n", "line 3 is not UTF-8"),
    ],
)
def test_a_bad_csv_is_refused_with_line_and_column(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path / "own.csv", content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.load("csv", data_dir=path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(4, 3), (4, 1, 8, 8)])
def test_arrays_are_taken_as_they_are(tmp_path: Path, shape: tuple[int, ...]) -> None:
    inputs = np.random.default_rng(0).normal(size=shape)
    labels = np.array(["b", "a", "b", "b"])
    np.savez(tmp_path / "own.npz", inputs=inputs, labels=labels)
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "labels.npy", labels)
    packed = arrays_of("npz", data_dir=tmp_path / "own.npz")
    assert packed.class_names == ("a", "b")
    assert packed.labels.tolist() == [1, 0, 1, 1]
    np.testing.assert_array_equal(packed.inputs, inputs.astype(np.float32))
    np.testing.assert_array_equal(arrays_of("npy", data_dir=tmp_path).inputs, packed.inputs)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (np.zeros((2, 3, 4)), [0, 1], r"float64 \(2, 3, 4\), expected numbers"),
        (np.array([["x"], ["y"]]), [0, 1], "expected numbers"),
        (np.zeros((3, 2)), [0, 1], "labels"),
        (np.zeros((2, 2)), [0.5, 1], "labels are float64"),
        (np.zeros((2, 2)), [0, 2], "class 1 has no record"),
        (np.array([[0.0], [np.nan]]), [0, 1], "record 2 holds NaN"),
        (np.array([[0.0], [1e60]]), [0, 1], "record 2 holds NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, inputs: NDArray[Any], labels: list[float], message: str
) -> None:
    np.savez(tmp_path / "own.npz", inputs=inputs, labels=np.array(labels))
    with pytest.raises(InputError, match=message):
        datasets.load("npz", data_dir=tmp_path / "own.npz")
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "labels.npy", np.array(labels))
    with pytest.raises(InputError, match=message):
        datasets.load("npy", data_dir=tmp_path)


class Trap:
    """Would be noticed if anything unpickled it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_pickles_and_headers_beyond_the_file_are_refused(tmp_path: Path) -> None:
    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "inputs.npy", trap, allow_pickle=True)
    np.save(tmp_path / "labels.npy", np.array([0]))
    with pytest.raises(InputError, match=r"inputs\.npy: not a readable \.npy file"):
        datasets.load("npy", data_dir=tmp_path)
    np.savez(tmp_path / "own.npz", inputs=trap, labels=np.array([0]))
    with pytest.raises(InputError, match="never unpickled"):
        datasets.load("npz", data_dir=tmp_path / "own.npz")
    header = str({"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 1 << 10)}).ljust(117) + "\n"
    (tmp_path / "inputs.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    with pytest.raises(InputError, match=r"inputs\.npy: not a readable"):
        datasets.load("npy", data_dir=tmp_path)
    (tmp_path / "inputs.npy").unlink()
    with pytest.raises(InputError, match=r"inputs\.npy: no such file"):
        datasets.load("npy", data_dir=tmp_path)


def test_parquet_takes_the_column_of_classes_out(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    table = pyarrow.table({"a": [1, 2, 3], "kind": ["x", "y", "x"], "b": [0.5, -1.0, 2.0]})
    pyarrow.parquet.write_table(table, path)
    loaded = arrays_of("parquet", data_dir=path, label="kind")
    assert loaded.class_names == ("x", "y")
    assert loaded.labels.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(loaded.inputs, np.array([[1, 0.5], [2, -1], [3, 2]], np.float32))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0, 1], "x": [1.0, None]}, "column x: row 2 is empty"),
        ({"label": [0, None], "x": [1.0, 2.0]}, "column label: row 2 is empty"),
        ({"label": [0, 1], "x": ["a", "b"]}, "column x holds string, not numbers"),
        ({"label": [0, 1], "x": [1.0, float("nan")]}, "record 2 holds NaN"),
        ({"kind": [0, 1], "x": [1.0, 2.0]}, "no column 'label'"),
        ({"label": [0, 2], "x": [1.0, 2.0]}, "class 1 has no record"),
    ],
)
def test_a_bad_parquet_is_refused_with_its_column(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    path = tmp_path / "own.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(InputError, match=message):
        datasets.load("parquet", data_dir=path)


def test_a_damaged_parquet_and_a_missing_pyarrow_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "own.parquet", b"PAR1 no more")
    with pytest.raises(InputError, match=r"not a readable \.parquet file"):
        datasets.load("parquet", data_dir=path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match=r"edgeleak\[parquet\]"):
        datasets.load("parquet", data_dir=path)


def test_a_label_column_without_columns_and_a_path_that_is_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.label: data set digits has no columns.*csv, parquet"):
        datasets.load("digits", label="x")
    with pytest.raises(ConfigError, match="csv needs data_dir"):
        datasets.load("csv")
    with pytest.raises(InputError, match="not a file"):
        datasets.load("csv", data_dir=tmp_path)
