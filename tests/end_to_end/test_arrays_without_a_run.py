"""Verbs that need no run: attacks and the indicator on arrays, several runs together, and a look at this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import harness.cli
from harness import __version__
from harness.attacks import names
from harness.types import FloatArray, IntArray
from tests.attacks.bad_arrays import BAD, full_table, write
from tests.attacks.bad_arrays import N as N_RECORDS
from tests.edgeleak.tables import N as TABLE_SIDE
from tests.edgeleak.tables import bundle
from tests.end_to_end.conftest import Cli

N, CLASSES = 300, 5


def answers(rng: np.random.Generator, labels: IntArray, membership: IntArray, leak: float) -> NDArray[np.float32]:
    logits = rng.normal(size=(len(labels), CLASSES))
    logits[np.arange(len(labels)), labels] += 1 + leak * membership
    powers: FloatArray = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    table: dict[str, Any] = {}
    for who in ("target", "shadow/0"):
        labels, membership = rng.integers(0, CLASSES, 2 * N), np.repeat([1, 0], N)
        table |= {f"{who}/labels": labels, f"{who}/membership": membership}
        for variant, leak in (("original", 1.0), ("int8", 0.8), ("prune-0.8", 0.6)):
            table[f"{who}/confidences/{variant}"] = answers(rng, labels, membership, leak)
    path = tmp_path / "answers.npz"
    np.savez(path, **table)
    return path


def test_attacks_on_arrays_say_which_adversary_and_why_others_did_not_run(edgeleak: Cli, arrays: Path) -> None:
    done = edgeleak("attack", arrays, "--json", "--attack", "confidence", "--attack", "sr2-lr", "--attack", "rmia")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "edgeleak.attack/1"
    assert {row["adversary"] for row in found["results"]} == {"NR", "SR"}
    for row in found["results"]:
        assert row["n_members"] == row["n_nonmembers"] == N
        assert row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"]
        assert set(row["tpr_at_fpr"]) == {"0.01", "0.001"}
    strongest = next(r for r in found["results"] if r["attack"] == "confidence" and r["variants"] == ["original"])
    assert strongest["auc"]["low"] > 0.5
    assert {row["attack"] for row in found["skipped"]} == {"rmia"}
    assert all("population" in row["reason"] or "reference" in row["reason"] for row in found["skipped"])


WITHOUT_TORCH = """
import sys


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "tensorflow", "ai_edge_litert", "executorch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NoTorch())
from harness.cli import main

main()
"""
MEASURES = {"auc", "balanced_accuracy", "tpr_at_fpr", "epsilon_lower", "versus_original"}
RESULT = MEASURES | {
    "adversary", "attack", "variants", "runtime", "device", "trained_on", "n_members", "n_nonmembers", "simultaneous",
    "versus_attack", "is_control", "threshold", "shadow_auc", "design_effect", "references", "chosen", "cut_note",
}  # fmt: skip
VIEW = {"adversary", "attack", "variants", "runtime", "device"}
MADE_WITH = {"schema", "edgeleak", "seed", "inputs_sha256", "exposure"}
FOUND = {"results", "skipped", "null_calibration", "increases", "corrections"}
ESTIMATE = {"value", "low", "high", "n", "method", "level", "resolvable"}


def without_torch(path: Path, *attacks: str) -> dict[str, Any]:
    asked = [word for name in attacks for word in ("--attack", name)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "attack", str(path), "-q", "--json", *asked],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_schema(found: dict[str, Any]) -> None:
    """Every field that the format promises, and no other."""
    assert set(found) == MADE_WITH | FOUND
    assert found["schema"] == "edgeleak.attack/1"
    assert found["edgeleak"] == __version__
    assert [set(one) for one in found["corrections"].values()] == [
        {"figures", "level", "pointwise", "z", "bonferroni_z"}
    ]
    for row in found["increases"]:
        assert set(row) == VIEW | {"against", "difference", "simultaneous", "is_control"}
        assert set(row["difference"]) == set(row["simultaneous"]) == ESTIMATE
    for row in found["skipped"]:
        assert set(row) == VIEW | {"reason"}
    for row in found["results"]:
        assert set(row) == RESULT
        assert row["adversary"] in ("NR", "SR", "MR")
        assert row["trained_on"] in ("shadows", "members")
        assert len(row["variants"]) == {"NR": 1, "SR": 2}.get(row["adversary"], len(row["variants"]))
        assert set(row["simultaneous"]) == MEASURES
        for measures in (row, row["simultaneous"]):
            assert set(measures["tpr_at_fpr"]) == {"0.01", "0.001"}
            estimates = [measures["auc"], measures["balanced_accuracy"], measures["epsilon_lower"]]
            for estimate in (*estimates, *measures["tpr_at_fpr"].values()):
                assert set(estimate) >= ESTIMATE
                low, value, high = (estimate[name] for name in ("low", "value", "high"))
                assert value is None or low <= value
                assert value is None or high is None or value <= high  # a lower bound has no upper end
            assert all("tied" in rate for rate in measures["tpr_at_fpr"].values())


def test_arrays_need_no_torch_but_for_two_attacks(tmp_path: Path) -> None:
    path = write(tmp_path / "answers.npz", full_table())
    found = without_torch(path, "confidence", "mr-gbt", "mr-net", "samia")
    check_schema(found)
    assert (found["seed"], found["inputs_sha256"]) == (0, [hashlib.sha256(path.read_bytes()).hexdigest()])
    assert {row["attack"] for row in found["results"]} == {"confidence", "mr-gbt"}
    assert {row["attack"] for row in found["skipped"]} == {"mr-net", "samia"}
    for row in found["skipped"]:
        assert "torch is not installed" in row["reason"]
        assert "pip install 'edgeleak[train]'" in row["reason"]


@pytest.mark.slow
def test_every_other_attack_runs_without_torch(tmp_path: Path) -> None:
    """Also online LiRA: here every record was in the training set of half of the references."""
    variants = ("original", "prune-0.6", "int8-ptq")
    table = {k: v for k, v in full_table().items() if "/cross/" not in k and not k.endswith("/finetuned")}
    rng = np.random.default_rng(4)
    for k in range(4):
        for variant in variants:
            powers = np.exp(rng.normal(size=table[f"target/confidences/{variant}"].shape))
            table[f"cross/{k}/confidences/{variant}"] = powers / powers.sum(axis=1, keepdims=True)
            table[f"population/shadow/{k}/confidences/{variant}"] = table[f"population/target/confidences/{variant}"]
    table["cross_membership"] = np.repeat([[0], [1], [0], [1]], N_RECORDS, axis=1)
    found = without_torch(write(tmp_path / "answers.npz", table), *names())
    check_schema(found)
    # The shadows of this file have no references of their own, from which three attacks learn.
    not_run = {"mr-net", "samia", "band", "sr-ref", "mr-ref"}
    assert {row["attack"] for row in found["skipped"]} == not_run
    assert {row["attack"] for row in found["results"]} == set(names()) - not_run


# Every case is refused without a new process too (tests/attacks); that takes seconds, so every sixth goes this way.
@pytest.mark.slow
@pytest.mark.parametrize("name", tuple(BAD)[::6])
def test_bad_arrays_end_in_one_line_that_names_the_key(edgeleak: Cli, tmp_path: Path, name: str) -> None:
    bad, path = BAD[name], tmp_path / "answers.npz"
    bad.make(full_table(), path)
    done = edgeleak("attack", path, "-q", "--attack", "confidence")
    assert done.returncode == bad.code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("edgeleak: ")
    assert str(path) in line
    assert bad.named in line


@pytest.mark.parametrize("name", ["NaN", "header with a petabyte", "3 records"])
def test_bad_arrays_are_refused_quickly_too(edgeleak: Cli, tmp_path: Path, name: str) -> None:
    """Three of the list above, for those who leave out the slow tests."""
    test_bad_arrays_end_in_one_line_that_names_the_key(edgeleak, tmp_path, name)


def test_too_few_for_the_rate_that_is_asked_says_how_many_are_needed(edgeleak: Cli, arrays: Path) -> None:
    done = edgeleak("attack", arrays, "-q", "--json", "--attack", "confidence")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["results"]:
        for fpr, needed in (("0.01", 1000), ("0.001", 10_000)):
            found = row["tpr_at_fpr"][fpr]
            assert (found["value"], found["resolvable"], found["needed_n"]) == (None, False, needed)


def test_mis_on_arrays_ranks_quantizers_and_asks_for_the_size_of_the_training_set(
    edgeleak: Cli, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "losses.npz"
    gaps = np.arange(4)[:, None]
    table: dict[str, Any] = {
        f"losses/{q}": rng.normal(size=(4, 2000)) + gaps * g for q, g in (("safe", 0.5), ("close", 0.05))
    }
    np.savez(path, **table)
    done = edgeleak("mis", path, "--n", "1000", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["schema"], found["n"], found["n_eval"]) == ("edgeleak.mis/2", 1000, 2000)
    assert [row["quantizer"] for row in found["quantizers"]] == ["safe", "close"], "the smallest leakage first"
    safe, close = found["quantizers"]
    assert safe["leakage"]["delta"]["value"] < close["leakage"]["delta"]["value"]
    assert safe["r"] > close["r"]
    done = edgeleak("mis", path)
    assert done.returncode == 4
    assert "add --n" in done.stderr


def test_doctor_starts_a_real_agent(edgeleak: Cli) -> None:
    done = edgeleak("doctor", "--json")
    assert done.returncode == 0, done.stdout
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert "ai-edge-litert" in checks["agent"]["found"]
    assert "pid" in checks["agent"]["found"]


@pytest.mark.slow
def test_calibrate_pools_runs_and_refuses_a_damaged_one(edgeleak: Cli, finished: Path, tmp_path: Path) -> None:
    done = edgeleak("calibrate", finished, "--json")
    found = json.loads(done.stdout)
    assert found["pooled"]["audits"] == 1
    assert (
        found["runs"][0]["attacks"]
        == found["pooled"]["tests"]
        == len(found["runs"][0]["missing"]) + round(found["pooled"]["tests"] * (1 - found["pooled"]["miss_share"]))
    )
    broken = Path(shutil.copytree(finished, tmp_path / "run"))
    (broken / "manifest.json").write_text("{}")
    done = edgeleak("calibrate", broken)
    assert done.returncode == 4
    assert "damaged" in done.stderr


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A target's table and a shadow's."""
    folder = tmp_path_factory.mktemp("tables")
    return bundle().csv(folder / "answers.csv"), bundle(seed=6).parquet(folder / "shadow.parquet")


def test_tables_are_attacked_and_everything_that_out_names_is_written(
    edgeleak: Cli, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    target, shadow = tables
    names = ("scores.csv", "scores.parquet", "scores.npz", "report.html", "roc.svg", "found.json")
    asked = [word for name in names for word in ("--out", tmp_path / name)]
    options = ("--attack", "confidence", "--attack", "sr2-lr", "--fpr", "0.1", "--level", "0.9", "-q")
    done = edgeleak("attack", target, "--shadow", shadow, *options, *asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Members can be told from non-members: the strongest attack (")
    assert done.stdout.rstrip().endswith("found.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    found = json.loads((tmp_path / "found.json").read_text())
    assert {row["trained_on"] for row in found["results"]} == {"shadows"}
    assert {row["auc"]["level"] for row in found["results"]} == {0.9}
    assert {tuple(row["tpr_at_fpr"]) for row in found["results"]} == {("0.1",)}
    assert found["inputs_sha256"] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in tables]
    scores = (tmp_path / "scores.csv").read_text().splitlines()
    assert len(scores) == 1 + 2 * TABLE_SIDE
    assert scores[0].startswith("id,label,member,NR/confidence/original,NR/confidence/int8,")


class Here:
    """What a command in this process said; a process of its own takes seconds to load the libraries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        self._monkeypatch.setattr(sys, "argv", ["edgeleak", *map(str, args)])
        self._capsys.readouterr()
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with pytest.raises(SystemExit) as ended:
                harness.cli.main()
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        said = self._capsys.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        return subprocess.CompletedProcess([], code, said.out, said.err)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Here:
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Here(monkeypatch, capsys)


def losses(path: Path, *, records: int = 1000, candidates: int = 4, **gaps: float | None) -> Path:
    """Losses of candidates whose means lie this far apart; of None they are one and the same."""
    rng = np.random.default_rng(0)
    steps = np.arange(candidates)[:, None]
    table: dict[str, Any] = {}
    for name, gap in gaps.items():
        one = rng.normal(size=(candidates, records)) + steps * (gap or 0.0)
        table[f"losses/{name}"] = np.repeat(one[:1], candidates, axis=0) if gap is None else one
    np.savez(path, **table)
    return path


def test_mis_says_how_many_records_are_needed_where_the_training_set_outgrows_them(here: Here, tmp_path: Path) -> None:
    path = losses(tmp_path / "losses.npz", near=0.0, far=0.02)
    done = here("mis", path, "--n", "50000")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert (
        "n = 50,000: about 48,000 evaluation records are needed to tell n · r = 2 from a tie; there are 1,000." in said
    )
    assert "No attack was held against these predictions." in said


@pytest.mark.parametrize("n", [2, 10**9, 10**12, 10**15])
def test_mis_claims_no_safety_at_any_size_of_the_training_set(here: Here, tmp_path: Path, n: int) -> None:
    path = losses(tmp_path / "losses.npz", records=100, near=0.0, far=0.02)
    done = here("mis", path, "--n", str(n), "--json")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["quantizers"]:
        leakage = row["leakage"]
        assert leakage["delta"]["low"] <= leakage["delta"]["value"] <= leakage["delta"]["high"]
        assert leakage["delta"]["high"] > 0.0
        if n > 10**6:
            assert (leakage["status"], row["mis_predicted"]) == ("unresolved", None)
            assert leakage["needed_records"] > 10**6


@pytest.mark.parametrize(
    ("records", "candidates", "gap", "words"),
    [
        (5, 4, 0.5, "there are too few records to predict anything"),
        (500, 1, 0.5, "nothing was probed, since no candidate differs from the others"),
        (500, 4, None, "nothing was probed, since no candidate differs from the others"),
    ],
    ids=["five records", "one candidate", "duplicates"],
)
def test_mis_that_predicts_nothing_says_why_and_ends_with_2(
    here: Here, tmp_path: Path, records: int, candidates: int, gap: float | None, words: str
) -> None:
    path = losses(tmp_path / "losses.npz", records=records, candidates=candidates, int4=gap, int8=gap)
    done = here("mis", path, "--n", "1000")
    assert done.returncode == 2
    assert f"int4 and int8: {words}. That is no claim of privacy." in " ".join(done.stdout.split())
    assert done.stderr == f"edgeleak: {path}: nothing is predicted (the result says what each quantizer lacks)\n"
    done = here("mis", path, "--n", "1000", "--json")
    assert done.returncode == 2
    for row in json.loads(done.stdout)["quantizers"]:
        assert (row["mis_predicted"], row["leakage"]["delta"]["value"], row["rank"]) == (None, None, None)
        assert (row["leakage"]["delta"]["low"], row["leakage"]["delta"]["high"]) == (0.0, 1.0)


def test_mis_of_some_quantizers_that_were_not_probed_is_an_answer_about_the_others(here: Here, tmp_path: Path) -> None:
    done = here("mis", losses(tmp_path / "losses.npz", int8=0.1, sign=None), "--n", "500", "--level", "0.9", "--json")
    assert done.returncode == 0, done.stderr
    probed, unknown = json.loads(done.stdout)["quantizers"]
    assert (probed["quantizer"], probed["rank"], probed["leakage"]["delta"]["level"]) == ("int8", None, 0.9)
    assert (unknown["quantizer"], unknown["rank"], unknown["mis_predicted"]) == ("sign", None, None)


def test_mis_lists_what_is_called_as_a_float_format_and_does_not_rank_it(here: Here, tmp_path: Path) -> None:
    done = here("mis", losses(tmp_path / "losses.npz", int8=0.1, fp32=0.2, mine=0.3), "--n", "500", "--json")
    ranks = {row["quantizer"]: row["rank"] for row in json.loads(done.stdout)["quantizers"]}
    assert ranks["fp32"] is None
    assert None not in (ranks["int8"], ranks["mine"])
    (fp32,) = (row for row in json.loads(done.stdout)["quantizers"] if row["quantizer"] == "fp32")
    assert ("float_format" in fp32["flags"], fp32["mis_predicted"]) == (True, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--n", "1"), "'--n': Input should be greater than or equal to 2"),
        (("--n", str(10**16)), "'--n': Input should be less than or equal to 1000000000000000"),
        (("--n", "1e5"), "'--n'"),
        (("--n", "100", "--level", "1"), "level=1.0 is outside (0, 1)"),
        (("--n", "100", "--device", "local"), "--device: answers from anywhere have no device"),
    ],
)
def test_a_wrong_option_of_mis_is_refused(here: Here, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    done = here("mis", losses(tmp_path / "losses.npz", int8=0.1), *options)
    assert done.returncode == 4
    assert words in done.stderr
    assert done.stdout == ""


def test_what_is_for_arrays_is_refused_of_a_run(here: Here, tmp_path: Path) -> None:
    for option, value in (("--n", "100"), ("--level", "0.9")):
        done = here("mis", tmp_path / "audit.toml", option, value)
        assert (done.returncode, option in done.stderr) == (4, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--attack", "confidnce"), "attack 'confidnce' is unknown (do you mean confidence?"),
        (("--level", "1"), 'key "level": must be below 1'),
        (("--fpr", "0"), 'key "fprs", item 1: must be above 0'),
        (("--out", "scores.xlsx"), "scores.xlsx: the suffix does not say what to write"),
        (("--out", "nowhere/scores.csv"), "its folder does not exist"),
        (("--device", "local"), "--device: answers from anywhere have no device"),
        (("--shadow", "absent.csv"), "absent.csv: no such file"),
        (("--out", "a.csv", "--out", "a.csv"), "a.csv: is named twice"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_runs(
    here: Here, tables: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = here("attack", tables[0], "-q", *options)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert words in line
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_not_written_over(here: Here, tables: tuple[Path, Path]) -> None:
    target, _ = tables
    before = target.read_bytes()
    done = here("attack", target, "-q", "--out", target, "--overwrite")
    assert done.returncode == 4
    assert "is what is read" in done.stderr
    assert target.read_bytes() == before


def test_the_list_of_attacks_says_what_each_does_needs_and_comes_from(here: Here) -> None:
    done = here("attack", "--list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" ")[0] for line in lines if not line.startswith(" ")] == list(names())
    assert "rmia (runs unless others are named)" in lines
    listed = {row["name"]: row for row in json.loads(here("attack", "--list", "--json").stdout)}
    assert listed["rmia"]["needs"] == ["confidences", "references", "population"]
    assert listed["rmia"]["adversary"] == "NR"
    assert "ICML 2024" in listed["rmia"]["paper"]


def test_a_bad_cell_of_a_table_ends_in_one_line_with_its_place(here: Here, tmp_path: Path) -> None:
    frame = bundle().frame()
    frame["membership"] = frame["membership"].astype(object)
    frame.loc[7, "membership"] = "perhaps"
    frame.to_csv(tmp_path / "answers.csv", index=False)
    done = here("attack", tmp_path / "answers.csv", "-q")
    assert done.returncode == 4
    assert done.stderr == (
        f"edgeleak: {tmp_path / 'answers.csv'}: line 9, column membership: 'perhaps', expected 0 or 1, true or false, "
        "member or nonmember\n"
    )


def test_what_could_not_run_is_said_and_nothing_run_is_exit_2(
    here: Here, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    target, _ = tables
    done = here("attack", target, "-q", "--attack", "confidence", "--attack", "rmia")
    assert done.returncode == 0
    assert "rmia (2 views): target/references: there are none" in " ".join(done.stdout.split())
    done = here("attack", target, "-q", "--attack", "rmia", "--out", tmp_path / "scores.csv")
    assert done.returncode == 2
    assert "target/references: there are none" in " ".join(done.stdout.split())
    (line,) = done.stderr.splitlines()
    assert line == (f"edgeleak: {target}: no attack ran, and nothing was written (the result says what each one lacks)")
    assert list(tmp_path.iterdir()) == []
    done = here("attack", target, "-q", "--attack", "rmia", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["results"] == []
