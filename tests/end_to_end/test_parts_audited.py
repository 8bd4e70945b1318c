"""Parts of the records, records one by one, and canaries: arrays or files in, a run and a report out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.attacks.bad_arrays import write
from tests.attacks.simulated import simulate_audit
from tests.end_to_end.conftest import Cli
from tests.end_to_end.supplied import N as SIDE
from tests.end_to_end.supplied import Supplied

N, CANARIES = 900, 240
# More leaks about the records of this class, and of no other.
LEAKING = 2
ATTACKS = ("--attack", "confidence", "--attack", "sr2-lr", "--max-auc", "0.99")


def table() -> dict[str, Any]:
    """Answers with groups and canaries: members of one class are far surer than others."""
    audit = simulate_audit(leak=0.4, n=N, n_shadow=300, classes=4, variants=("original", "int8"), kind="logits")
    written: dict[str, Any] = {}
    for name, one in (("target", audit.target), *((f"shadow/{k}", s) for k, s in enumerate(audit.shadows))):
        membership = one.membership
        assert membership is not None
        written |= {f"{name}/labels": one.labels, f"{name}/membership": membership}
        for variant, logits in one.logits.items():
            extra = np.zeros(logits.shape)
            extra[np.arange(len(one)), one.labels] = 3.0 * membership * (one.labels == LEAKING)
            written[f"{name}/logits/{variant}"] = logits.astype(np.float64) + extra
    written["target/groups/sex"] = np.array(["f", "<m>"])[(np.arange(N) // 2) % 2]
    written["target/groups/region"] = np.where(np.arange(N) < 890, 1, 2)
    canary = np.zeros(N, dtype=int)
    canary[np.random.default_rng(5).choice(N, CANARIES, replace=False)] = 1
    written["target/canary"] = canary
    return written


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, edgeleak: Cli) -> Path:
    """A run of such answers; read it, do not change it."""
    folder = tmp_path_factory.mktemp("parts")
    write(folder / "answers.npz", table())
    done = edgeleak("audit", folder / "answers.npz", *ATTACKS, "--run", folder / "run", "-q", "--verbose")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Leaks most of all parts: class 2" in " ".join(done.stdout.split())
    return folder / "run"


def read(run: Path, name: str) -> dict[str, Any]:
    node: dict[str, Any] = json.loads((run / name).read_text())
    return node


def test_the_class_that_leaks_stands_out_in_every_view(audited: Path) -> None:
    slices = read(audited, "results/slices.json")
    assert [(one["adversary"], one["variants"]) for one in slices["views"]] == [
        ("NR", ["original"]), ("NR", ["int8"]), ("SR", ["original", "int8"])
    ]  # fmt: skip
    for view in slices["views"]:
        assert view["chosen_on"] == "shadows"
        parts = {(one["column"], one["value"]): one for one in view["slices"]}
        assert set(parts) == {*(("class", str(k)) for k in range(4)), ("sex", "f"), ("sex", "<m>"), ("region", "1")}
        classes = {key: one["auc"]["value"] for key, one in parts.items() if key[0] == "class"}
        assert max(classes, key=lambda key: classes[key]) == ("class", str(LEAKING))
        for one in parts.values():
            assert one["simultaneous"]["auc"]["low"] < one["auc"]["low"]
    (small,) = slices["too_small"]
    assert (small["column"], small["value"]) == ("region", "2")
    report = read(audited, "report.json")
    assert report["slices"] == slices
    page = (audited / "report.html").read_text()
    assert "Leakage by sex" in page
    assert "&lt;m&gt;" in page


def test_no_ordinary_figure_has_a_canary(audited: Path) -> None:
    report = read(audited, "report.json")
    assert report["data"]["members"] + report["data"]["nonmembers"] == N - CANARIES
    assert report["data"]["canaries"] == CANARIES
    for row in report["attacks"]["results"]:
        assert row["n_members"] + row["n_nonmembers"] == N - CANARIES
    for row in report["artifacts"]:
        assert row["accuracy_members"]["n"] + row["accuracy_nonmembers"]["n"] == N - CANARIES


def test_canaries_are_audited_alone_and_bound_epsilon_beside_all_other_records(audited: Path) -> None:
    privacy, given = read(audited, "results/privacy.json"), table()
    assert read(audited, "report.json")["privacy"] == privacy
    assert privacy["delta"] == 1e-5
    canaries = privacy["canaries"]
    assert canaries["n"] == CANARIES
    assert canaries["n_members"] == given["target/membership"][given["target/canary"] == 1].sum()
    assert canaries["refused"] == ""
    assert [one["epsilon"]["n"] for one in canaries["bounds"]] == [CANARIES] * 3
    assert [one["epsilon"]["n"] for one in privacy["bounds"]] == [N - CANARIES] * 3
    assert all(one["epsilon"]["low"] >= 0.0 and one["mu"]["low"] >= 0.0 for one in privacy["bounds"])
    page = (audited / "report.html").read_text()
    assert f"{CANARIES} canaries, of which {canaries['n_members']} were trained on" in page
    assert "μ at least (Gaussian)" in page


def test_records_are_known_by_their_rows_and_none_is_a_canary(audited: Path, edgeleak: Cli, tmp_path: Path) -> None:
    run = Path(shutil.copytree(audited, tmp_path / "run"))
    done = edgeleak("records", run, "--top", "5", "--all", "--out", tmp_path / "all.npz", "--json")
    assert done.returncode == 0, done.stderr
    shown, arrays, given = json.loads(done.stdout), np.load(tmp_path / "all.npz"), table()
    assert shown == read(run, "results/records.json")
    np.testing.assert_array_equal(arrays["ids"], np.flatnonzero(given["target/canary"] == 0))
    np.testing.assert_array_equal(arrays["membership"], given["target/membership"][arrays["ids"]])
    assert len(shown["records"]) == 5
    for one in shown["records"]:
        assert given["target/canary"][one["id"]] == 0
        assert given["target/membership"][one["id"]] == 1 == one["is_member"]
        assert given["target/labels"][one["id"]] == one["class"]
    done = edgeleak("records", run, "--top", "3")
    assert done.returncode == 0, done.stderr
    assert str(shown["records"][0]["id"]) in done.stdout
    assert "False-positive rate" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--all",), "--all and --out go together"),
        (("--out", "x.npz"), "--all and --out go together"),
        (("--all", "--out", "x.csv"), "expected a name that ends in .npz"),
        (("--view", "prune"), "the run has no such view"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    audited: Path, edgeleak: Cli, options: tuple[str, ...], word: str
) -> None:
    done = edgeleak("records", audited, *options)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert word in line


def test_a_folder_that_is_no_run_is_refused_and_left_alone(edgeleak: Cli, tmp_path: Path) -> None:
    done = edgeleak("records", tmp_path)
    assert done.returncode == 4
    assert "not a run" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_look_at_arrays_leaves_canaries_out(edgeleak: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "answers.npz", table())
    done = edgeleak("attack", file, "--attack", "confidence", "--json", "-q")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["results"]:
        assert row["n_members"] + row["n_nonmembers"] == N - CANARIES


@pytest.mark.slow
def test_supplied_files_have_groups_and_canaries(supplied: Supplied, edgeleak: Cli, tmp_path: Path) -> None:
    """The device is asked about canaries too, as a population of their own."""
    folder = tmp_path / "audit"
    shutil.copytree(supplied.folder, folder, ignore=shutil.ignore_patterns("finished"))
    rng = np.random.default_rng(0)
    canary = {name: rng.permutation(np.arange(SIDE) < 40).astype(int) for name in ("members", "nonmembers")}
    for name, marks in canary.items():
        held: dict[str, Any] = dict(np.load(folder / f"{name}.npz"))
        held |= {"flag": marks, "groups/sex": np.array(["f", "m"])[np.arange(SIDE) % 2]}
        np.savez(folder / f"{name}.npz", **held)
    text = (folder / "audit.toml").read_text()
    text = text.replace("[records]\n", '[records]\ngroups = ["sex"]\ncanary = "flag"\n')
    (folder / "audit.toml").write_text(text)
    run = folder / "run"
    done = edgeleak("audit", folder / "audit.toml", "--run", run, "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    report = read(run, "report.json")
    assert report["data"]["members"] == report["data"]["nonmembers"] == SIDE - 40
    assert report["data"]["canaries"] == 80
    sexes = {one["value"] for view in report["slices"]["views"] for one in view["slices"] if one["column"] == "sex"}
    assert sexes == {"f", "m"}
    assert {place.name for place in (run / "answers.zarr").iterdir()} >= {"audit", "canaries"}
    canaries = report["privacy"]["canaries"]
    assert (canaries["n"], canaries["n_members"], canaries["refused"]) == (80, 40, "")
    assert {one["runtime"] for one in canaries["bounds"]} == {"litert", "onnx"}
    assert all(one["reason"] == "" for one in canaries["bounds"])
    done = edgeleak("records", run, "--json", "--top", "3")
    assert done.returncode == 0, done.stderr
    for one in json.loads(done.stdout)["records"]:
        # A member's id is its row in the members' file.
        assert canary["members"][one["id"]] == 0
