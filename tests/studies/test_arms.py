"""Which audits a study is made of, before any of them is begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import parse
from harness.errors import ConfigError
from studies.compleak import arms


def planned(**table: object) -> list[tuple[str, bool]]:
    return [(arm.name, arm.confounded) for arm in arms(parse({"name": "x", **table}), Path("runs"))]


def test_the_first_seed_has_a_null_twin_whatever_the_seeds_are() -> None:
    assert planned(study={"seeds": [7, 8]}) == [("seed 7", False), ("seed 8", False), ("seed 7, null twin", False)]


def test_the_mistake_is_made_where_training_transforms_images() -> None:
    found = planned(study={"seeds": [7, 8]}, training={"augment": True})
    assert found == [("seed 7", True), ("seed 8", False), ("seed 7, null twin", True)]


def test_what_is_asked_for_is_what_is_done() -> None:
    study = {"seeds": [7, 8], "null": [], "confounded": [8]}
    assert planned(study=study, training={"augment": True}) == [("seed 7", False), ("seed 8", True)]


def test_no_transform_to_show_is_said_before_anything_is_trained() -> None:
    with pytest.raises(ConfigError, match=r"study\.confounded: .*training\.augment is false"):
        planned(study={"seeds": [1], "confounded": [1]})
