"""The doors that need no training: arrays, several runs together, and a look at this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import Cli

N, CLASSES = 300, 5


def answers(rng: np.random.Generator, labels: np.ndarray, membership: np.ndarray, leak: float) -> np.ndarray:
    logits = rng.normal(size=(len(labels), CLASSES))
    logits[np.arange(len(labels)), labels] += 1 + leak * membership
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    table: dict[str, np.ndarray] = {}
    for who in ("target", "shadow/0"):
        labels, membership = rng.integers(0, CLASSES, 2 * N), np.repeat([1, 0], N)
        table |= {f"{who}/labels": labels, f"{who}/membership": membership}
        for variant, leak in (("original", 1.0), ("int8", 0.8), ("prune-0.8", 0.6)):
            table[f"{who}/confidences/{variant}"] = answers(rng, labels, membership, leak)
    path = tmp_path / "answers.npz"
    np.savez(path, **table)
    return path


def test_attack_on_arrays(edgeleak: Cli, arrays: Path) -> None:
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


def test_attack_on_arrays_needs_no_torch(arrays: Path) -> None:
    code = f"""
import sys
from pathlib import Path

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NoTorch())
from harness.arrays import attack_file
found = attack_file(Path({str(arrays)!r}))
assert any(s["attack"] == "mr-net" and "torch" in s["reason"] for s in found["skipped"]), found["skipped"]
assert any(r["attack"] == "mr-logistic" for r in found["results"])
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("key", "value", "code", "said"),
    [
        ("target/confidences/int8", np.full((2 * N, CLASSES), 0.5), 4, "target/confidences/int8"),
        ("target/confidences/int8", np.full((2 * N, CLASSES), np.nan), 4, "target/confidences/int8"),
        ("target/confidences/int8", np.full((7, CLASSES), 0.2), 4, "target/confidences/int8"),
        ("target/membership", np.ones(2 * N, dtype=int), 4, "no non-members"),
        ("target/labels", np.full(2 * N, "x", dtype=object), 4, "target/labels"),
    ],
)
def test_bad_arrays_name_their_key(
    edgeleak: Cli, arrays: Path, key: str, value: np.ndarray, code: int, said: str
) -> None:
    with np.load(arrays) as table:
        changed = {**table, key: value}
    np.savez(arrays, **changed)
    done = edgeleak("attack", arrays, "-q")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_too_few_arrays_say_how_many_are_needed(edgeleak: Cli, tmp_path: Path) -> None:
    path = tmp_path / "three.npz"
    confidences = np.full((3, 2), 0.5)
    np.savez(
        path, **{"target/labels": [0, 1, 0], "target/membership": [1, 0, 1], "target/confidences/original": confidences}
    )
    done = edgeleak("attack", path)
    assert done.returncode == 2
    assert "needs at least" in done.stderr


def test_mis_on_arrays(edgeleak: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "losses.npz"
    gaps = np.arange(4)[:, None]
    np.savez(
        path, **{f"losses/{q}": rng.normal(size=(4, 2000)) + gaps * g for q, g in (("safe", 0.5), ("close", 0.05))}
    )
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
def test_calibrate_pools_runs(edgeleak: Cli, finished: Path, tmp_path: Path) -> None:
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
