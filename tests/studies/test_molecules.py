"""The molecules study on molecules made by rule, its bad inputs, and, where the data are, on two real tasks."""

from __future__ import annotations

import copy
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from harness.errors import EdgeleakError, InputError, RunError
from studies.mis_molecules.answers import answers
from studies.mis_molecules.case import ORDERS
from studies.mis_molecules.command import app
from studies.mis_molecules.heads import FINITE, FLOAT, QUANTIZERS
from studies.mis_molecules.pairs import CLAIMS, CRITERIA
from studies.mis_molecules.predictions import GENERATORS, OF_FLOATS
from studies.mis_molecules.study import QUICK, Settings, conduct
from studies.mis_molecules.tasks import TASKS, Molecules, read

pytest.importorskip("rdkit", reason="RDKit is not installed")

KINDS = ("descriptors",)
SMALL = Settings(candidates=6, retrainings=12, draws=100, dimensions=8, representations=KINDS)
DATA = next(
    (place for up in Path(__file__).parents if (place := up / "shared/datasets/moleculenet").is_dir()),
    Path("shared/datasets/moleculenet"),
)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no folder shared/datasets/moleculenet here")


class Done(NamedTuple):
    folder: Path
    findings: dict[str, Any]
    files: tuple[Path, ...]


def made_smiles() -> list[str]:
    """Sixty distinct small molecules: chains with six ends, and ring systems with chains."""
    chains = ["C" * k for k in range(2, 10)]
    ends = ["", "O", "N", "C(=O)O", "Cl", "c1ccccc1"]
    return [chain + end for end in ends for chain in chains] + ["c1ccc(cc1)" + "C" * k + "N" for k in range(12)]


def rows(values: Callable[[int, str], object]) -> list[str]:
    return [f"{smiles},{values(i, smiles)}" for i, smiles in enumerate(made_smiles())]


def has_hetero(_: int, smiles: str) -> int:
    return int("O" in smiles or "N" in smiles)


def size_of(_: int, smiles: str) -> float:
    return 0.5 * len(smiles) + ("O" in smiles)


def table(folder: Path, file: str, label: str, lines: list[str]) -> Path:
    (folder / file).write_text("\n".join([f"smiles,{label}", *lines]) + "\n")
    return folder


def fill(folder: Path) -> Path:
    table(folder, "BBBP.csv", "p_np", rows(has_hetero))
    return table(folder, "Lipophilicity.csv", "exp", rows(size_of))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return fill(tmp_path / "data")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One finished study of both tasks; nobody writes into it."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "data").mkdir()
    findings, files = study(fill(folder / "data"), folder)
    return Done(folder, findings, files)


@pytest.fixture
def copied(done: Done, tmp_path: Path) -> Path:
    """A copy of the finished study and of its data, to change."""
    shutil.copytree(done.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


def silent(*_: object) -> None:
    """No progress shown."""


def study(data: Path, folder: Path, **options: Any) -> tuple[dict[str, Any], tuple[Path, ...]]:
    chosen: dict[str, Any] = {"seed": 3, "tasks": ("BBBP", "Lipophilicity"), "settings": SMALL} | options
    return conduct(data, folder / "kept", out=folder / "page/mis-molecules.md", progress=silent, **chosen)


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, float):
        yield value


def test_every_quantizer_of_every_case_is_measured_and_shown(done: Done) -> None:
    folder, findings, files = done
    assert findings["schema"] == "edgeleak.mis-molecules/2"
    cases = findings["cases"]
    assert [(case["kind"], case["representation"]) for case in cases] == [
        (kind, representation) for kind in ("classification", "regression") for representation in KINDS
    ]
    assert all(math.isfinite(x) for x in numbers(json.loads(json.dumps(findings))))
    for case in cases:
        assert [row["quantizer"] for row in case["rows"]] == list(QUANTIZERS)
        assert sum(case["parts"].values()) == 60
        # What the deployed head and each retraining see: half of each class.
        assert case["parts"]["pool"] // 2 - 1 <= case["n"] <= case["parts"]["pool"] // 2
        for row in case["rows"]:
            assert 1 <= row["mis"]["k_eff"] <= row["mis"]["k"] == SMALL.candidates
            assert row["mis"]["n_eval"] == case["parts"]["evaluation"]
            assert row["attack"]["trained"]["n"] == row["attack"]["threshold"]["n"] == SMALL.retrainings // 2
            has_codes = row["quantizer"] in FINITE
            assert row["is_finite"] == has_codes
            # A value that is kept has no neighbouring code.
            expected = set(GENERATORS) if has_codes else set(OF_FLOATS)
            assert set(row["predicted"]) == expected
        assert list(case["taus"]) == list(ORDERS)
        float_row = next(row for row in case["rows"] if row["quantizer"] == FLOAT)
        assert float_row["use"]["difference"]["value"] == float_row["use"]["difference"]["high"] == 0.0
    assert [row["order"] for row in findings["generators"]] == list(ORDERS)
    asked = [(row["claim"], row["criterion"], row["representation"]) for row in findings["claims"]]
    assert asked == [(claim, by, kind) for claim in CLAIMS for by in CRITERIA for kind in KINDS]
    page = (folder / "page/mis-molecules.md").read_text()
    assert "python -m studies.mis_molecules --data DIR" in page
    assert str(folder) not in page
    assert all(sentence in page for sentence in findings["answers"])
    pictures = [file for file in files if file.suffix == ".svg"]
    assert [picture.stem.rpartition("-")[2] for picture in pictures] == ["predicted", "attacker"]
    for picture in pictures:
        assert f"]({picture.name})" in page
    assert pictures[1].read_text().count("N = 18") == 2  # one panel a task


def test_the_same_seed_gives_the_same_bytes_whichever_tasks_are_done_together(
    done: Done, data: Path, tmp_path: Path
) -> None:
    alone, _ = study(data, tmp_path, tasks=("Lipophilicity",))
    assert alone["cases"] == done.findings["cases"][len(KINDS) :]
    findings, files = study(data, tmp_path)
    assert findings == done.findings
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in done.files]


def test_a_quick_look_goes_through_the_command_and_says_that_one_task_judges_no_order(
    data: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    places = ["--data", str(data), "--run", str(tmp_path / "kept"), "--out", str(page)]
    done = CliRunner().invoke(app, [*places, "--task", "BBBP", "--quick", "--json"])
    assert done.exit_code == 0, done.output
    findings = json.loads(done.stdout)
    assert [case["representation"] for case in findings["cases"]] == list(QUICK.representations)
    assert findings["settings"]["candidates"] == QUICK.candidates < Settings().candidates
    assert "no order can be judged" in findings["answers"][0]
    assert {row["verdict"] for row in findings["claims"]} == {"not resolved"}
    assert "no order can be judged" in page.read_text()


def test_finished_cases_are_kept(done: Done, copied: Path) -> None:
    kept = copied / "kept"
    for path in kept.glob("*Lipophilicity*"):
        path.unlink()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.glob("*BBBP*")}
    assert {path.suffix for path in before} == {".json", ".npz"}
    assert study(copied / "data", copied)[0] == done.findings
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.glob("*BBBP*")} == before
    assert not list(kept.glob(".*"))  # nothing half-written


def test_another_seed_or_other_bytes_are_another_task(done: Done, copied: Path) -> None:
    kept, data = copied / "kept", copied / "data"
    others, _ = study(data, copied, tasks=("BBBP",), seed=4)
    assert others["cases"] != done.findings["cases"][: len(KINDS)]
    assert (len(list(kept.glob("case-BBBP-descriptors*"))), len(list(kept.glob("features-BBBP*")))) == (2, 1)
    with (data / "BBBP.csv").open("a") as file:
        file.write("CCOCC,1\n")
    findings, _ = study(data, copied, tasks=("BBBP",))
    assert sum(findings["cases"][0]["parts"].values()) == 61
    assert (len(list(kept.glob("case-BBBP-descriptors*"))), len(list(kept.glob("features-BBBP*")))) == (3, 2)


@pytest.mark.parametrize("kind", ["case", "features"])
def test_a_damaged_file_is_refused_with_its_name(copied: Path, kind: str) -> None:
    if kind == "features":
        for path in (copied / "kept").glob("case-BBBP*"):
            path.unlink()
    damaged = next((copied / "kept").glob(f"{kind}-BBBP*"))
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(RunError, match=damaged.name) as error:
        study(copied / "data", copied, tasks=("BBBP",))
    assert "delete" in str(error.value.hint)


def test_rows_that_cannot_be_used_are_dropped_and_counted(data: Path) -> None:
    extra = ["CCO,1", "OCC,1", "OCC,0", "C1CC,1", "not a molecule,0", "CCBr,", ",1"]
    table(data, "BBBP.csv", "p_np", [*rows(has_hetero), *extra])
    molecules = read(TASKS["BBBP"], data, seed=0)
    assert len(molecules.labels) == 60
    dropped = molecules.dropped
    assert (dropped.rows, dropped.unlabelled, dropped.unparseable) == (67, 1, 3)
    assert (dropped.duplicates, dropped.conflicting, dropped.unsampled) == (3, 1, 0)


def test_a_task_of_bounded_size_keeps_every_active_molecule(data: Path) -> None:
    chains = [f"{'C' * k}{end},{int(end == 'O')}" for end in ("O", "N", "S") for k in range(1, 16)]
    table(data, "HIV.csv", "HIV_active", chains)
    task = TASKS["HIV"]
    bounded = type(task)(**{**vars(task), "most": 40})
    first, other = (read(bounded, data, seed=seed) for seed in (0, 1))
    assert len(first.labels) == len(other.labels) == 40
    assert first.labels.sum() == other.labels.sum() == 15
    assert first.dropped.unsampled == 5
    assert _names(first) == _names(read(bounded, data, seed=0))
    assert _names(first) != _names(other)


def _names(molecules: Molecules) -> list[str]:
    from rdkit.Chem import MolToSmiles

    return [MolToSmiles(structure) for structure in molecules.structures]


BAD = {
    "no column": ("smiles,other", rows(has_hetero), "BBBP.csv: column 'p_np' is missing"),
    "no structures": ("structure,p_np", rows(has_hetero), "BBBP.csv: column 'smiles' is missing"),
    "no rows": ("smiles,p_np", [], "BBBP.csv: column 'p_np': 0 labelled"),
    "no valid structure": ("smiles,p_np", [f"X{i},1" for i in range(60)], "BBBP.csv: column 'p_np': 0 labelled"),
    "no label": ("smiles,p_np", rows(lambda *_: ""), "BBBP.csv: column 'p_np': 0 labelled"),
    "one class": ("smiles,p_np", rows(lambda *_: 1), "BBBP.csv: column 'p_np': class 0 has 0 molecules"),
    "third class": ("smiles,p_np", rows(lambda i, _: i % 3), "BBBP.csv: column 'p_np', row 3 is '2', expected 0 or 1"),
    "a word": ("smiles,p_np", rows(lambda i, _: "yes" if i == 4 else 1), "row 5 is 'yes', expected 0 or 1"),
    "too few": ("smiles,p_np", rows(has_hetero)[:30], "BBBP.csv: column 'p_np': 30 labelled"),
    "empty file": ("", [], "BBBP.csv: not a readable CSV file"),
    "ragged": ("smiles,p_np", [*rows(has_hetero), "C,1,2,3"], "BBBP.csv: not a readable CSV file"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_its_name_and_column(data: Path, tmp_path: Path, case: str) -> None:
    header, lines, message = BAD[case]
    (data / "BBBP.csv").write_text("\n".join([header, *lines]) if header else "")
    with pytest.raises(InputError) as error:
        study(data, tmp_path, tasks=("BBBP",))
    assert message in error.value.message
    assert "\n" not in str(error.value)
    assert not (tmp_path / "page").exists()


def test_bytes_that_are_no_text_are_refused_with_the_file(data: Path, tmp_path: Path) -> None:
    (data / "BBBP.csv").write_bytes(b"smiles,p_np\n\xff\xfe\x00,1\n")
    with pytest.raises(InputError, match=r"BBBP\.csv"):
        study(data, tmp_path, tasks=("BBBP",))


@pytest.mark.parametrize(("value", "shown"), [("inf", "inf"), ("n/m", "n/m")])
def test_a_bad_value_in_regression_is_refused_with_its_row(data: Path, tmp_path: Path, value: str, shown: str) -> None:
    table(data, "Lipophilicity.csv", "exp", rows(lambda i, s: value if i == 7 else size_of(i, s)))
    with pytest.raises(InputError, match=f"'exp', row 8 is '{shown}', expected a finite number"):
        study(data, tmp_path, tasks=("Lipophilicity",))


def test_a_constant_property_is_refused(data: Path, tmp_path: Path) -> None:
    table(data, "Lipophilicity.csv", "exp", rows(lambda *_: 2.5))
    with pytest.raises(InputError, match=r"all values are 2\.5"):
        study(data, tmp_path, tasks=("Lipophilicity",))


def test_a_missing_file_is_refused_before_anything_is_done(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clintox\.csv: no such file"):
        study(data, tmp_path, tasks=("BBBP", "ClinTox"))
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("names", [("BBBQ",), (), ("BBBP", "BBBP")])
def test_unknown_repeated_or_missing_tasks_are_refused(data: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="tasks:"):
        study(data, tmp_path, tasks=names)


WITHOUT_RDKIT = """
import sys

sys.modules["rdkit"] = None
from pathlib import Path

from harness.errors import DependencyError
from studies.mis_molecules.study import conduct

try:
    conduct(Path("."), Path("kept"), out=Path("page.md"), seed=0, tasks=["BBBP"], progress=lambda *_: None)
except DependencyError as error:
    print(error.exit_code, error)
"""


def test_without_rdkit_the_command_to_install_it_is_given(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RDKIT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
    )
    assert done.stdout.strip() == '4 rdkit is not installed (pip install "edgeleak[molecules]")', done.stderr
    assert not list(tmp_path.iterdir())


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_sentences_follow_the_figures(done: Done) -> None:
    findings = copy.deepcopy(done.findings)

    def said() -> list[str]:
        return list(answers(findings["cases"], findings))

    for row in findings["claims"]:
        row["verdict"] = "holds" if row["criterion"] == "trained" else "not resolved"
    sparse = next(sentence for sentence in said() if "90% sparse ternary" in sentence)
    assert "By the trained attacker: holds on descriptors." in sparse
    assert "By the indicator r: not resolved on descriptors." in sparse
    for row in findings["generators"]:
        if row["against"]:
            verdict = "better" if row["order"] == "coordinates" else "not resolved"
            row["against"]["bits"] |= {"verdict": verdict}
            row["against"]["bits"]["difference"] |= {"value": 0.25, "low": 0.125, "high": 0.5, "resolvable": True}
    beaten = next(sentence for sentence in said() if "beat bits per weight?" in sentence)
    assert "it beats it with undecided coordinates (an audit's default) (+0.25 [+0.12, +0.50])" in beaten
    assert "it cannot be told apart from it with trajectory" in beaten


@pytest.mark.slow
@needs_data
def test_two_real_tasks(tmp_path: Path) -> None:
    size = Settings(candidates=16, retrainings=40, draws=500, representations=("both",))
    findings, _ = study(DATA, tmp_path, tasks=("BBBP", "FreeSolv"), settings=size)
    for case in findings["cases"]:
        rows_of = {row["quantizer"]: row for row in case["rows"]}
        # A sparse ternary hides what the float shows, to the attacker and to the law alike.
        sparse, whole = rows_of["ternary-0.9"], rows_of[FLOAT]
        assert sparse["attack"]["trained"]["high"] < whole["attack"]["trained"]["low"]
        law = [row["predicted"]["coordinates"]["delta"] for row in (sparse, whole)]
        assert law[0]["high"] < law[1]["low"]
        assert case["taus"]["coordinates"]["low"] > 0.3
        assert rows_of["uniform-8"]["use"]["lost"]["value"] < 0.1
    bbbp, freesolv = findings["cases"]
    assert bbbp["dropped"]["unparseable"] == 11
    # It learned: half of the pool, about 300 molecules, gives an AUC well above chance.
    assert next(row for row in bbbp["rows"] if row["quantizer"] == FLOAT)["use"]["auc"]["low"] > 0.75
    assert freesolv["dimensions"] == freesolv["parts"]["representation"] // 2


def test_an_error_leaves_no_half_written_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    with pytest.raises(EdgeleakError):
        study(data, tmp_path, tasks=("BBBP",))
    assert not (tmp_path / "page").exists()
