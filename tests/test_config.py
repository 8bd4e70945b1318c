"""`audit.toml`: what is wrong is refused, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load, parse
from harness.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "examples" / "digits.toml"


def test_example_is_valid_and_states_the_defaults() -> None:
    config = load(EXAMPLE)
    defaults = parse({"name": "digits"})
    assert (config.training, config.compression) == (defaults.training, defaults.compression)
    assert config.data == parse({"name": "digits"}).data
    assert [rule.name for rule in config.gate.rules] == [
        "NR/SR/MR auc <= 0.85",
        "NR/SR/MR auc <= original + 0.1",
        "top-1 flips against the reference <= 0.05",
    ]
    assert [rule.id for rule in config.gate.rules] == ["auc-max-0.85", "auc-increase-0.1", "parity-0.05"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "x", "trainig": {}}, 'key "trainig": unknown key; did you mean "training"?'),
        ({"name": "x", "training": {"epoch": 3}}, '[training], key "epoch": unknown key; did you mean "epochs"?'),
        ({"name": "x", "training": {"epochs": "3"}}, '[training], key "epochs": expected a whole number (got "3")'),
        (
            {"name": "x", "training": {"epochs": 0}},
            '[training], key "epochs": must be at least 1 (got 0)',
        ),
        (
            {"name": "x", "export": {"runtimes": ["coreml"]}},
            '[export], key "runtimes", item 1: not a known runtime; known are litert, executorch, pytorch-mobile, onnx '
            '(got "coreml")',
        ),
        (
            {"name": "x", "gate": {"rules": [{"metrc": "auc"}]}},
            '[[gate.rules]] number 1, key "metrc": unknown key; did you mean "metric"?',
        ),
        (
            {"name": "x", "gate": {"rules": [{}]}},
            "[[gate.rules]] number 1: needs exactly one of 'max', 'max_increase' and 'max_flip_share'",
        ),
        (
            {"name": "x", "gate": {"rules": [{"metric": "tpr_at_fpr", "max": 0.1}]}},
            "[[gate.rules]] number 1: 'at_fpr' goes with metric",
        ),
        ({"name": "x", "compression": {"variants": ["int8"]}}, '[compression], key "variants": must contain '),
        (
            {"name": "x", "mis": {"generator": "flip"}},
            '[mis], key "generator": expected one of "auto", "bootstrap-last", "trajectory", "bootstrap", '
            '"perturbation", "flips", "calibration" (got "flip"); did you mean "flips"?',
        ),
        ({"name": "x", "mis": {"quantizers": ["int8", "int8"]}}, '[mis], key "quantizers": names a quantizer twice'),
        (
            {"name": "x", "mis": {"generator": "trajectory", "candidates": 26}},
            "mis.candidates: 26 checkpoints, one an epoch, do not fit in",
        ),
        (
            {"name": "x", "model": {"name": "mine:net"}, "mis": {"candidates": 26}},
            "mis.candidates: 26 checkpoints, one an epoch, do not fit in",
        ),
        (
            {"name": "x", "mis": {"generator": "calibration"}, "data": {"calibration": 1}},
            'mis.generator: "calibration" needs data.calibration of 2 or more',
        ),
        ({"name": "../x"}, 'key "name": expected a name of letters, digits and'),
        ({}, 'key "name": is missing'),
        (
            {"name": "x", "gate": {"rules": [{"max": 0.6}, {"variants": "int8", "max": 0.6}]}},
            '[[gate.rules]] number 2, key "variants": expected a list of names (got "int8")',
        ),
        (
            {"name": "x", "gate": {"rules": {"max": 0.6}}},
            "[[gate.rules]]: expected a list of tables, each with this head",
        ),
        ({"name": "x", "device": 3}, "[device]: expected a table (got 3)"),
        ({"name": "x", "attack": {"fprs": [0.1, "b"]}}, '[attack], key "fprs", item 2: expected a number (got "b")'),
        ({"name": "x", "device": {"timeouts": {"busy": float("nan")}}}, "must be a finite number (got nan)"),
    ],
)
def test_bad_field_is_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(table, source="audit.toml")
    assert str(caught.value).startswith("audit.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_the_trajectory_needs_an_epoch_a_candidate() -> None:
    assert parse({"name": "x", "mis": {"generator": "bootstrap", "candidates": 40}}).mis.candidates == 40
    assert parse({"name": "x", "mis": {"enabled": False, "candidates": 40}}).mis.candidates == 40


def test_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such file \(`edgeleak init`"):
        load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b'name = "a"\nname = "b"'])
def test_unreadable_toml_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "audit.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_digest_covers_results_and_not_the_policy() -> None:
    base = parse({"name": "x"})
    assert base.digest() == parse({"name": "x", "gate": {"rules": [{"max": 0.6}]}, "jobs": 1}).digest()
    assert base.digest() == parse({"name": "x", "device": {"url": "grpc://127.0.0.1:1"}}).digest()
    assert base.digest() != parse({"name": "x", "seed": 1}).digest()
    assert base.digest() != base.with_changes(null=True).digest()


def test_data_dir_is_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    path.write_text('name = "x"\n[data]\nname = "cifar10"\ndata_dir = "cifar"\n')
    assert load(path).data.data_dir == str(tmp_path / "cifar")


def test_the_digest_follows_the_names_of_files_and_not_their_folders() -> None:
    def digest(**records: str) -> str:
        return parse(
            {"name": "x", "artifact": [{"variant": "a", "file": "/here/a.tflite"}], "records": records}
        ).digest()

    here = digest(members="/here/m.csv", nonmembers="/here/n.csv", label="a/y")
    assert here == digest(members="/there/m.csv", nonmembers="/there/n.csv", label="a/y")
    assert here != digest(members="/here/other.csv", nonmembers="/here/n.csv", label="a/y")
    assert here != digest(members="/here/m.csv", nonmembers="/here/n.csv", label="b/y")
