"""A Keras user's model through TensorFlow's converter and toolkit, queried on a real agent and attacked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from sklearn.datasets import load_digits

from harness.errors import ArtifactError, ConfigError, DependencyError, EdgeleakError
from harness.export._sparse_tflite import densified
from harness.export.inspect import read_weights
from harness.export.keras import MODES, convert
from harness.query import query

ROOT = Path(__file__).parents[2]
TENSORFLOW = Path(os.environ.get("EDGELEAK_TENSORFLOW") or ROOT / ".tensorflow")
needs_tensorflow = pytest.mark.skipif(
    not all((TENSORFLOW / name / "bin" / "python").exists() for name in ("main", "tfmot")),
    reason=f"{TENSORFLOW} is not there: run `make tensorflow`",
)
SMALL_CONFIG = {"class_name": "Sequential", "config": {"layers": []}}


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 members and 600 non-members."""
    data, path = load_digits(), tmp_path_factory.mktemp("keras") / "records.npz"
    rows = np.random.default_rng(0).permutation(len(data.images))[:1200]
    images = (data.images[rows, ..., None] / 16).astype(np.float32)
    np.savez(path, inputs=images, labels=data.target[rows], membership=np.repeat([1, 0], 600))
    return path


@pytest.fixture(scope="session")
def trained(digits: Path) -> Path:
    model = digits.parent / "model.keras"
    script = Path(__file__).with_name("keras_digits.py")
    asked = [TENSORFLOW / "main" / "bin" / "python", script, digits, model, digits.parent / "lambda.keras"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return model


@needs_tensorflow
@pytest.mark.slow
def test_six_modes_pruning_and_clustering_are_made_queried_and_attacked(digits: Path, trained: Path) -> None:
    out, answers = digits.parent / "files", digits.parent / "answers.npz"
    summary = convert(
        trained, out, calibration=digits, prune=[0.8], cluster=[16], sparse=True, finetune=digits, epochs=2
    )
    assert summary["skipped"] == []
    files = {row["name"]: row for row in summary["files"]}
    names = {*MODES, "prune-0.8-sparse", *(f"{r}-{m}" for r in ("prune-0.8", "cluster-16") for m in MODES)}
    assert set(files) == names
    assert {p.name for p in out.iterdir()} == {f"{n}.tflite" for n in names} | {"prune-0.8.keras", "cluster-16.keras"}
    for name, row in files.items():
        assert (out / f"{name}.tflite").read_bytes()[4:8] == b"TFL3"
        dtype = MODES.get(row["mode"], "float32")
        assert any(weight["dtype"] == dtype for weight in row["weights"])
        for weight in row["weights"]:
            if row["recipe"] == "prune-0.8":
                assert weight["share_zeros"] == pytest.approx(0.8, abs=0.005)
            if name == "cluster-16-float32":
                assert weight["distinct_values"] <= 16
    assert files["int8"]["size_bytes"] < files["float16"]["size_bytes"] < files["float32"]["size_bytes"]
    assert files["prune-0.8-sparse"]["size_bytes"] < files["prune-0.8-float32"]["size_bytes"] / 2
    dense, sparse = (read_weights(out / f"prune-0.8-{m}.tflite", "litert") for m in ("float32", "sparse"))
    for one, other in zip(dense.values(), sparse.values(), strict=True):
        np.testing.assert_array_equal(one, other)

    models = [f"original={out / 'float32.tflite'}"]
    models += [f"{name}={out / name}.tflite" for name in sorted(names - {"float32"})]
    asked = query(digits, models, out=answers)
    assert {row["outputs"] for row in asked["models"]} == {"confidences"}
    accuracies = {row["variant"]: row["accuracy"] for row in asked["models"]}
    assert accuracies["original"]["low"] > 0.9
    with np.load(answers) as table:
        original = table["target/confidences/original"]
        for mode, tolerance in (("float16", 0.02), ("dynamic", 0.2), ("int16x8", 0.2), ("int8", 0.3)):
            values = table[f"target/confidences/{mode}"]
            assert np.abs(values - original).max() < tolerance
            assert accuracies[mode]["value"] > accuracies["original"]["low"]
        # Integers at the borders or floats: the agent quantizes and dequantizes as the file's own operators do.
        borders = table["target/confidences/int8"], table["target/confidences/int8-float-io"]
        np.testing.assert_allclose(*borders, atol=1.01 / 256)
        pair = table["target/confidences/prune-0.8-sparse"], table["target/confidences/prune-0.8-float32"]
        np.testing.assert_allclose(*pair, atol=1e-5)

    command = [sys.executable, "-m", "harness", "attack", str(answers), "-q", "--json", "--attack", "confidence"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    assert {row["variants"][0] for row in rows} == {*(names - {"float32"}), "original"}
    for row in rows:
        assert row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"]
        assert row["n_members"] == row["n_nonmembers"] == 600
    # Forty epochs on 600 records: the network remembers them, and the smallest file leaks, too.
    assert next(row for row in rows if row["variants"] == ["int8"])["auc"]["low"] > 0.5


@needs_tensorflow
@pytest.mark.slow
def test_lambda_layers_wrong_calibration_and_unknown_classes_are_refused(
    digits: Path, trained: Path, tmp_path: Path
) -> None:
    refused(ArtifactError, lambda: convert(digits.parent / "lambda.keras", tmp_path / "out"), "Lambda", "not run")
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, inputs=np.zeros((9, 1, 8, 8), np.float32))
    refused(
        ArtifactError, lambda: convert(trained, tmp_path / "out", modes=["int8"], calibration=wrong),
        "[n, 8, 8, 1]", "[9, 1, 8, 8]",
    )  # fmt: skip
    unknown = tmp_path / "unknown.keras"
    with zipfile.ZipFile(unknown, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Mine", "config": {}, "module": "mine"}))
        archive.writestr("metadata.json", "{}")
    refused(ArtifactError, lambda: convert(unknown, tmp_path / "out"), "unknown.keras", "cannot be loaded")
    assert list((tmp_path / "out").iterdir()) == []


def refused(kind: type[EdgeleakError], call: Callable[[], object], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    for word in words:
        assert word in str(caught.value), str(caught.value)


def stored(path: Path, config: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_bad_requests_are_refused_without_tensorflow(tmp_path: Path) -> None:
    model, out = stored(tmp_path / "m.keras", SMALL_CONFIG), tmp_path / "out"
    nothing, text = tmp_path / "absent.keras", tmp_path / "text.keras"
    text.write_text("no zip")
    nested = {"config": {"layers": [{"class_name": "Lambda", "config": {"name": "twice"}}]}}
    refused(ConfigError, lambda: convert(model, out, modes=["int4"]), "int4", "int16x8")
    refused(ConfigError, lambda: convert(model, out, modes=["int8"]), "int8", "--calibration")
    refused(ConfigError, lambda: convert(model, out, prune=[1.5]), "--prune 1.5")
    refused(ConfigError, lambda: convert(model, out, cluster=[1]), "--cluster 1")
    refused(ConfigError, lambda: convert(model, out, sparse=True), "--sparse")
    refused(ArtifactError, lambda: convert(nothing, out), "absent.keras", "no such file")
    refused(ArtifactError, lambda: convert(text, out), "text.keras", "not a .keras file")
    refused(ArtifactError, lambda: convert(stored(tmp_path / "l.keras", nested), out), "'twice' is a Lambda")
    assert not out.exists()


def test_without_tensorflow_a_conversion_is_refused_with_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGELEAK_TENSORFLOW", str(tmp_path / "nowhere"))
    model = stored(tmp_path / "m.keras", SMALL_CONFIG)
    refused(DependencyError, lambda: convert(model, tmp_path / "out"), "nowhere/main", "make tensorflow")
    assert not (tmp_path / "out").exists()


def sparsity(levels: list[tuple[int, list[int], list[int]] | int], order: list[int], blocks: list[int]) -> object:
    """The schema's account of a tensor: a number for a dense level, (rows, segments, indices) for a sparse one."""
    parameters = schema.SparsityParametersT()
    parameters.traversalOrder, parameters.blockMap, parameters.dimMetadata = order, blocks, []
    for level in levels:
        one = schema.DimensionMetadataT()
        if isinstance(level, int):
            one.format, one.denseSize = 0, level
        else:
            one.format, one.arraySegments, one.arrayIndices = 1, schema.Int32VectorT(), schema.Int32VectorT()
            one.arraySegments.values, one.arrayIndices.values = level[1], level[2]
        parameters.dimMetadata.append(one)
    return parameters


def test_sparse_tensors_are_made_dense() -> None:
    """By hand: rows [1 0 2], [0 0 0], [0 3 0]; then 4 x 2 of blocks of 2 x 2, the first and the last of them stored."""
    csr = sparsity([3, (3, [0, 2, 2, 3], [0, 2, 1])], [0, 1], [])
    np.testing.assert_array_equal(densified(np.array([1, 2, 3]), csr, (3, 3)), [[1, 0, 2], [0, 0, 0], [0, 3, 0]])
    blocks = sparsity([2, (2, [0, 1, 2], [0, 1]), 2, 2], [0, 1, 2, 3], [0, 1])
    expected = np.zeros((4, 4), int)
    expected[:2, :2], expected[2:, 2:] = [[1, 2], [3, 4]], [[5, 6], [7, 8]]
    np.testing.assert_array_equal(densified(np.arange(1, 9), blocks, (4, 4)), expected)
    with pytest.raises(ValueError, match="places for"):
        densified(np.array([1, 2]), csr, (3, 3))
