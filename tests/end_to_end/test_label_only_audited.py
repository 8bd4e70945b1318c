"""An audit of an app that answers the label alone: disturbed copies go to the real agent, and it ends in a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.attacks import evaluate
from harness.config import load
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.store import Run
from harness.subject import observations
from tests.end_to_end.conftest import Cli, files
from tests.end_to_end.supplied import Supplied

# Its run is its own: it need not wait for the others of this folder.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("label")]

CONFIG = """
name = "label"
seed = 1

[data]
members = 300
nonmembers = 300
population = 200

[model]
width = 8

[training]
epochs = 20
learning_rate = 3e-3
shadows = 2

[compression]
variants = ["original", "prune-0.9", "int8"]
finetune_epochs = 3

[export]
runtimes = ["litert", "onnx"]

[attack]
names = ["correctness", "confidence", "lira", "rmia", "sr2-lr", "mr-logistic"]
answers = "label"
label_copies = 12

[mis]
enabled = false

[bench]
runs = 5
duration_s = 0.0
"""
COPIES = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("label") / "audit.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def whole(source: Path, edgeleak: Cli) -> Path:
    """An undisturbed run; read it, do not change it."""
    folder = source.parent / "whole"
    done = edgeleak("audit", source, "--run", folder)
    assert done.returncode == 2, done.stdout + done.stderr  # no rules: nothing is passed
    return folder


def test_every_adversary_has_a_result_on_every_runtime_from_labels_alone(whole: Path) -> None:
    report = json.loads((whole / "report.json").read_text())
    rows = report["attacks"]["results"]
    assert report["attacks"]["skipped"] == []
    assert {(row["adversary"], row["runtime"]) for row in rows} == {
        (adversary, runtime) for adversary in ("NR", "SR", "MR") for runtime in ("litert", "onnx")
    }
    assert all(row["trained_on"] == "shadows" for row in rows)
    assert report["data"]["exposure"] == {"answers": "label", "copies": COPIES, "queries": COPIES + 1}


def test_every_model_is_asked_about_a_record_and_its_copies(whole: Path) -> None:
    asked: dict[tuple[str, str], int] = {}
    for name in files(whole):
        population, model, variant, runtime = Path(name).parts[:4]
        if (variant, runtime) == ("int8", "onnx") and name.endswith("c/0/0"):
            key = population.partition("-disturbed-")[0], model
            asked[key] = asked.get(key, 0) + 1
    shadows = ("shadow-0", "shadow-1")
    expected = {(p, m) for p in ("audit", "population") for m in ("target", *shadows)}
    assert asked == dict.fromkeys(expected | {("shadow", m) for m in shadows}, COPIES + 1)


def test_accuracy_is_that_of_the_answers_and_not_of_votes(whole: Path, source: Path) -> None:
    rows = json.loads((whole / "report.json").read_text())["artifacts"]
    with Run.open(whole, load(source)) as run:
        target, _ = observations.read(run, "litert", VECTOR)
    assert target.membership is not None
    for row in (row for row in rows if row["runtime"] == "litert"):
        right = target.logits[row["variant"]].argmax(axis=1) == target.labels
        assert row["accuracy_nonmembers"]["value"] == pytest.approx(right[target.membership == 0].mean())


def test_votes_of_copies_show_more_than_one_answer_on_the_same_collection(whole: Path, source: Path) -> None:
    with Run.open(whole, load(source)) as run:
        modes = (VECTOR, Exposure("label", copies=COPIES), Exposure("label"))
        seen = [observations.read(run, "litert", mode) for mode in modes]
    aucs = []
    for target, shadows in seen:
        (row,) = evaluate(target, shadows, attacks=["rmia"], variants=["original"], fprs=(0.05,)).results
        aucs.append(row.auc)
    vector, votes, alone = aucs
    assert votes.low > 0.5, "members keep their class under noise more often"
    assert min(vector.value, votes.value) > alone.value


def test_supplied_files_are_attacked_by_label_and_by_top_k(supplied: Supplied, edgeleak: Cli, tmp_path: Path) -> None:
    for options, queries in ((("--answers", "label"), 17), (("--answers", "top-k", "--top-k", "2"), 1)):
        done = edgeleak("audit", supplied.toml, *options, "--run", tmp_path / options[1], "--json")
        assert done.returncode in (1, 2), done.stderr
        report = json.loads(done.stdout)
        assert report["config"]["attack"]["answers"] == options[1]
        assert report["data"]["exposure"]["queries"] == queries
        assert {row["adversary"] for row in report["attacks"]["results"]} == {"NR", "SR", "MR"}


def test_what_the_app_does_not_show_is_refused(supplied: Supplied, edgeleak: Cli, tmp_path: Path) -> None:
    text = supplied.toml.read_text().replace('"confidence", "rmia"', '"samia", "rmia"')
    toml = supplied.folder / "samia.toml"
    toml.write_text(text)
    done = edgeleak("audit", toml, "--answers", "label", "--run", tmp_path / "run")
    assert done.returncode == 4
    assert "samia" in done.stderr
    assert "leave samia out" in done.stderr
    assert not (tmp_path / "run").exists()
    done = edgeleak("audit", supplied.toml, "--top-k", "2", "--run", tmp_path / "run")
    assert done.returncode == 4
    assert "add --answers top-k" in done.stderr
