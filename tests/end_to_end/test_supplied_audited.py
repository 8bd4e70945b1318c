"""An audit of files that ship: hand-made models for two runtimes, shadows, a verdict, and every way to resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from harness.config import AuditConfig, load
from harness.store import Run
from tests.end_to_end import supplied as parts
from tests.end_to_end.conftest import Cli, answers, command, files, start, wait_for
from tests.end_to_end.hand_made import LOGIT_STEP, litert_float, onnx_graph
from tests.end_to_end.supplied import Supplied, images_of, linear_of, table_of

pytestmark = pytest.mark.slow

# Variant -> the runtime that reads its file.
RUNS_ON = {"original": "litert", "half": "litert", "int8": "litert", "portable": "onnx"}


@pytest.fixture(scope="module")
def report(supplied_run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((supplied_run / "report.json").read_text())
    return loaded


def test_every_file_has_its_row_with_accuracy_latency_and_size(report: dict[str, Any], supplied: Supplied) -> None:
    assert report["subject"] == "supplied"
    rows = {row["variant"]: row for row in report["artifacts"]}
    assert {variant: row["runtime"] for variant, row in rows.items()} == RUNS_ON
    for variant, row in rows.items():
        path = supplied.folder / parts.FILES[variant]
        assert row["size_bytes"] == path.stat().st_size
        assert row["accuracy_members"]["n"] == row["accuracy_nonmembers"]["n"] == parts.N
        assert row["accuracy_members"]["value"] > row["accuracy_nonmembers"]["value"]
        assert row["latency"]["runs"] == 5
        assert row["parity"] is None, "nobody says what the files should answer"
    for variant in ("original", "half"):
        assert rows[variant]["outputs"].startswith("no number is negative, and rows sum to one")
    for variant in ("int8", "portable"):
        assert "in rows that do not sum to one" in rows[variant]["outputs"]


def test_every_file_is_timed_in_rounds_and_started_cold(report: dict[str, Any], supplied_run: Path) -> None:
    kept = {
        row["variant"]: row["rounds"]
        for row in json.loads((supplied_run / "results/bench.json").read_text())["artifacts"]
    }
    for row in report["artifacts"]:
        latency = row["latency"]
        assert latency["rounds"] == 5
        assert [len(one["samples_ns"]) for one in kept[row["variant"]]] == [1] * 5
        assert all(one["telemetry"][0]["time_unix_ns"] > 0 for one in kept[row["variant"]])
        assert min(latency["cold_load_ns"], latency["first_inference_ns"]) > 0
        assert latency["peak_bytes"] > latency["added_bytes"] >= 0
        assert row["telemetry"]["during"]["readings"] == 8
        if row["variant"] == "original":
            assert (latency["ratio"], latency["not_compared"]) == (None, "")
        elif row["runtime"] == "litert":
            assert 0 < latency["ratio"]["low"] <= latency["ratio"]["value"] <= latency["ratio"]["high"]
            assert latency["ratio"]["n"] == 5
        else:
            assert "no original" in latency["not_compared"]


def test_every_adversary_attacks_and_shadows_serve_rmia(report: dict[str, Any]) -> None:
    rows = report["attacks"]["results"]
    attacked = {(row["adversary"], row["attack"], row["runtime"]) for row in rows}
    expected = {("NR", attack, runtime) for attack in ("confidence", "rmia") for runtime in ("litert", "onnx")}
    assert attacked == expected | {("SR", "sr2-lr", "litert"), ("MR", "mr-logistic", "litert")}
    for row in rows:
        assert row["trained_on"] == "shadows"
        assert row["n_members"] == row["n_nonmembers"] == parts.N
    skipped = {(row["attack"], row["runtime"]): row["reason"] for row in report["attacks"]["skipped"]}
    assert set(skipped) == {("sr2-lr", "onnx"), ("mr-logistic", "onnx")}, "one variant alone runs there"
    strongest = max(row["auc"]["value"] for row in rows if row["attack"] == "confidence")
    assert strongest > 0.75


def test_the_device_computes_what_the_files_say(supplied_run: Path, supplied: Supplied) -> None:
    """Each file's answers, against its own arithmetic in numpy; the quantized one within a few of its steps."""
    run, linear = Run(supplied_run, load(supplied.toml)), linear_of(0)
    labels = run.arrays.read_labels("audit")
    members = run.arrays.read_membership() == 1
    stored = [np.load(supplied.folder / f"{side}.npz") for side in ("members", "nonmembers")]
    order = np.random.default_rng(4).permutation(2 * parts.N)  # of the audit's seed
    inputs = np.concatenate([side["inputs"] for side in stored])[order]
    np.testing.assert_array_equal(labels, np.concatenate([side["labels"] for side in stored])[order])
    np.testing.assert_array_equal(members, order < parts.N)
    logits = linear.logits(inputs)
    powers = np.exp(logits)
    expected = {
        "original/litert": (powers / powers.sum(axis=1, keepdims=True), 1e-5),
        "int8/litert": (logits, 2 * LOGIT_STEP),
        "portable/onnx": (logits, 1e-4),
    }
    for place, (values, tolerance) in expected.items():
        np.testing.assert_allclose(run.arrays.read_answers("audit", f"target/{place}"), values, atol=tolerance)


def test_the_verdict_fails_with_the_worst_result_and_a_page(report: dict[str, Any], supplied_run: Path) -> None:
    gate = report["gate"]
    assert gate["outcome"] == "fail"
    (rule,) = gate["rules"]
    assert rule["outcome"] == "fail"
    page = (supplied_run / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert "original.tflite" in page or "original" in page
    assert page.count("<script") == 1, "the page's own"


def test_the_run_is_private_and_holds_no_record(supplied_run: Path, supplied: Supplied) -> None:
    assert supplied_run.stat().st_mode & 0o077 == 0
    record = np.load(supplied.folder / "members.npz")["inputs"][0].tobytes()
    assert not any(record in path.read_bytes() for path in supplied_run.rglob("*") if path.is_file())


def test_a_host_killed_while_collecting_resumes_to_the_same_bytes(
    supplied_run: Path, supplied: Supplied, edgeleak: Cli, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    running = start("collect", supplied.toml, "--run", run)
    wait_for(lambda: bool(files(run)) if (run / "answers.zarr").exists() else False)
    left = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGKILL
    collected = files(run)
    assert 0 < len(collected) < len(files(supplied_run))
    assert not (run / "evidence.json").exists(), "who was asked about what is written last"
    assert left, "an agent was there"
    assert psutil.wait_procs(left, timeout=30)[1] == [], "an agent whose host is gone ends"

    done = edgeleak("audit", supplied.toml, "--run", run)
    assert done.returncode == 1, done.stderr
    assert files(run) == files(supplied_run)
    assert answers(run) == answers(supplied_run)
    assert all(files(run)[name] == data for name, data in collected.items())
    for name in ("evidence.json", "results/attack.json", "results/curves.json", "results/gate.json"):
        assert (run / name).read_bytes() == (supplied_run / name).read_bytes(), name


def test_an_interrupted_collection_asks_only_for_what_is_missing(
    supplied_run: Path, supplied: Supplied, edgeleak: Cli, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(supplied_run, tmp_path / "run"))
    lost = sorted((run / "answers.zarr" / "audit").rglob("shadow-1/*/*/c/*/0"))[-3:]
    for path in lost:
        path.unlink()
    (run / "stages" / "collect.json").unlink()
    kept = {path: path.stat().st_mtime_ns for path in (run / "answers.zarr").rglob("c/*/0")}
    done = edgeleak("collect", supplied.toml, "--run", run)
    assert done.returncode == 0, done.stderr
    asked = [line for line in done.stderr.splitlines() if line.startswith("collect ")]
    assert asked == ["collect 1 of 5, shadow-1, audit records: 240/240"]
    assert files(run) == files(supplied_run)
    untouched = {path for path in kept if "shadow-1" not in path.parts}
    assert {path: path.stat().st_mtime_ns for path in untouched} == {path: kept[path] for path in untouched}


@pytest.fixture(scope="module")
def from_options(supplied: Supplied, edgeleak: Cli, idle_agent: str) -> tuple[Path, list[str]]:
    """A run that options describe, without shadows, and the options."""
    folder = supplied.folder / "from-options"
    options = [*supplied.options, "--attack", "confidence", "--attack", "sr2-lr", "--max-auc", "0.99"]
    options += ["--population", str(supplied.folder / "population.npz")]
    done = edgeleak("audit", *options, "--run", folder, "--device", idle_agent)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, options


def test_options_alone_describe_a_whole_audit(from_options: tuple[Path, list[str]]) -> None:
    report = json.loads((from_options[0] / "report.json").read_text())
    assert report["name"] == "original"
    assert {row["attack"] for row in report["attacks"]["results"]} == {"confidence", "sr2-lr"}
    assert {row["trained_on"] for row in report["attacks"]["results"]} == {"members"}
    assert report["data"]["population"] == parts.N_POPULATION


def test_init_with_the_same_options_writes_an_audit_toml_that_resumes_the_same_run(
    from_options: tuple[Path, list[str]], edgeleak: Cli, idle_agent: str, tmp_path: Path
) -> None:
    whole, options = from_options
    config = tmp_path / "elsewhere" / "audit.toml"
    config.parent.mkdir()
    done = edgeleak("init", config, *options, "--device", idle_agent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"wrote {config}; next: edgeleak audit {config}"
    known = json.loads((whole / "manifest.json").read_text())["config_digest"]
    loaded: AuditConfig = load(config)
    assert loaded.digest() == known
    assert not any(Path(row["file"]).is_absolute() for row in tomllib.loads(config.read_text())["artifact"])

    run = Path(shutil.copytree(whole, tmp_path / "run"))
    again = edgeleak("audit", config, "--run", run, "--device", "grpc://127.0.0.1:1", "-q")
    assert again.returncode == 0, again.stderr  # nothing is left to ask, so no device is needed
    assert files(run) == files(whole)


def test_the_comments_of_init_say_what_was_found_in_files_and_records(
    from_options: tuple[Path, list[str]], edgeleak: Cli, idle_agent: str, tmp_path: Path
) -> None:
    config = tmp_path / "audit.toml"
    assert edgeleak("init", config, *from_options[1], "--device", idle_agent).returncode == 0
    text = config.read_text()
    for said in (
        "# original.tflite: a LiteRT file, ",
        "# takes image: float32 [8, 8, 1] a record (channels last, NHWC)",
        "# takes pixels: uint8 [8, 8, 1] a record (channels last, NHWC), quantized: scale 0.00392157, zero point 0",
        "# answers: 4 numbers a record, read as confidences (no number is negative",
        "# answers: 4 numbers a record, read as logits (numbers from ",
        "# portable.onnx: an ONNX model, ",
        f"# {parts.N} members and {parts.N} non-members; a record is inputs: float32 [8, 8, 1]",
        "# classes in the labels: 4 at least",
        "SHA-256 ",
    ):
        assert said in text, said


def test_an_input_whose_name_holds_a_line_break_cannot_write_into_the_audit_toml(
    supplied: Supplied, edgeleak: Cli, idle_agent: str, tmp_path: Path
) -> None:
    """A file that somebody else made must not add a rule to the policy of who audits it."""
    model = litert_float(tmp_path / "original.tflite", linear_of(0), name="image\n[[gate.rules]]\nmax = 0.999\n#")
    config = tmp_path / "audit.toml"
    done = edgeleak(
        "init", config, "--artifact", f"original={model}", *supplied.options[-4:], "--device", idle_agent
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert load(config).gate.rules == ()
    assert r"# takes 'image\n[[gate.rules]]" in config.read_text()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options of an audit of a model of tables: two .csv files with a column of classes of its own name."""
    folder, linear = tmp_path_factory.mktemp("table"), linear_of(7, (12,))
    original = litert_float(folder / "original.tflite", linear, name="columns")
    portable = onnx_graph(folder / "portable.onnx", linear)
    members = table_of(folder / "members.csv", linear, 60, parts.MEMBERS, 1, label="kind")
    nonmembers = table_of(folder / "nonmembers.csv", linear, 60, parts.OTHERS, 2, label="kind")
    return [
        "--artifact", f"original={original}", "--artifact", f"portable={portable}",
        "--members", str(members), "--nonmembers", str(nonmembers), "--attack", "confidence", "--max-auc", "0.999",
    ]  # fmt: skip


def test_a_model_of_tables_takes_csv_files(table: list[str], edgeleak: Cli, idle_agent: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = edgeleak("audit", *table, "--label", "kind", "--run", run, "--device", idle_agent)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((run / "report.json").read_text())
    assert {row["runtime"] for row in report["artifacts"]} == {"litert", "onnx"}
    assert report["data"]["inputs"] == {"inputs": {"dtype": "float32", "shape": [12]}}
    rows = {row["runtime"]: row["auc"]["value"] for row in report["attacks"]["results"]}
    assert rows["litert"] == pytest.approx(rows["onnx"], abs=0.01)


def test_a_table_without_the_column_of_classes_is_refused_with_its_columns(
    table: list[str], edgeleak: Cli, tmp_path: Path
) -> None:
    done = edgeleak("audit", *table, "--run", tmp_path / "run")
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert "members.csv: there is no column 'label'" in line
    assert "columns: kind, x0" in line
    assert not (tmp_path / "run").exists()


def test_one_file_of_records_with_membership_is_the_same_audit(
    supplied: Supplied, edgeleak: Cli, idle_agent: str, tmp_path: Path
) -> None:
    sides = [np.load(supplied.folder / f"{name}.npz") for name in ("members", "nonmembers")]
    both: dict[str, Any] = {key: np.concatenate([side[key] for side in sides]) for key in ("inputs", "labels")}
    records = tmp_path / "both.npz"
    np.savez(records, **both, membership=np.repeat([1, 0], parts.N))
    run = tmp_path / "run"
    options = [*supplied.options[:2], "--attack", "confidence", "--max-auc", "0.99", "--device", idle_agent]
    done = edgeleak("audit", *options, "--records", records, "--run", run, "--seed", "4", "--json", "-q")
    assert done.returncode == 0, done.stderr
    expected = answers(supplied.folder / "finished")["audit/target/original/litert"]
    assert answers(run)["audit/target/original/litert"] == expected


def test_records_that_changed_places_under_a_run_are_refused(
    from_options: tuple[Path, list[str]], supplied: Supplied, edgeleak: Cli, tmp_path: Path
) -> None:
    """Members taken for non-members, under a run that is finished: its verdict is about other files."""
    whole, options = from_options
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    moved = {name: tmp_path / f"{name}.npz" for name in ("members", "nonmembers")}
    shutil.copy(supplied.folder / "nonmembers.npz", moved["members"])
    shutil.copy(supplied.folder / "members.npz", moved["nonmembers"])
    swapped = [str(moved.get(Path(word).stem, word)) if word.endswith(".npz") else word for word in options]
    done = edgeleak("audit", *swapped, "--run", run)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert f"{moved['members']}: has changed since {run} was begun with it" in line
    assert files(run) == files(whole)


def test_records_that_did_not_fit_are_mended_in_place_and_the_same_command_goes_on(
    supplied: Supplied, idle_agent: str, tmp_path: Path
) -> None:
    linear = linear_of(0)
    sides = {"members": images_of(linear, 40, parts.MEMBERS, 1), "nonmembers": images_of(linear, 40, parts.OTHERS, 2)}
    asked = command(
        "audit", "--artifact", f"original={supplied.folder / 'original.tflite'}", "--members", "members.npz",
        "--nonmembers", "nonmembers.npz", "--attack", "confidence", "--max-auc", "0.999", "--device", idle_agent,
    )  # fmt: skip
    for first, code in ((True, 4), (False, 0)):
        for name, side in sides.items():
            inputs = np.moveaxis(side["inputs"], -1, 1) if first else side["inputs"]
            np.savez(tmp_path / f"{name}.npz", inputs=inputs, labels=side["labels"])
        done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, done.stderr
        assert ("NCHW to NHWC" in done.stderr) == first
    assert (tmp_path / "runs" / "original" / "report.html").exists()


def test_no_process_is_left_behind_by_a_whole_audit(supplied_run: Path) -> None:
    mine = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(supplied_run) in " ".join(process.info["cmdline"] or []) and process.pid != os.getpid()
    ]
    assert mine == []
