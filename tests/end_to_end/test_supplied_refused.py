"""Supplied files and records that do not go together: one line that names both and the mend, and nothing is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end import supplied as parts
from tests.end_to_end.conftest import Cli
from tests.end_to_end.hand_made import litert_float, litert_uint8, onnx_graph, onnx_picture, onnx_two_inputs
from tests.end_to_end.supplied import Supplied, images_of, linear_of
from tests.one_process import ONE_AFTER_THE_OTHER

pytestmark = pytest.mark.slow

N = 30
LINEAR = linear_of(0)


@dataclass
class Case:
    """An audit's options under construction.

    Args:
        folder: an empty folder.
        artifacts: variant and file of each ``--artifact``.
        more: other options.
    """

    folder: Path
    artifacts: list[tuple[str, Path]]
    more: list[str]

    def store(self, side: str, **arrays: Any) -> None:
        np.savez(self.folder / f"{side}.npz", **arrays)

    def change(self, change: Callable[[Any], Any]) -> None:
        """Change the inputs of both sides."""
        for side, pull, seed in (("members", parts.MEMBERS, 1), ("nonmembers", parts.OTHERS, 2)):
            records = images_of(LINEAR, N, pull, seed)
            self.store(side, **records | {"inputs": change(records["inputs"])})

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder.parent / "run"

    def options(self) -> list[str]:
        words = [word for name, file in self.artifacts for word in ("--artifact", f"{name}={file}")]
        sides = ("--members", str(self.folder / "members.npz"), "--nonmembers", str(self.folder / "nonmembers.npz"))
        return [*words, *sides, "--attack", "confidence", *self.more]


Ended = tuple[int, str, str]


def ended_of(commands: list[list[str]]) -> list[Ended]:
    """Exit code, standard output and standard error of each command line."""
    lines = "".join(json.dumps(words) + "\n" for words in commands)
    asked = [sys.executable, "-c", ONE_AFTER_THE_OTHER]
    done = subprocess.run(asked, input=lines, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def refusal(ended: Ended, run: Path, *, code: int = 4) -> str:
    """The one line that a refused audit ends with; nothing was collected, judged or reported."""
    returned, out, err = ended
    assert returned == code, out + err
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("edgeleak: ")
    left = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()} if run.exists() else set()
    assert left <= {"manifest.json", ".lock"}, left
    return line


def _two_inputs(case: Case) -> None:
    case.artifacts = [("original", onnx_two_inputs(case.folder / "pair.onnx", LINEAR))]


def _nchw(case: Case) -> None:
    case.change(lambda inputs: np.moveaxis(inputs, -1, 1))


def _flat(case: Case) -> None:
    case.change(lambda inputs: inputs.reshape(N, -1))


def _raw_uint8(case: Case) -> None:
    case.artifacts = [("original", litert_float(case.folder / "raw.tflite", LINEAR, raw=True))]


def _out_of_range(case: Case) -> None:
    case.artifacts = [("original", litert_uint8(case.folder / "int8.tflite", LINEAR))]
    case.change(lambda inputs: inputs * 255)


def _sigmoid(case: Case) -> None:
    case.artifacts = [("original", onnx_graph(case.folder / "sigmoid.onnx", LINEAR, last="Sigmoid"))]


def _picture(case: Case) -> None:
    case.artifacts = [("original", onnx_picture(case.folder / "picture.onnx", LINEAR))]


def _other_classes(case: Case) -> None:
    narrow = type(LINEAR)(LINEAR.weights[:3], LINEAR.bias[:3], LINEAR.shape)
    case.artifacts.append(("int8", litert_float(case.folder / "narrow.tflite", narrow)))


def _no_keras(case: Case) -> None:
    path = case.folder / "model.keras"
    path.write_bytes(b"PK")
    case.artifacts = [("original", path)]


def _labels_beyond(case: Case) -> None:
    records = images_of(LINEAR, N, parts.MEMBERS, 1)
    case.store("members", **records | {"labels": records["labels"] + 3})


# What is wrong -> how it is made so, and what the line says. These are found on the device.
ON_DEVICE: dict[str, tuple[Callable[[Case], None], tuple[str, ...]]] = {
    "channels first for a file that takes them last": (
        _nchw, ("original.tflite", "members.npz", "expected float32 [n, 8, 8, 1]", "[1, 1, 8, 8]",
                "numpy.moveaxis(inputs, 1, -1), NCHW to NHWC"),
    ),
    "flattened images": (_flat, ("expected float32 [n, 8, 8, 1]", "[1, 64]", "layout")),
    "one input for a file of two": (
        _two_inputs, ("the file takes 2 inputs (left, right), the records have 1", "inputs/NAME"),
    ),
    "real numbers for integers without a scale": (
        _raw_uint8, ("takes uint8 and is not quantized, the records are float32", "store uint8 records"),
    ),
    "values beyond what a quantized input holds": (
        _out_of_range, ("is uint8 and holds 0 to 1", "100% of the values would be cut off", "scale the records"),
    ),
    "answers that are neither probabilities nor logits": (
        _sigmoid, ("sigmoid.onnx", "neither confidences nor logits", "softmax at its end"),
    ),
    "an answer that is no vector": (
        _picture, ("picture.onnx", "its first output is [8, 8, 1] a record", "one vector"),
    ),
    "files of different numbers of classes": (
        _other_classes, ("narrow.tflite has 3 classes", "original.tflite has 4"),
    ),
    "a Keras file that is none": (_no_keras, ("model.keras: not a .keras file", "model.save")),
    "a label beyond the classes": (_labels_beyond, ("members.npz", "labels go up to 6, outside 0..3")),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_DEVICE)
def test_what_does_not_fit_is_refused_before_the_long_run(refused: dict[str, tuple[Case, Ended]], name: str) -> None:
    case, ended = refused[name]
    line = refusal(ended, case.run)
    for word in ON_DEVICE[name][1]:
        assert word in line, line


def _overlap(case: Case) -> None:
    members, others = (images_of(LINEAR, N, pull, seed) for pull, seed in ((parts.MEMBERS, 1), (parts.OTHERS, 2)))
    others["inputs"][:3] = members["inputs"][:3]
    case.store("nonmembers", **others)


def _population_of_members(case: Case) -> None:
    case.more += ["--population", str(case.folder / "members.npz")]


def _nan(case: Case) -> None:
    case.change(lambda inputs: np.where(inputs > 0.95, np.nan, inputs).astype(np.float32))


def _few(case: Case) -> None:
    case.store("members", **images_of(LINEAR, 24, parts.MEMBERS, 1))


def _same_name(case: Case) -> None:
    case.artifacts *= 2


def _old_keras(case: Case) -> None:
    path = case.folder / "model.h5"
    path.write_bytes(b"HDF")
    case.artifacts = [("original", path)]


def _unknown_suffix(case: Case) -> None:
    path = case.folder / "model.bin"
    path.write_bytes(b"x")
    case.artifacts = [("original", path)]


def _missing_model(case: Case) -> None:
    case.artifacts = [("original", case.folder / "absent.tflite")]


def _missing_records(case: Case) -> None:
    (case.folder / "nonmembers.npz").unlink()


def _empty_model(case: Case) -> None:
    path = case.folder / "empty.tflite"
    path.touch()
    case.artifacts = [("original", path)]


def _unknown_attack(case: Case) -> None:
    case.more += ["--attack", "sorcery"]


def _other_shapes(case: Case) -> None:
    records = images_of(LINEAR, N, parts.OTHERS, 2)
    case.store("nonmembers", **records | {"inputs": records["inputs"][:, :4]})


def _no_file(case: Case) -> None:
    case.more += ["--artifact", "int8"]


def _lenient_rule(case: Case) -> None:
    case.more[case.more.index("--max-auc") + 1] = "60"


def _label_of_arrays(case: Case) -> None:
    case.more += ["--label", "kind"]


# The same, found before anything is begun.
AT_ONCE: dict[str, tuple[Callable[[Case], None], int, tuple[str, ...]]] = {
    "records that are members and non-members": (
        _overlap, 4, ("members.npz", "nonmembers.npz", "3 records are members and non-members at once"),
    ),
    "a population of members": (_population_of_members, 4, ("30 records are members and in the population at once",)),
    "NaN in the records": (_nan, 4, ("members.npz", "input 'inputs' holds NaN or infinity")),
    "24 members": (_few, 2, ("members.npz: 24 members", "30 non-members", "at least 25 of each")),
    "two files of one name": (_same_name, 4, ("original names", "a name of its own")),
    "an older Keras file": (_old_keras, 4, ("model.h5: suffix .h5", "edgeleak keras")),
    "a suffix of no runtime": (_unknown_suffix, 4, ("model.bin: suffix .bin is none of .tflite, .pte, .ptl, .onnx",)),
    "a model file that is missing": (_missing_model, 4, ("absent.tflite: No such file",)),
    "an empty model file": (_empty_model, 4, ("empty.tflite: the file is empty",)),
    "records that are missing": (_missing_records, 4, ("nonmembers.npz: No such file",)),
    "an attack that is not known": (_unknown_attack, 4, ("sorcery",)),
    "sides of different shapes": (_other_shapes, 4, ("members.npz: input inputs is float32 [8, 8, 1]", "[4, 8, 1]")),
    "an artifact without its file": (_no_file, 4, ("--artifact 'int8': expected NAME=FILE",)),
    "a limit that everything keeps": (_lenient_rule, 4, ("every result stays within it",)),
    "a column of arrays": (_label_of_arrays, 4, ("label names a column of a table",)),
}  # fmt: skip


@pytest.fixture(scope="module")
def refused(
    supplied: Supplied, idle_agent: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Case, Ended]]:
    """Every case, and what became of its audit: one that would pass but for what is wrong."""
    cases: dict[str, Case] = {}
    for name, (spoil, *_) in (ON_DEVICE | AT_ONCE).items():
        folder = tmp_path_factory.mktemp("refused") / "parts"
        folder.mkdir()
        case = Case(folder, [("original", supplied.folder / "original.tflite")], ["--max-auc", "0.999"])
        case.change(lambda inputs: inputs)
        spoil(case)
        cases[name] = case
    at = ("--device", idle_agent, "-q")
    commands = [["audit", *case.options(), "--run", str(case.run), *at] for case in cases.values()]
    return {name: (case, end) for (name, case), end in zip(cases.items(), ended_of(commands), strict=True)}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_cannot_be_audited_is_refused_before_anything_is_begun(
    refused: dict[str, tuple[Case, Ended]], name: str
) -> None:
    case, ended = refused[name]
    _, code, words = AT_ONCE[name]
    line = refusal(ended, case.run, code=code)
    assert not case.run.exists()
    for word in words:
        assert word in line, line


RULES = {
    "a variant": ('max = 0.6\nvariants = ["int4"]', "variants: 'int4' is no variant of this audit"),
    "an attack": ('max = 0.6\nattacks = ["gbt"]', "attacks: 'gbt' does not run in this audit"),
    "a false-positive rate": ('max = 0.6\nmetric = "tpr_at_fpr"\nat_fpr = 0.5', "0.5"),
    "a reference": ("max_flip_share = 0.1", "max_flip_share"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_about_what_the_audit_does_not_measure_is_refused_before_anything_is_begun(
    changed: dict[str, Ended], supplied: Supplied, name: str
) -> None:
    line = refusal(changed[name], supplied.folder / "refused" / name)
    assert "gate rule" in line
    assert RULES[name][1] in line
    assert not (supplied.folder / "refused" / name).exists()


SHADOW = "a shadow of another runtime"


@pytest.fixture(scope="module")
def changed(supplied: Supplied) -> dict[str, Ended]:
    """What became of audits with a changed audit.toml, by what was changed."""
    whole = supplied.toml.read_text()
    texts = {name: f"{whole}\n[[gate.rules]]\n{rule}\n" for name, (rule, _) in RULES.items()}
    texts[SHADOW] = whole.replace("shadow-1/half.tflite", "shadow-1/portable.onnx")
    commands = []
    for number, (name, text) in enumerate(texts.items()):
        config = supplied.folder / f"changed-{number}.toml"
        config.write_text(text)
        commands.append(["audit", str(config), "--run", str(supplied.folder / "refused" / name)])
    return dict(zip(texts, ended_of(commands), strict=True))


def test_a_shadow_of_another_runtime_is_refused(changed: dict[str, Ended], supplied: Supplied) -> None:
    line = refusal(changed[SHADOW], supplied.folder / "refused" / SHADOW)
    assert "portable.onnx: is an ONNX model, the target's half half.tflite is a LiteRT file" in line


def test_options_and_an_audit_toml_together_are_refused(supplied: Supplied, edgeleak: Cli, tmp_path: Path) -> None:
    done = edgeleak("audit", supplied.toml, *supplied.options, "--run", tmp_path / "run")
    line = refusal((done.returncode, done.stdout, done.stderr), tmp_path / "run")
    assert "describe an audit already" in line


def test_a_stage_that_supplied_files_do_not_have_is_refused(supplied: Supplied, edgeleak: Cli, tmp_path: Path) -> None:
    done = edgeleak("train", supplied.toml, "--run", tmp_path / "run")
    line = refusal((done.returncode, done.stdout, done.stderr), tmp_path / "run")
    assert "an audit of supplied files has no stage 'train'" in line
    assert "collect, bench, attack, gate, report" in line
