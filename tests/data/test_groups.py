"""Columns of groups and canaries in files of answers, records and tables: read, checked, and fed to no model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import RecordsConfig
from harness.data import answers, records, tables
from harness.data.groups import MOST_VALUES, as_canary, as_column
from harness.errors import ConfigError, InputError, UnresolvedError
from harness.subject._pools import Pool, read_pools
from harness.types import Observations, Records

N = 80
SEX = np.array(["f", "m"])[np.arange(N) % 2]


def answers_of(path: Path, **more: Any) -> Path:
    """A file of one variant's answers to N records, half of them members."""
    confidences = np.random.default_rng(0).dirichlet(np.ones(3), N).astype(np.float32)
    table: dict[str, Any] = {
        "target/labels": np.arange(N) % 3,
        "target/membership": (np.arange(N) // 2) % 2,
        "target/confidences/original": confidences,
    }
    np.savez(path, **table | more)
    return path


def csv_of(path: Path, seed: int, columns: dict[str, Any], n: int = 40) -> str:
    values = np.random.default_rng(seed).uniform(size=(n, 2))
    rows = [[*(str(cells[k]) for cells in columns.values()), str(k % 2), *map(str, values[k])] for k in range(n)]
    path.write_text("\n".join(",".join(row) for row in [[*columns, "label", "a", "b"], *rows]) + "\n")
    return str(path)


def pools(settings: RecordsConfig) -> dict[str, Pool]:
    return read_pools(settings, (), audit="audit", outside="population", seed=0)


def test_answers_carry_their_groups_and_canaries(tmp_path: Path) -> None:
    canary = (np.arange(N) < 20).astype(int)
    more = {"target/groups/sex": SEX, "target/groups/age": np.arange(N) % 5, "target/canary": canary}
    target, _ = answers.load(answers_of(tmp_path / "a.npz", **more))
    assert target.groups["sex"].tolist() == SEX.tolist()
    assert target.groups["age"].dtype == np.int64
    assert len(target.ordinary) == 60
    assert target.canaries is not None
    assert target.canaries.groups["sex"].tolist() == SEX[:20].tolist()
    plain, _ = answers.load(answers_of(tmp_path / "b.npz"))
    assert plain.ordinary is plain
    assert plain.canaries is None


@pytest.mark.parametrize(
    ("key", "values", "word"),
    [
        ("groups/age", np.arange(N), f"groups/age has {N} different values, a column of groups at most {MOST_VALUES}"),
        ("groups/age", np.linspace(0, 1, N), "groups/age has type float64, expected integers or texts"),
        ("groups/age", np.zeros((N, 2), int), r"groups/age has shape \[80, 2\]"),
        ("groups/age", np.zeros(3, int), r"target/groups/age: shape \[3\], expected \[80\]"),
        ("groups/class", SEX, "'class' cannot name a column of groups"),
        ("groups/", SEX, "'' cannot name a column of groups"),
        ("canary", np.full(N, 2), "target/canary: expected 0 or 1"),
        ("canary", np.zeros(3, int), "target/canary: 3 entries for 80 labels"),
        ("canary", np.ones(N), "target/canary: every record is a canary"),
    ],
)
def test_columns_that_cannot_be_used_are_refused_with_their_key(
    tmp_path: Path, key: str, values: Any, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        answers.load(answers_of(tmp_path / "a.npz", **{f"target/{key}": values}))


def test_too_few_ordinary_records_are_refused_however_many_canaries_there_are(tmp_path: Path) -> None:
    file = answers_of(tmp_path / "a.npz", **{"target/canary": (np.arange(N) < 60).astype(int)})
    with pytest.raises(UnresolvedError, match="10 members and 10 non-members are too few"):
        answers.load(file)


@given(st.lists(st.sampled_from(["a", "b", "ü", ""]), min_size=1, max_size=8), st.data())
def test_taking_records_takes_their_groups_and_marks(values: list[str], data: st.DataObject) -> None:
    n = len(values)
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=8)))
    canary = np.arange(n) % 2
    seen = Observations(np.zeros(n, np.int64), groups={"g": np.array(values)}, canary=canary).take(rows)
    fed = Records({}, np.zeros(n, np.int64), np.arange(n), {"g": np.array(values)}, canary).take(rows)
    for one in (seen, fed):
        assert one.groups["g"].tolist() == [values[row] for row in rows]
        assert one.canary is not None
        assert one.canary.tolist() == [row % 2 for row in rows]


def test_numbers_and_yes_or_no_are_columns_and_objects_are_not() -> None:
    assert as_column(np.array([True, False]), where="x").tolist() == [1, 0]
    assert as_canary(np.array([1.0, 0.0]), where="x").dtype == np.int64
    with pytest.raises(InputError, match="x has type object"):
        as_column(np.array(["a", None], dtype=object), where="x")
    with pytest.raises(InputError, match="beyond 64 bits"):
        as_column(np.array([2**63], dtype=np.uint64), where="x")


def test_columns_of_a_table_that_are_set_apart_are_no_values(tmp_path: Path) -> None:
    path = Path(csv_of(tmp_path / "a.csv", 0, {"sex": SEX}))
    table = tables.read(path, apart=("sex", "not there"))
    assert table.values.shape == (40, 2)
    assert table.apart == {"sex": tuple(SEX[:40])}
    with pytest.raises(InputError, match="column label holds the classes"):
        tables.read(path, apart=("label",))
    with pytest.raises(InputError, match="there is no column left to feed"):
        tables.read(path, apart=("sex", "a", "b"))


def test_a_parquet_table_gives_the_same_columns_as_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"sex": list(SEX[:4]), "age": [1, 2, 3, 4], "label": [0, 1, 0, 1], "a": [0.5, 1.5, 2.5, 3.5]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    table = tables.read(tmp_path / "a.parquet", apart=("sex", "age"))
    assert table.apart == {"sex": tuple(SEX[:4]), "age": ("1", "2", "3", "4")}
    assert table.values.tolist() == [[0.5], [1.5], [2.5], [3.5]]


def test_records_of_an_npz_carry_the_columns_that_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    marks = {"groups/sex": SEX, "groups/other": SEX, "canary": np.zeros(N)}
    np.savez(path, inputs=np.ones((N, 2), np.float32), labels=np.zeros(N, int), **marks)  # type: ignore[arg-type]
    whole, _ = records.read(path)
    assert set(whole.groups) == {"sex", "other"}
    few, _ = records.read(path, groups=("sex",), canary="canary")
    assert set(few.groups) == {"sex"}
    with pytest.raises(InputError, match=r'key canary .*\(name it as canary = "canary" under \[records\]'):
        records.read(path, groups=("sex",), canary=None)


def test_canaries_of_supplied_tables_are_a_pool_of_their_own(tmp_path: Path) -> None:
    marks = {"sex": SEX, "flag": (np.arange(N) < 10).astype(int)}
    settings = RecordsConfig(
        members=csv_of(tmp_path / "m.csv", 0, marks),
        nonmembers=csv_of(tmp_path / "n.csv", 1, marks),
        groups=("sex",),
        canary="flag",
    )
    read = pools(settings)
    assert set(read) == {"audit", "canaries"}
    ordinary, canaries = read["audit"], read["canaries"]
    assert (len(ordinary.records), len(canaries.records)) == (60, 20)
    assert ordinary.records.inputs["inputs"].shape[1] == 2, "neither column is fed"
    for pool in (ordinary, canaries):
        assert pool.membership is not None
        # A record is known by its row: members from 0, non-members after them.
        assert np.array_equal(pool.membership == 1, pool.records.ids < 40)
        np.testing.assert_array_equal(pool.records.groups["sex"], SEX[pool.records.ids % 40])
    assert set(canaries.records.ids) == {*range(10), *range(40, 50)}


def test_a_column_that_an_audited_file_lacks_is_refused_with_the_file(tmp_path: Path) -> None:
    marked = csv_of(tmp_path / "m.csv", 0, {"sex": SEX})
    flagged = csv_of(tmp_path / "f.csv", 0, {"flag": np.ones(N, int)})
    plain = csv_of(tmp_path / "n.csv", 1, {})
    with pytest.raises(InputError, match=r"n\.csv: there is no column of groups 'sex'"):
        pools(RecordsConfig(members=marked, nonmembers=plain, groups=("sex",)))
    with pytest.raises(InputError, match=r"m\.csv: column sex: expected 0 or 1"):
        pools(RecordsConfig(members=marked, nonmembers=plain, canary="sex"))
    with pytest.raises(InputError, match=r"n\.csv: there is no column 'flag' of canaries"):
        pools(RecordsConfig(members=flagged, nonmembers=plain, canary="flag"))


def test_values_are_counted_over_both_files(tmp_path: Path) -> None:
    members, others = (csv_of(tmp_path / f"{seed}.csv", seed, {"age": np.arange(N) + 100 * seed}) for seed in (0, 1))
    with pytest.raises(InputError, match="column age has 80 different values"):
        pools(RecordsConfig(members=members, nonmembers=others, groups=("age",)))


def test_a_canary_that_occurs_twice_or_is_an_ordinary_record_too_is_refused(tmp_path: Path) -> None:
    def written(name: str, marks: Any, rows: Any) -> str:
        values = np.random.default_rng(0).uniform(size=(200, 2)).astype(np.float32)
        np.savez(tmp_path / name, inputs=values[rows], labels=np.zeros(len(rows), int), mark=marks)
        return str(tmp_path / name)

    others = written("n.npz", np.zeros(30, int), np.arange(100, 130))
    twice = written("m.npz", (np.arange(32) < 2).astype(int), np.r_[0, 0, np.arange(1, 31)])
    with pytest.raises(InputError, match="1 canaries occur more than once"):
        pools(RecordsConfig(members=twice, nonmembers=others, canary="mark"))
    both = written("b.npz", (np.arange(32) < 1).astype(int), np.r_[0, 0, np.arange(1, 31)])
    with pytest.raises(InputError, match="1 records are canaries and ordinary records at once"):
        pools(RecordsConfig(members=both, nonmembers=others, canary="mark"))
    none = written("z.npz", np.zeros(30, int), np.arange(30))
    with pytest.raises(InputError, match="no record is a canary"):
        pools(RecordsConfig(members=none, nonmembers=others, canary="mark"))


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ('groups = ["class"]', "the true classes are reported anyway"),
        ('groups = ["sex", "sex"]', "name the column 'sex' twice"),
        ('groups = ["sex"]\ncanary = "sex"', "name the column 'sex' twice"),
        ('groups = [""]', "needs names that can be printed"),
    ],
)
def test_columns_are_named_once_and_not_as_the_classes(tmp_path: Path, keys: str, word: str) -> None:
    from harness.config import load

    path = tmp_path / "audit.toml"
    sections = '[[artifact]]\nvariant = "original"\nfile = "a.tflite"\n[records]\nmembers = "m"\nnonmembers = "n"\n'
    path.write_text(f'name = "x"\n{sections}{keys}\n')
    with pytest.raises(ConfigError, match=word):
        load(path)
