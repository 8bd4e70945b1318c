"""Whether records and a file go together: what a file declares is held against what the records are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.devices import FakeAgent, Signature, TensorInfo
from harness.errors import ArtifactError, ConfigError, InputError
from harness.subject._fitting import check_classes, fitted, signature_error
from harness.types import Artifact, Records, TensorSpec
from tests.devices.files import placeholder

QUANTIZED = TensorInfo("pixels", "uint8", (4,), scale=1 / 255, zero_point=0)
IMAGE = TensorInfo("image", "float32", (8, 8, 3))


def records(*inputs: Any, names: tuple[str, ...] = ("inputs", "more")) -> Records:
    table = dict(zip(names, inputs, strict=False))
    n = len(inputs[0])
    return Records(table, np.zeros(n, dtype=np.int64), np.arange(n))


def signature(*inputs: TensorInfo, **more: Any) -> Signature:
    return Signature(inputs, (TensorInfo("logits", "float32", (3,)),), **more)


def problem(one: Signature, given: Records) -> str:
    found = signature_error(one, given)
    return "" if found is None else f"{found[0]} ({found[1]})"


@pytest.mark.parametrize(
    ("takes", "given"),
    [
        (signature(IMAGE), records(np.ones((5, 8, 8, 3), np.float32))),
        (signature(TensorInfo("x", "float32", (-1, 3))), records(np.ones((5, 17, 3), np.float32))),
        (signature(QUANTIZED), records(np.linspace(0, 1, 20, dtype=np.float32).reshape(5, 4))),
        (signature(QUANTIZED), records(np.full((5, 4), 200, np.uint8))),
        (signature(TensorInfo("ids", "int32", (6,))), records(np.ones((5, 6), np.int64))),
        (signature(inputs_known=False), records(np.ones((5, 9), np.float32))),
    ],
    ids=[
        "an image",
        "a free axis",
        "real numbers for quantized ones",
        "integers",
        "wider integers",
        "an unknown format",
    ],
)
def test_records_that_fit_are_taken(takes: Signature, given: Records) -> None:
    assert problem(takes, given) == ""


@pytest.mark.parametrize(
    ("takes", "given", "words"),
    [
        (
            signature(IMAGE), records(np.ones((5, 3, 8, 8), np.float32)),
            ("expected float32 [n, 8, 8, 3], got float32 [1, 3, 8, 8]", "numpy.moveaxis(inputs, 1, -1), NCHW to NHWC"),
        ),
        (signature(IMAGE), records(np.ones((5, 8, 8), np.float32)), ("[1, 8, 8]", "layout, type and range")),
        (signature(IMAGE, IMAGE), records(np.ones((5, 4), np.float32)), ("takes 2 inputs (image, image)", "have 1")),
        (signature(QUANTIZED), records(np.full((5, 4), 3.0, np.float32)), ("holds 0 to 1", "100% of the values")),
        (
            signature(TensorInfo("ids", "int64", (4,))), records(np.ones((5, 4), np.float32)),
            ("takes int64 and is not quantized", "store int64 records"),
        ),
        (
            signature(TensorInfo("a\nb", "float32", (1,)), IMAGE), records(np.ones((5, 4), np.float32)),
            (r"('a\nb', image)",),
        ),
    ],
    ids=["a transpose", "a missing axis", "an input too few", "another range", "no scale", "a line break"],
)  # fmt: skip
def test_records_that_do_not_fit_are_refused_with_both_sides_and_the_mend(
    takes: Signature, given: Records, words: tuple[str, ...]
) -> None:
    message = problem(takes, given)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(("share", "fits"), [(0.09, True), (0.11, False)])
def test_a_quantized_input_may_cut_off_the_tails_of_its_records(share: float, fits: bool) -> None:
    values = np.full(400, 0.5, dtype=np.float32)
    values[: int(share * 400)] = 2.0
    assert (problem(signature(QUANTIZED), records(values.reshape(100, 4))) == "") == fits


def test_inputs_of_the_files_own_names_are_matched_by_name() -> None:
    ids, mask = TensorInfo("ids", "int64", (6,)), TensorInfo("mask", "float32", (2,))
    given = records(np.ones((5, 2), np.float32), np.ones((5, 6), np.int64), names=("mask", "ids"))
    assert problem(signature(ids, mask), given) == ""
    assert "ids" in problem(signature(ids, mask), records(*given.inputs.values(), names=("a", "b")))


def test_a_file_that_fits_is_known_by_what_it_answers(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "int8", shape=(4,))
    takes = Signature((TensorInfo("x", "float32", (4,)),), (TensorInfo("y", "float32", (-1,)),))
    given = records(np.ones((50, 4), np.float32))
    with FakeAgent(lambda _sha, inputs: np.tile([1.0, 2.0], (len(inputs["inputs"]), 1)), signature=takes) as device:
        device.deploy(artifact)
        ready, answers = fitted(device, _unknown(artifact), given, "m.npz")
    assert answers.shape == (32, 2), "a few records are shown"
    assert ready.output.shape == (2,)
    assert ready.inputs == (TensorSpec("x", "float32", (4,)),)


def test_a_file_that_answers_no_vector_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    artifact = placeholder(tmp_path, "int8", shape=(4,))
    takes = Signature((TensorInfo("x", "float32", (4,)),), (TensorInfo("y", "float32", (7, 2)),))
    with FakeAgent(lambda *_: np.ones((1, 1)), signature=takes) as device:
        device.deploy(artifact)
        with pytest.raises(ArtifactError, match=r"its first output is \[7, 2\] a record"):
            fitted(device, _unknown(artifact), records(np.ones((50, 4), np.float32)), "m.npz")


def _unknown(artifact: Artifact) -> Artifact:
    """A supplied file before it was asked: nobody says what it takes and answers."""
    return Artifact(
        artifact.model, artifact.variant, artifact.runtime, artifact.path, artifact.sha256, artifact.size_bytes, (),
        TensorSpec("", "float32", (-1,)),
    )  # fmt: skip


def test_files_have_the_same_classes_and_every_label_is_one_of_them(tmp_path: Path) -> None:
    three, again, four, single = (
        placeholder(tmp_path, name, classes=classes) for name, classes in (("a", 3), ("b", 3), ("c", 4), ("d", 1))
    )
    check_classes([three, again], {"m.npz": np.array([0, 2])})
    check_classes([single], {"m.npz": np.array([0, 1])})  # one number tells two classes apart
    with pytest.raises(ConfigError, match=r"target-c\.tflite has 4 classes, .*target-a\.tflite has 3"):
        check_classes([three, four], {})
    with pytest.raises(InputError, match=r"m\.npz: labels go up to 3, outside 0\.\.2, the classes of .*target-a"):
        check_classes([three], {"m.npz": np.array([0, 3])})
