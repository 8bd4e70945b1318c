"""Verbs that need no run: attacks and the indicator on arrays, several runs together, and a look at this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import __version__
from harness.attacks import names
from harness.types import FloatArray, IntArray
from tests.attacks.bad_arrays import BAD, full_table, write
from tests.attacks.bad_arrays import N as N_RECORDS
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
    rows = {row["quantizer"]: row for row in json.loads(done.stdout)["quantizers"]}
    assert rows["safe"]["r"] > rows["close"]["r"]
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
