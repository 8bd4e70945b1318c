"""Models that exist already, asked on a real agent: what their answers are taken for, and every bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from harness.data import answers as arrays
from harness.data import output_kind as outputs
from harness.errors import ArtifactError, ConfigError, DeviceOutputError, EdgeleakError, InputError
from harness.query import query, sentences
from tests.device_agent.exported import Agent, Exported, agent, exported, shared_agent, start_agent

__all__ = ["agent", "exported", "shared_agent", "start_agent"]

pytestmark = pytest.mark.xdist_group("agent")
N = 200


def store(path: Path, **table: Any) -> Path:
    np.savez(path, **table)
    return path


@pytest.fixture
def table(exported: Exported) -> dict[str, np.ndarray]:
    rows = np.arange(N) % len(exported.images)
    labels = exported.logits[rows].argmax(axis=1)
    return {"inputs": exported.images[rows], "labels": labels, "membership": np.arange(N) % 2}


def ask(table: dict[str, np.ndarray], files: dict[str, Path], folder: Path, url: str) -> dict[str, np.ndarray]:
    """The answers to records, by key of the file that `attack` reads."""
    out = folder / "answers.npz"
    records = store(folder / "records.npz", **table)
    query(records, [f"{k}={v}" for k, v in files.items()], out=out, device=url, overwrite=True)
    with np.load(out, allow_pickle=False) as answers:
        return dict(answers)


def refused(kind: type[EdgeleakError], call: Callable[[], object], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_every_runtime_answers_as_torch_does(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path
) -> None:
    names = [p.name for p in sorted(exported.folder.glob("net.*")) if p.suffix in (".tflite", ".pte", ".onnx", ".ptl")]
    assert {"net.tflite", "net.pte"} <= set(names)
    files = {name: exported.folder / name for name in (*names, "confident.tflite", "baked.tflite", "int8.tflite")}
    answers = ask(table, files, tmp_path, shared_agent.url)
    expected = exported.logits[np.arange(N) % len(exported.images)]
    for name in (*names, "baked.tflite"):
        np.testing.assert_allclose(answers[f"target/logits/{name}"], expected, atol=1e-4)
    np.testing.assert_allclose(answers["target/logits/int8.tflite"], expected, atol=0.05)
    powers = np.exp(expected)
    softmax = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers["target/confidences/confident.tflite"], softmax, atol=1e-5)
    assert (answers["target/membership"] == table["membership"]).all()
    target, shadows = arrays.load(tmp_path / "answers.npz")
    assert set(target.variants) == set(files)
    assert shadows == []


def test_the_result_says_what_the_answers_were_taken_for(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path
) -> None:
    out = tmp_path / "answers.npz"
    models = [f"original={exported.folder / 'net.tflite'}", f"soft={exported.folder / 'confident.tflite'}"]
    said: list[tuple[str, int, int]] = []
    found = query(
        store(tmp_path / "r.npz", **table), models, out=out, device=shared_agent.url, progress=lambda *a: said.append(a)
    )
    assert json.loads(json.dumps(found)) == found
    assert [row["outputs"] for row in found["models"]] == ["logits", "confidences"]
    for row in found["models"]:
        assert row["accuracy"]["value"] == 1.0
        assert row["accuracy"]["n"] == N
        assert row["accuracy_members"]["n"] == row["accuracy_nonmembers"]["n"] == N // 2
    assert found["records"]["inputs"] == {"inputs": {"dtype": "float32", "shape": [1, 8, 8]}}
    assert said[-1] == ("query", N, N)
    assert out.stat().st_mode & 0o077 == 0
    assert f"edgeleak attack {out}" in sentences(found)[-1]


def test_without_membership_the_answers_carry_none_and_attack_says_so(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path
) -> None:
    del table["membership"]
    answers = ask(table, {"original": exported.folder / "net.tflite"}, tmp_path, shared_agent.url)
    assert set(answers) == {"target/labels", "target/logits/original"}
    refused(InputError, lambda: arrays.load(tmp_path / "answers.npz"), "target/membership is missing")


def test_several_inputs_go_by_name_or_by_order(exported: Exported, shared_agent: Agent, tmp_path: Path) -> None:
    labels = exported.text_logits.argmax(axis=1)
    ids, mask = exported.ids, exported.mask
    named = {"inputs/args_1": mask, "inputs/args_0": ids, "labels": labels}
    files = {"original": exported.folder / "text.tflite"}
    answers = ask(named, files, tmp_path, shared_agent.url)
    np.testing.assert_allclose(answers["target/logits/original"], exported.text_logits, atol=1e-4)
    ordered = {"inputs/ids": ids, "inputs/mask": mask, "labels": labels}
    answers = ask(ordered, {"original": exported.folder / "text.pte"}, tmp_path, shared_agent.url)
    np.testing.assert_allclose(answers["target/logits/original"], exported.text_logits, atol=1e-4)


def test_doubles_are_fed_as_floats(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path
) -> None:
    files = {"original": exported.folder / "net.tflite"}
    single = ask(table, files, tmp_path, shared_agent.url)
    double = ask(table | {"inputs": table["inputs"].astype(np.float64)}, files, tmp_path, shared_agent.url)
    assert (single["target/logits/original"] == double["target/logits/original"]).all()


@pytest.mark.parametrize("name", ["net.tflite", "net.pte"])
def test_a_layout_that_does_not_fit_names_both_shapes_and_the_transpose(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path, name: str
) -> None:
    def call(inputs: np.ndarray) -> object:
        return ask(table | {"inputs": inputs}, {"a": exported.folder / name}, tmp_path, shared_agent.url)

    moved = np.moveaxis(table["inputs"], 1, -1)
    refused(ConfigError, lambda: call(moved), name, "[n, 1, 8, 8]", "[1, 8, 8, 1]", "NHWC to NCHW", "moveaxis")
    refused(ConfigError, lambda: call(table["inputs"].reshape(N, 64)), name, "[n, 1, 8, 8]", "[1, 64]", "layout")
    refused(ConfigError, lambda: call((table["inputs"] * 9).astype(np.uint8)), name, "expected float32", "got uint8")
    assert not (tmp_path / "answers.npz").exists()


BAD_MODELS: dict[str, tuple[list[str], type[EdgeleakError], str]] = {
    "no equals sign": (["{net}"], ConfigError, "expected NAME=FILE"),
    "no name": (["={net}"], ConfigError, "expected NAME=FILE"),
    "a name with a slash": (["a/b={net}"], ConfigError, "expected NAME=FILE"),
    "the same name twice": (["a={net}", "a={soft}"], ConfigError, "names"),
    "no model at all": ([], ConfigError, "no model"),
    "unknown suffix": (["a={folder}/expected.npz"], ConfigError, ".tflite, .pte, .ptl, .onnx"),
    "missing file": (["a={folder}/absent.tflite"], ArtifactError, "No such file"),
    "a folder": (["a={tmp}/folder.tflite"], ArtifactError, "Is a directory"),
    "an empty file": (["a={tmp}/empty.tflite"], ArtifactError, "empty"),
    "no model inside": (["a={tmp}/noise.tflite"], ArtifactError, "not a LiteRT file"),
    "another runtime's file": (["a={tmp}/renamed.pte"], ArtifactError, "looks like a LiteRT file"),
    "a truncated file": (["a={tmp}/cut.tflite"], ArtifactError, "cut.tflite"),
    "other classes": (["a={net}", "b={tmp}/three.onnx"], ConfigError, "do not fit"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_bad_model_is_refused_on_one_line(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path, case: str
) -> None:
    models, kind, word = BAD_MODELS[case]
    content = (exported.folder / "net.tflite").read_bytes()
    (tmp_path / "folder.tflite").mkdir()
    for name, data in (
        ("empty.tflite", b""), ("noise.tflite", bytes(range(256)) * 9), ("renamed.pte", content),
        ("cut.tflite", content[: len(content) // 2]),
        ("three.onnx", (exported.folder / "text.onnx").read_bytes()),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    places = {"net": exported.folder / "net.tflite", "soft": exported.folder / "confident.tflite"}
    named = [model.format(folder=exported.folder, tmp=tmp_path, **places) for model in models]
    records, out = store(tmp_path / "records.npz", **table), tmp_path / "answers.npz"
    refused(kind, lambda: query(records, named, out=out, device=shared_agent.url), word)
    assert not out.exists()


LABELS = {"labels": np.zeros(N, dtype=np.int64)}
BAD_RECORDS: dict[str, tuple[Callable[[dict[str, np.ndarray]], dict[str, Any]], str]] = {
    "no inputs": (lambda t: {"labels": t["labels"]}, "key inputs is missing"),
    "no labels": (lambda t: {"inputs": t["inputs"]}, "key labels is missing"),
    "a key too many": (lambda t: t | {"x": t["labels"]}, "key x is not one"),
    "one input and several": (lambda t: t | {"inputs/a": t["inputs"]}, "inputs/a too"),
    "lengths differ": (lambda t: t | {"labels": t["labels"][:-1], "membership": t["membership"][:-1]}, "200 rows"),
    "membership of others": (lambda t: t | {"membership": t["membership"][:-1]}, "key membership"),
    "membership of 2": (lambda t: t | {"membership": t["membership"] + 1}, "key membership"),
    "labels with fractions": (lambda t: t | {"labels": t["labels"] + 0.5}, "record 0 is not an integer"),
    "labels with NaN": (lambda t: t | {"labels": np.full(N, np.nan)}, "record 0 is not an integer"),
    "labels as one-hot": (lambda t: t | {"labels": np.eye(10)[t["labels"]]}, "[200, 10]"),
    "negative labels": (lambda t: t | {"labels": t["labels"] - 10}, "below 0"),
    "labels beyond the classes": (lambda t: t | {"labels": t["labels"] + 10}, "outside 0..9"),
    "text": (lambda t: t | {"inputs": np.full(N, "a")}, "key inputs has type"),
    "objects": (lambda t: t | {"inputs": np.array([{}] * N)}, "never unpickled"),
    "short integers": (lambda t: t | {"inputs": t["inputs"].astype(np.int16)}, "int16"),
    "NaN": (lambda t: t | {"inputs": np.where(t["inputs"] > 0.9, np.nan, t["inputs"])}, "holds NaN"),
    "no records": (lambda t: {k: v[:0] for k, v in t.items()}, "there are none"),
    "a single number": (lambda t: t | {"inputs": np.float32(3)}, "a single number"),
    "two inputs for one": (lambda t: {"inputs/a": t["inputs"], "inputs/b": t["inputs"]} | LABELS, "takes 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_bad_records_are_refused_with_file_and_key(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path, case: str
) -> None:
    change, word = BAD_RECORDS[case]
    records, out = store(tmp_path / "records.npz", **change(table)), tmp_path / "answers.npz"
    model = f"a={exported.folder / 'net.tflite'}"
    with pytest.raises((InputError, ConfigError)) as caught:
        query(records, [model], out=out, device=shared_agent.url)
    assert word in str(caught.value), str(caught.value)
    assert str(records) in str(caught.value)
    assert not out.exists()


def test_answers_that_are_nan_name_file_and_record(
    exported: Exported, table: dict[str, np.ndarray], shared_agent: Agent, tmp_path: Path
) -> None:
    table["inputs"][70] = -1
    files = {"a": exported.folder / "sqrt.tflite"}
    refused(
        DeviceOutputError, lambda: ask(table, files, tmp_path, shared_agent.url),
        "sqrt.tflite/a/litert", "batch 1: record 6", "NaN",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "word"), [("answers.txt", ".npz"), ("no/answers.npz", "folder"), ("r.npz", "records")]
)
def test_a_place_that_cannot_take_the_answers_is_refused_at_once(
    table: dict[str, np.ndarray], tmp_path: Path, name: str, word: str
) -> None:
    records = store(tmp_path / "r.npz", **table)
    refused(ConfigError, lambda: query(records, ["a=a.tflite"], out=tmp_path / name), word)


def test_answers_are_taken_for_what_their_numbers_say() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 200)).astype(np.float32)
    softmax = np.exp(logits * 3) / np.exp(logits * 3).sum(axis=1, keepdims=True)
    assert outputs.read(logits, name="f").kind == "logits"
    assert outputs.read(np.log(softmax), name="f").kind == "logits"
    plain = outputs.read(softmax, name="f")
    assert (plain.kind, plain.values is softmax) == ("confidences", True)
    coarse = (np.round(softmax * 256) / 256).astype(np.float32)
    assert np.abs(coarse.sum(axis=1) - 1).max() > 0.02
    found = outputs.read(coarse, name="f")
    assert found.kind == "confidences"
    assert "divided by their sums" in found.reason
    np.testing.assert_allclose(found.values.sum(axis=1), 1, atol=1e-6)
    refused(InputError, lambda: outputs.read(np.full((9, 4), 0.7, np.float32), name="f.tflite"), "f.tflite", "neither")
    single = rng.uniform(size=(50, 1)).astype(np.float32)
    both = outputs.read(single, name="f")
    assert both.kind == "confidences"
    np.testing.assert_allclose(both.values, np.hstack([1 - single, single]))
    odds = outputs.read(single * 4 - 2, name="f")
    assert (odds.kind, odds.values.shape) == ("logits", (50, 2))
    np.testing.assert_allclose(odds.values[:, 1] - odds.values[:, 0], (single * 4 - 2)[:, 0])


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, args)]


def test_the_command_starts_an_agent_of_its_own(
    exported: Exported, table: dict[str, np.ndarray], tmp_path: Path
) -> None:
    store(tmp_path / "records.npz", **table)
    model = f"original={exported.folder / 'net.tflite'}"
    asked = command("query", "records.npz", "--model", model, "--out", "answers.npz")
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "query: 200/200" in done.stderr
    assert "original on litert: accuracy on members 100.0%" in done.stdout
    with zipfile.ZipFile(tmp_path / "answers.npz") as archive:
        assert set(archive.namelist()) == {"target/labels.npy", "target/membership.npy", "target/logits/original.npy"}


def test_ctrl_c_ends_with_3_and_writes_nothing(
    exported: Exported, table: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Interrupted when the agent's worker is there, long before so many records are through."""
    store(tmp_path / "records.npz", **{key: np.concatenate([values] * 2000) for key, values in table.items()})
    asked = command("query", "records.npz", "--model", f"a={exported.folder / 'baked.tflite'}", "--out", "answers.npz")
    with subprocess.Popen(asked, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        tool, end = psutil.Process(process.pid), time.monotonic() + 60
        while len(tool.children(recursive=True)) < 2 and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.02)
        agent_and_worker = tool.children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert "interrupted: nothing was written" in errors
    assert [p.name for p in tmp_path.iterdir()] == ["records.npz"]
    assert len(agent_and_worker) == 2
    assert psutil.wait_procs(agent_and_worker, timeout=30)[1] == []
