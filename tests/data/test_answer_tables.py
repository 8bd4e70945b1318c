"""Tables of answers: what is refused, with the file, the column and the row, and how much memory a large one takes."""

from __future__ import annotations

import re
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from harness.data import answer_tables, answers
from harness.errors import DependencyError, EdgeleakError, InputError
from tests.edgeleak.tables import bundle

Change = Callable[[pd.DataFrame], Any]


def cell(column: str, row: int, value: object) -> Change:
    """The table with one cell replaced; the row counts from 0."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return change


def without(*columns: str) -> Change:
    return lambda frame: frame.drop(columns=list(columns))


def renamed(**names: str) -> Change:
    return lambda frame: frame.rename(columns={old.replace("__", ":"): new for old, new in names.items()})


# What is wrong -> how the table is changed, what the message says of the row (row 3 is line 5) and of the rest.
BAD: dict[str, tuple[Change, str, str]] = {
    "NaN": (cell("int8:2", 3, float("nan")), "ROW", "column int8:2"),
    "infinity": (cell("int8:2", 3, float("inf")), "ROW", "column int8:2: inf is not a finite number"),
    "a sum of 1.5": (
        lambda frame: frame.assign(**{"int8:0": frame["int8:0"].where(frame.index != 3, frame["int8:0"] + 0.5)}),
        "ROW",
        "columns int8:0 to int8:3: sums to 1.5 or is negative; a row of confidences sums to one (logits go in columns",
    ),
    "a word in place of a number": (cell("original:1", 3, "high"), "ROW", "column original:1: 'high' is not a number"),
    "an empty cell": (cell("original:1", 3, None), "ROW", "column original:1: the cell is empty"),
    "an unknown word of membership": (
        cell("membership", 3, "maybe"),
        "ROW",
        "column membership: 'maybe', expected 0 or 1, true or false, member or nonmember",
    ),
    "membership 2": (cell("membership", 3, 2), "ROW", "column membership: '2', expected 0 or 1"),
    "no membership in a row": (cell("membership", 3, None), "ROW", "column membership: the cell is empty"),
    "a label beyond the classes": (
        cell("label", 3, 4), "ROW", "column label: '4', expected a class number from 0 to 3",
    ),
    "a negative label": (cell("label", 3, -1), "ROW", "column label: '-1', expected a class number"),
    "half a label": (cell("label", 3, 0.5), "ROW", "column label: '0.5', expected a class number"),
    "a name as label": (cell("label", 3, "cat"), "ROW", "column label: 'cat', expected a class number"),
    "an id twice": (cell("id", 3, 5001), "ROW", "column id: '5001' is the id of"),
    "no labels": (without("label"), "", "there is no column label: the true class (columns: id, membership"),
    "no membership": (without("membership"), "", "there is no column membership: 1 for members, 0 for non-members"),
    "no confidences": (
        lambda frame: frame[["id", "label", "membership"]], "",
        "there is no column of confidences: VARIANT:CLASS, e.g. int8:0, or p0, p1, ...",
    ),
    "a missing class": (without("int8:3"), "", "there is no column int8:3 (every variant needs a column for each of"),
    "a gap in the classes": (
        without("original:1", "int8:1"), "", "there is no column original:1, and one of class 3 (classes are numbered",
    ),
    "a class more": (
        lambda frame: frame.assign(**{"int8:4": 0.0}), "", "column int8:4: the other answers have no such class",
    ),
    "classes from 1": (
        renamed(original__0="original:4", int8__0="int8:4"), "", "there is no column original:0, and one of class 4",
    ),
    "a class with zeros": (renamed(original__1="original:01"), "", "class 01 of original: write 1, without zeros"),
    "the same class twice": (
        lambda frame: frame.assign(p0=0.0), "", "columns original:0 and p0 are the same class of original",
    ),
    "one class": (
        lambda frame: frame[["label", "membership", "int8:0"]], "", "int8 has a column of one class, 0, and there are",
    ),
    "an unknown column": (
        lambda frame: frame.assign(age=3), "", "column 'age' is not one that answers have (confidences are VARIANT:",
    ),
    "a misspelt column": (renamed(membership="membershp"), "", "do you mean membership?"),
    "too many groups": (
        lambda frame: frame.assign(**{"groups/age": frame["id"]}), "", "column groups/age has 240 different values",
    ),
    "a group called class": (
        lambda frame: frame.assign(**{"groups/class": 1}), "", "'class' cannot name a column of groups",
    ),
    "no rows": (lambda frame: frame[:0], "", "there are no records"),
}  # fmt: skip
# A file of text has none of these, or says it in other words.
WORDS = {
    ("csv", "NaN"): "column int8:2: the cell is empty",
    ("csv", "membership 2"): "column membership: '2', expected",
    ("csv", "no membership in a row"): "column membership: the cell is empty",
    ("parquet", "NaN"): "column int8:2: the cell is empty",
    ("parquet", "a word in place of a number"): "column original:1 holds large_string, not numbers",
    ("DataFrame", "NaN"): "column int8:2: the cell is empty",
}


def given(door: str, frame: pd.DataFrame, folder: Path) -> Any:
    if door == "csv":
        frame.to_csv(folder / "answers.csv", index=False)
        return folder / "answers.csv"
    if door == "parquet":
        # pandas writes a mixed column only as texts.
        mixed = [name for name in frame if frame[name].map(type).nunique() > 1 and frame[name].notna().all()]
        texts = [name for name in mixed if frame[name].map(lambda value: isinstance(value, str)).any()]
        frame = frame.assign(**{name: frame[name].astype(str) for name in texts})
        numbers = [n for n in frame if frame[n].dtype == object and n not in texts]
        frame = frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pandas(frame, preserve_index=False, nthreads=1), folder / "answers.parquet"
        )
        return folder / "answers.parquet"
    return frame


@pytest.mark.parametrize("door", ["csv", "parquet", "DataFrame"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_is_refused_on_one_line_with_its_column_and_row(name: str, door: str, tmp_path: Path) -> None:
    change, row, words = BAD[name]
    table = given(door, change(bundle().frame()), tmp_path)
    with pytest.raises(InputError) as caught:
        answer_tables.read(table)
    message = str(caught.value)
    assert message.startswith(str(table) if isinstance(table, Path) else "DataFrame")
    assert WORDS.get((door, name), words) in message
    if row and not (door == "parquet" and "not numbers" in message):
        assert ("line 5" if door == "csv" else "row 4") in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "there is no column label"),
        (b"label;membership;p0;p1\n0;1;0.5;0.5\n", "separate cells by commas"),
        (b"label,membership,p0,p1\n0,1,0.5\n", "line 2 has 3 cells, the header has 4"),
        (b"label,membership,p0,p1\n0,1,0.5,0.5\n0,\xff,0.5,0.5\n", "line 3 is not UTF-8 (convert the file)"),
        ("label,membership,p0,p1\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b'label,membership,p0,p1\n0,1,"0.5,0.5\n', "line 2: unexpected end of data"),
        (b"label,membership,p0,p1\n0,1,0.5,\x00\n", "line 2"),
        (b"label,membership,p0,p1\n0,1,0.5,0,5\n", "line 2 has 5 cells"),
        (b"label,membership,p0,p" + b"9" * 5000 + b"\n0,1,0.5,0.5\n", "has a name of 5001 letters"),
        (b"label,membership,p0,p1,label\n0,1,0.5,0.5,0\n", "two columns are called 'label'"),
        (b"label,membership,p0,p1\n" + b"1" * 5000 + b",1,0.5,0.5\n", "line 2, column label"),
    ],
    ids=[
        "empty",
        "semicolons",
        "short row",
        "Latin",
        "UTF-16",
        "open quotation",
        "NUL",
        "decimal comma",
        "long class",
        "label twice",
        "long label",
    ],
)
def test_a_csv_that_is_none_is_refused_with_its_line(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        answer_tables.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 20_000


def test_a_byte_order_mark_and_lines_of_windows_are_no_hindrance(tmp_path: Path) -> None:
    one = bundle()
    text = one.frame().to_csv(index=False).replace("\n", "\r\n")
    (tmp_path / "answers.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    target, _ = answers.load(tmp_path / "answers.csv")
    np.testing.assert_array_equal(target.confidences["int8"], one.confidences["int8"])


def test_a_parquet_that_is_cut_or_flipped_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    """No other exception than the project's own, wherever the damage is."""
    path = bundle().parquet(tmp_path / "answers.parquet")
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for at in (0, 1, 100, len(whole) // 2, len(whole) - 1, *rng.integers(0, len(whole), 60).tolist()):
        flipped = whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :]
        for content in (whole[:at], flipped):
            path.write_bytes(content)
            try:
                answers.load(path)
            except EdgeleakError as error:
                refused += str(path) in str(error)
    assert refused > 60, "every cut is noticed"


def test_a_folder_an_absent_file_and_a_text_are_no_parquet(tmp_path: Path) -> None:
    place = tmp_path / "answers.parquet"
    with pytest.raises(InputError, match="no such file"):
        answer_tables.read(place)
    place.mkdir()
    with pytest.raises(InputError, match="not a file"):
        answer_tables.read(place)
    with pytest.raises(InputError, match="no such file"):
        answer_tables.read(tmp_path / "answers.csv")
    (tmp_path / "text.parquet").write_text("label,membership\n")
    with pytest.raises(InputError, match=r"not a readable \.parquet file"):
        answer_tables.read(tmp_path / "text.parquet")


def test_a_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle().parquet(tmp_path / "answers.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DependencyError, match=r"edgeleak\[parquet\]"):
        answer_tables.read(path)


def test_a_shadow_needs_the_variants_and_the_classes_of_the_target(tmp_path: Path) -> None:
    target, shadow = bundle(), bundle(seed=6).frame()
    file = tmp_path / "shadow.csv"
    shadow.drop(columns=[f"int8:{k}" for k in range(4)]).to_csv(file, index=False)
    with pytest.raises(InputError, match=rf"^{re.escape(str(file))}: there is no column of int8; the target has"):
        answer_tables.read(target.frame(), [file])
    with pytest.raises(InputError, match="DataFrame of shadow 0: there is no column original:3"):
        answer_tables.read(target.frame(), [shadow.drop(columns=["original:3", "int8:3"])])
    with pytest.raises(InputError, match="a shadow has no canaries"):
        answer_tables.read(target.frame(), [shadow.assign(canary=0)])


def test_shadows_beside_an_npz_are_refused(tmp_path: Path) -> None:
    one = bundle()
    with pytest.raises(InputError, match=r"an \.npz file holds its shadows itself"):
        answers.load(one.npz(tmp_path / "answers.npz"), shadows=[one.csv(tmp_path / "shadow.csv")])


def test_groups_and_canaries_of_a_table_are_those_of_arrays() -> None:
    one = bundle()
    half = np.where(np.arange(len(one.labels)) % 2, "old", "young")
    canary = (np.arange(len(one.labels)) % 4 == 0).astype(int)
    frame = one.frame().assign(**{"groups/age": half, "groups/site": one.labels, "canary": canary})
    target, _ = answers.load(answer_tables.read(frame))
    assert target.groups["age"].tolist() == half.tolist()
    assert target.groups["site"].dtype == np.int64
    assert target.canary is not None
    assert target.canary.tolist() == canary.tolist()


def test_a_large_csv_takes_little_more_memory_than_its_numbers(tmp_path: Path) -> None:
    """Its text is read row by row: 6,000 rows of 50 numbers are 2.4 MB of float64, and 6 MB of text."""
    n, classes = 6_000, 50
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(classes), n)
    frame = pd.DataFrame({f"p{k}": p[:, k] for k in range(classes)})
    frame["label"], frame["membership"] = rng.integers(0, classes, n), np.arange(n) % 2
    path = tmp_path / "answers.csv"
    frame.to_csv(path, index=False)
    tracemalloc.start()
    try:
        read = answer_tables.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(read.array("target/confidences/original"), p)
    assert peak < 2 * p.nbytes, f"{peak:,} bytes for {p.nbytes:,} bytes of numbers in {path.stat().st_size:,} of text"


def test_a_polars_like_table_is_read_by_its_columns_alone() -> None:
    """Nothing of pandas is needed but columns that become arrays."""

    class Column:
        def __init__(self, values: Any) -> None:
            self.values = values

        def to_numpy(self) -> Any:
            return np.asarray(self.values)

    class Frame:
        def __init__(self, frame: pd.DataFrame) -> None:
            self.frame = frame
            self.columns = list(frame)

        def __len__(self) -> int:
            return len(self.frame)

        def __getitem__(self, name: str) -> Column:
            return Column(self.frame[name])

    one = bundle()
    read = answer_tables.read(Frame(one.frame()))
    np.testing.assert_array_equal(read.array("target/confidences/int8"), one.confidences["int8"])
    with pytest.raises(InputError, match="a int holds no answers"):
        answer_tables.read(3)
