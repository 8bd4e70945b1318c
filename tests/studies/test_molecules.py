"""The molecules study on molecules made by rule, its bad inputs, and, where the data are, on two real tasks."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import ndtr

from harness.compression.grids import fit
from harness.errors import EdgeleakError, InputError, RunError
from studies.mis._attacker import attack, halves
from studies.mis._coordinates import Cells, coordinate_delta, retained
from studies.mis._heads import FINITE, FLOAT, QUANTIZERS, quantizers
from studies.mis._molecule_task import Settings
from studies.mis._molecules import conduct
from studies.mis._molecules_claims import answers
from studies.mis._tasks import TASKS, Molecules, read
from studies.mis._utility import utilities

pytest.importorskip("rdkit", reason="RDKit is not installed")

SMALL = Settings(candidates=8, retrainings=12, draws=200, dimensions=8)
DATA = next(
    (place for up in Path(__file__).parents if (place := up / "shared/datasets/moleculenet").is_dir()),
    Path("shared/datasets/moleculenet"),
)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no folder shared/datasets/moleculenet here")


class Done(NamedTuple):
    folder: Path
    found: dict[str, Any]
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
    found, files = study(fill(folder / "data"), folder)
    return Done(folder, found, files)


def silent(*_: object) -> None:
    """No progress shown."""


def study(data: Path, folder: Path, **options: Any) -> tuple[dict[str, Any], tuple[Path, ...]]:
    chosen = {"seed": 3, "tasks": ("BBBP", "Lipophilicity"), "settings": SMALL} | options
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


def test_study_of_made_molecules(done: Done) -> None:
    folder, found, files = done
    assert found["schema"] == "edgeleak.mis-molecules/1"
    assert [task["kind"] for task in found["tasks"]] == ["classification", "regression"]
    assert all(math.isfinite(x) for x in numbers(json.loads(json.dumps(found))))
    for task in found["tasks"]:
        assert [row["quantizer"] for row in task["rows"]] == list(QUANTIZERS)
        assert sum(task["parts"].values()) == 60
        assert sorted(task["order"]) == sorted(QUANTIZERS)
        for row in task["rows"]:
            assert 1 <= row["mis"]["k_eff"] <= row["mis"]["k"] == SMALL.candidates
            assert row["mis"]["n_eval"] == task["parts"]["evaluation"]
            assert row["attack"]["advantage"]["n"] == SMALL.retrainings // 2
        float_row = next(row for row in task["rows"] if row["quantizer"] == FLOAT)
        assert float_row["use"]["difference"]["value"] == float_row["use"]["difference"]["high"] == 0.0
    page = (folder / "page/mis-molecules.md").read_text()
    assert "edgeleak mis-study molecules --data DIR" in page
    assert str(folder) not in page
    assert all(sentence in page for sentence in found["answers"])
    pictures = [file for file in files if file.suffix == ".svg"]
    assert [picture.stem.rpartition("-")[2] for picture in pictures] == ["attacker", "indicator", "predicted"]
    for picture in pictures:
        assert f"]({picture.name})" in page
    assert pictures[0].read_text().count("n = 18") == 2  # one panel a task


def test_same_seed_same_findings_and_another_seed_others(done: Done, data: Path, tmp_path: Path) -> None:
    again, files = study(data, tmp_path)
    assert again == done.found
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in done.files]
    other, _ = study(data, tmp_path, seed=4, tasks=("Lipophilicity",))
    assert other["tasks"] != done.found["tasks"][1:]


def test_a_task_does_not_depend_on_the_others(done: Done, data: Path, tmp_path: Path) -> None:
    assert study(data, tmp_path, tasks=("Lipophilicity",))[0]["tasks"] == done.found["tasks"][1:]


def test_finished_tasks_are_kept(data: Path, tmp_path: Path) -> None:
    study(data, tmp_path, tasks=("BBBP",))
    kept = tmp_path / "kept"
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.glob("*BBBP*")}
    assert {path.suffix for path in before} == {".json", ".npz"}
    study(data, tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.glob("*BBBP*")} == before
    assert not list(kept.glob(".*"))  # nothing half-written


def test_other_settings_or_bytes_are_another_task(data: Path, tmp_path: Path) -> None:
    study(data, tmp_path, tasks=("BBBP",))
    study(data, tmp_path, tasks=("BBBP",), seed=4)
    kept = tmp_path / "kept"
    assert (len(list(kept.glob("task-*"))), len(list(kept.glob("features-*")))) == (2, 1)
    with (data / "BBBP.csv").open("a") as file:
        file.write("CCOCC,1\n")
    found, _ = study(data, tmp_path, tasks=("BBBP",))
    assert sum(found["tasks"][0]["parts"].values()) == 61
    assert (len(list(kept.glob("task-*"))), len(list(kept.glob("features-*")))) == (3, 2)


@pytest.mark.parametrize("kind", ["task", "features"])
def test_damaged_kept_file(data: Path, tmp_path: Path, kind: str) -> None:
    study(data, tmp_path, tasks=("BBBP",))
    if kind == "features":
        next((tmp_path / "kept").glob("task-*")).unlink()
    damaged = next((tmp_path / "kept").glob(f"{kind}-*"))
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(RunError, match=damaged.name) as error:
        study(data, tmp_path, tasks=("BBBP",))
    assert "delete" in str(error.value.hint)


def test_rows_that_cannot_be_used_are_dropped_and_counted(data: Path) -> None:
    extra = ["CCO,1", "OCC,1", "OCC,0", "C1CC,1", "not a molecule,0", "CCBr,", ",1"]
    table(data, "BBBP.csv", "p_np", [*rows(has_hetero), *extra])
    molecules = read(TASKS["BBBP"], data, seed=0)
    assert len(molecules.labels) == 60
    dropped = molecules.dropped
    assert (dropped.rows, dropped.unlabelled, dropped.unparseable) == (67, 1, 3)
    assert (dropped.duplicates, dropped.conflicting, dropped.unsampled) == (3, 1, 0)


def test_a_bounded_task_keeps_every_active(data: Path) -> None:
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
def test_bad_files_are_named(data: Path, tmp_path: Path, case: str) -> None:
    header, lines, message = BAD[case]
    (data / "BBBP.csv").write_text("\n".join([header, *lines]) if header else "")
    with pytest.raises(InputError) as error:
        study(data, tmp_path, tasks=("BBBP",))
    assert message in error.value.message
    assert "\n" not in str(error.value)
    assert not (tmp_path / "page").exists()


def test_bytes_that_are_no_text(data: Path, tmp_path: Path) -> None:
    (data / "BBBP.csv").write_bytes(b"smiles,p_np\n\xff\xfe\x00,1\n")
    with pytest.raises(InputError, match=r"BBBP\.csv"):
        study(data, tmp_path, tasks=("BBBP",))


@pytest.mark.parametrize(("value", "shown"), [("inf", "inf"), ("n/m", "n/m")])
def test_bad_value_of_a_regression(data: Path, tmp_path: Path, value: str, shown: str) -> None:
    table(data, "Lipophilicity.csv", "exp", rows(lambda i, s: value if i == 7 else size_of(i, s)))
    with pytest.raises(InputError, match=f"'exp', row 8 is '{shown}', expected a finite number"):
        study(data, tmp_path, tasks=("Lipophilicity",))


def test_constant_regression(data: Path, tmp_path: Path) -> None:
    table(data, "Lipophilicity.csv", "exp", rows(lambda *_: 2.5))
    with pytest.raises(InputError, match=r"all values are 2\.5"):
        study(data, tmp_path, tasks=("Lipophilicity",))


def test_missing_file_is_told_before_anything_is_done(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clintox\.csv: no such file"):
        study(data, tmp_path, tasks=("BBBP", "ClinTox"))
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("names", [("BBBQ",), (), ("BBBP", "BBBP")])
def test_bad_task_names(data: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="tasks:"):
        study(data, tmp_path, tasks=names)


WITHOUT_RDKIT = """
import sys

sys.modules["rdkit"] = None
from pathlib import Path

from harness.errors import DependencyError
from studies.mis._molecules import conduct

try:
    conduct(Path("."), Path("kept"), out=Path("page.md"), seed=0, tasks=["BBBP"], progress=lambda *_: None)
except DependencyError as error:
    print(error.exit_code, error)
"""


def test_without_rdkit(tmp_path: Path) -> None:
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


# -- parts -------------------------------------------------------------------------------------------------------------


def test_levels_are_the_pilots() -> None:
    rng = np.random.default_rng(0)
    pilot, weights = rng.normal(size=50), rng.normal(size=(7, 50))
    through = quantizers(pilot)
    levels = {"sign": 2, "ternary-0.33": 3, "ternary-0.9": 3, "uniform-2": 4, "uniform-3": 8, "cluster-4": 4}
    for name, count in levels.items():
        found = np.unique(through[name].quantize(weights))
        everywhere = np.unique(through[name].quantize(np.linspace(-9, 9, 5000).reshape(100, 50)))
        assert len(everywhere) == count
        assert set(found) <= set(everywhere)
    pruned = through["prune-0.9"].quantize(weights)
    assert ((pruned == 0).sum(axis=1) == 45).all()
    assert np.array_equal(pruned[pruned != 0], weights[pruned != 0])
    assert np.array_equal(through[FLOAT].quantize(weights), weights)
    for name in FINITE:  # a weight at a level stays there
        once = through[name].quantize(weights)
        assert np.array_equal(through[name].quantize(once), once)


def test_retained_information_known_answers() -> None:
    zero, one = np.zeros(1), np.ones(1)
    tie = Cells(np.zeros(1), (False, False))
    assert retained(tie, zero, one)[0] == pytest.approx(2 / math.pi, rel=1e-12)
    # A Bernoulli's: density squared over p (1 - p), wherever the cut is.
    shifted, p = retained(tie, np.array([0.7]), one)[0], ndtr(0.7)
    assert shifted == pytest.approx(math.exp(-0.49) / (2 * math.pi * p * (1 - p)), rel=1e-12)
    assert retained(tie, np.array([40.0]), one)[0] == 0.0
    assert retained(Cells(np.zeros(0), (True,)), zero, one)[0] == 1.0
    fine = Cells(np.linspace(-5, 5, 1001), (False,) * 1002)
    assert retained(fine, zero, one)[0] == pytest.approx(1.0, abs=1e-4)
    # Pruning keeps what its finest code would keep outside the cut, and one code within.
    pruned = retained(Cells(np.array([-1.0, 1.0]), (True, False, True)), zero, one)[0]
    within = ndtr(1.0) - ndtr(-1.0) - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi)
    assert pruned == pytest.approx(1.0 - within, rel=1e-12)


@pytest.mark.parametrize("name", ["sign", "ternary-0.9", "uniform-4", FLOAT])
def test_coordinate_law_is_the_exact_leakage_of_independent_normal_weights(name: str) -> None:
    """The best attacker knows each code's probability with and without the record; its advantage is simulated."""
    rng = np.random.default_rng(5)
    d, n, games = 60, 400, 4000
    mean = rng.normal(size=d) * 0.08
    refits = mean + rng.normal(size=(4000, d)) / math.sqrt(n)
    cells = quantizers(mean, [name])[name].cells(refits)
    law = coordinate_delta(cells, refits, n=n, trained_on=n)
    record = rng.normal(size=(games, d)) / n  # what a record of unit variance moves the mean by
    inside = mean + record + rng.normal(size=(games, d)) * math.sqrt((n - 1) / n**2)
    outside = mean + rng.normal(size=(games, d)) / math.sqrt(n)
    guesses = [_likelier_inside(w, mean, record, n, cells) for w in (inside, outside)]
    advantage = guesses[0].mean() - guesses[1].mean()
    error = math.sqrt(2 * 0.25 / games)
    assert abs(advantage - law.value) < 4 * error + 0.02 * law.value
    assert law.low <= law.value <= law.high


def _likelier_inside(w: np.ndarray, mean: np.ndarray, record: np.ndarray, n: int, cells: Cells) -> np.ndarray:
    if cells.keeps == (True,):
        without = -n * (w - mean) ** 2 / 2 - math.log(1 / n) / 2
        variance = (n - 1) / n**2
        return ((-((w - mean - record) ** 2) / (2 * variance) - math.log(variance) / 2) - without).sum(axis=1) > 0
    code = np.searchsorted(cells.cuts, w, side="right")
    edges = np.concatenate([[-np.inf], cells.cuts, [np.inf]])

    def log_mass(centre: np.ndarray, spread: float) -> np.ndarray:
        mass = ndtr((edges[code + 1] - centre) / spread) - ndtr((edges[code] - centre) / spread)
        return np.log(np.maximum(mass, 1e-300))

    ratio = log_mass(mean + record, math.sqrt(n - 1) / n) - log_mass(np.broadcast_to(mean, w.shape), 1 / math.sqrt(n))
    return ratio.sum(axis=1) > 0


def test_coordinate_law_of_the_float_counts_weights() -> None:
    refits = np.random.default_rng(0).normal(size=(50, 30))
    found = coordinate_delta(Cells(np.zeros(0), (True,)), refits, n=200, trained_on=400)
    assert [found.low, found.value, found.high] == pytest.approx([math.sqrt(30 / (2 * math.pi * 200))] * 3)


def test_halves_keep_classes_and_differ() -> None:
    groups = np.repeat([0, 1], [20, 8])
    members = halves(groups, 6, np.random.default_rng(0))
    assert (members[:, groups == 0].sum(axis=1) == 10).all()
    assert (members[:, groups == 1].sum(axis=1) == 4).all()
    assert len(np.unique(members, axis=0)) == 6


def _least_squares(features: np.ndarray, targets: np.ndarray, members: np.ndarray) -> np.ndarray:
    return np.stack([np.linalg.lstsq(features[m], targets[m], rcond=None)[0] for m in members])


def test_attacker_finds_overfitting_and_nothing_where_there_is_nothing() -> None:
    rng = np.random.default_rng(2)
    n, d = 120, 30
    features, targets = rng.normal(size=(n, d)), rng.normal(size=n)
    members = halves(np.zeros(n, dtype=np.int64), 40, rng)
    fitted = _least_squares(features, targets, members)
    # Members drawn anew have nothing to do with what the weights were fitted to.
    unrelated = halves(np.zeros(n, dtype=np.int64), 40, rng)
    options: dict[str, Any] = {"classes": None, "draws": 500, "seed": 0}
    found = attack({FLOAT: fitted, "same": fitted}, features, targets, members, **options)
    assert np.quantile(found.drawn[FLOAT], 0.001) > 0.2
    assert np.array_equal(found.drawn[FLOAT], found.drawn["same"])  # paired
    nothing = attack({FLOAT: fitted}, features, targets, unrelated, **options)
    low, high = np.quantile(nothing.drawn[FLOAT], [0.001, 0.999])
    assert low < 0 < high
    with pytest.raises(InputError, match="retrainings=6"):
        attack({FLOAT: fitted[:6]}, features, targets, members[:6], **options)


def test_utility_known_answers() -> None:
    targets = np.array([0, 0, 0, 1, 1, 1] * 20)
    perfect, useless = targets - 0.5, np.zeros(len(targets))
    found = utilities(
        {FLOAT: perfect, "useless": useless}, targets, reference=FLOAT, classes=2, draws=200, level=0.95, seed=0
    )
    assert found[FLOAT].measures["auc"].value == found[FLOAT].measures["accuracy"].value == 1.0
    assert found["useless"].measures["auc"].value == 0.5
    assert found["useless"].lost.value == 1.0
    assert found["useless"].difference.value == -0.5
    values = np.random.default_rng(0).normal(size=100)
    regressed = utilities(
        {FLOAT: 0.5 * values, "constant": 0 * values, "exact": values},
        values,
        reference=FLOAT,
        classes=None,
        unit=3.0,
        draws=200,
        level=0.95,
        seed=0,
    )
    assert regressed["constant"].lost.value == pytest.approx(1.0)
    assert regressed["exact"].lost.value == pytest.approx(-1.0)
    assert regressed[FLOAT].measures["rmse"].value == pytest.approx(1.5 * math.sqrt((values**2).mean()))
    worthless = utilities(
        {FLOAT: -values, "exact": values}, values, reference=FLOAT, classes=None, draws=200, level=0.95, seed=0
    )
    assert not worthless["exact"].lost.resolvable


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_sentences_follow_the_figures(done: Done) -> None:
    tasks: list[dict[str, Any]] = copy.deepcopy(done.found["tasks"])

    def said(answer: str) -> str:
        for task in tasks:
            for row in task["comparisons"]:
                row["attacker"]["answer"] = row["indicator"]["answer"] = answer
        return list(answers(tasks, level=0.95))[1]

    assert "by the attacker, it holds on BBBP and Lipophilicity (16 of 16 comparisons say so, 0 the opposite)." in said(
        "safer"
    )
    assert (
        "by the attacker, it does not hold on BBBP and Lipophilicity (0 of 16 comparisons say so, 16 the opposite)."
        in said("less safe")
    )
    assert "by the indicator, it cannot be resolved with this n on BBBP and Lipophilicity (0 of 16" in said(
        "not resolved"
    )
    for task in tasks:
        for row in task["rows"]:
            row["attack"]["exceeds"] = False
    probed = sum(row["attack"]["predicted"] is not None for task in tasks for row in task["rows"])
    assert any(f"in 0 of {probed} cases." in sentence for sentence in answers(tasks, level=0.95))


def test_near_ties_are_never_ordered_by_r(done: Done) -> None:
    task = done.found["tasks"][0]
    regimes = {row["quantizer"]: row["mis"]["regime"] for row in task["rows"]}
    local = [r for r in task["comparisons"] if {regimes[r["quantizer"]], regimes[r["other"]]} == {"local"}]
    assert local
    assert {row["indicator"]["answer"] for row in local} == {"not resolved"}


@pytest.mark.slow
@needs_data
def test_two_real_tasks(tmp_path: Path) -> None:
    size = Settings(candidates=16, retrainings=40, draws=1000)
    found, _ = study(DATA, tmp_path, tasks=("BBBP", "FreeSolv"), settings=size)
    for task in found["tasks"]:
        told = {row["quantizer"]: row for row in task["rows"]}
        # A sparse ternary hides what the float shows, to the attacker and to the law alike.
        sparse, whole = told["ternary-0.9"]["attack"], told[FLOAT]["attack"]
        assert sparse["advantage"]["high"] < whole["advantage"]["low"]
        assert sparse["law"]["high"] < whole["law"]["low"]
        assert task["agreement"]["law"]["low"] > 0.3
        assert told["uniform-8"]["use"]["lost"]["value"] < 0.1
    bbbp, freesolv = found["tasks"]
    assert bbbp["dropped"]["unparseable"] == 11
    assert next(row for row in bbbp["rows"] if row["quantizer"] == FLOAT)["use"]["auc"]["low"] > 0.8
    assert freesolv["dimensions"] == freesolv["parts"]["representation"] // 2


def test_an_error_leaves_no_half_written_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    with pytest.raises(EdgeleakError):
        study(data, tmp_path, tasks=("BBBP",))
    assert not (tmp_path / "page").exists()


def test_grid_levels_are_ascending_for_clusters() -> None:
    pilot = np.random.default_rng(1).normal(size=129)
    cells = quantizers(pilot, ["cluster-16"])["cluster-16"].cells(pilot[None, :])
    assert (np.diff(cells.cuts) > 0).all()
    assert len(cells.keeps) == len(cells.cuts) + 1 == 16
    assert fit(pilot[None, :], "uniform-4").levels == 16
