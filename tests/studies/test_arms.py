"""Which audits a study is made of, before any of them is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.config import load as load_audit
from harness.config import parse
from harness.errors import ConfigError
from studies.compleak.arms import arms
from studies.compleak.settings import StudySettings, check, load

EXAMPLE = Path(__file__).parents[2] / "examples" / "cifar10.toml"
AUDIT = """
name = "x"

[training]
augment = {augment}
"""


def written(folder: Path, study: str, *, augment: bool = False) -> Path:
    path = folder / "audit.toml"
    path.write_text(AUDIT.format(augment=str(augment).lower()) + study)
    return path


def planned(folder: Path, study: str, *, augment: bool = False) -> list[tuple[str, bool]]:
    audit, settings = load(written(folder, study, augment=augment))
    return [(arm.name, arm.confounded) for arm in arms(audit, settings, folder)]


def test_the_first_seed_has_a_null_twin_whatever_the_seeds_are(tmp_path: Path) -> None:
    expected = [("seed 7", False), ("seed 8", False), ("seed 7, null twin", False)]
    assert planned(tmp_path, "[study]\nseeds = [7, 8]\n") == expected


def test_the_mistake_is_made_where_training_transforms_images(tmp_path: Path) -> None:
    expected = [("seed 7", True), ("seed 8", False), ("seed 7, null twin", True)]
    assert planned(tmp_path, "[study]\nseeds = [7, 8]\n", augment=True) == expected


def test_the_settings_replace_the_defaults(tmp_path: Path) -> None:
    study = "[study]\nseeds = [7, 8]\nnull = []\nconfounded = [8]\n"
    assert planned(tmp_path, study, augment=True) == [("seed 7", False), ("seed 8", True)]


def test_null_twins_and_the_mistake_look_at_the_chosen_variants(tmp_path: Path) -> None:
    study = StudySettings(seeds=(1,), variants=("original", "int8"))
    plain, null = arms(parse({"name": "x"}), study, tmp_path)
    assert len(plain.config.compression.variants) == 7
    assert null.config.compression.variants == plain.variants == ("original", "int8")


def test_without_a_table_three_seeds_are_studied(tmp_path: Path) -> None:
    audit, settings = load(written(tmp_path, ""))
    assert settings == StudySettings()
    assert settings.seeds == (1, 2, 3)
    assert audit.name == "x"


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("seeds = [1, 1]", r"\[study\]: seeds: names a seed twice"),
        ("null = [4]", r"\[study\]: null: seed 4 is not among the seeds"),
        ("seeds = []", 'study], key "seeds": must not be empty'),
        ("sedes = [1]", 'study], key "sedes": unknown key; did you mean "seeds"'),
        ('variants = ["original", "int4"]', "study.variants: 'int4' is not among compression.variants"),
        ('variants = ["int8"]', "study.variants: must contain 'original'"),
        ("confounded = [1]", "study.confounded: .*training.augment is false"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_file_and_field(tmp_path: Path, study: str, message: str) -> None:
    path = written(tmp_path, f"[study]\n{study}\n")
    with pytest.raises(ConfigError, match=message) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_an_audit_that_trains_nothing_is_not_studied() -> None:
    table: dict[str, Any] = {"name": "x", "answers": {"file": "answers.npz"}}
    with pytest.raises(ConfigError, match="study: repeats the training, and this audit trains nothing"):
        check(StudySettings(), parse(table))


def test_the_example_is_an_audit_and_a_study() -> None:
    audit, settings = load(EXAMPLE)
    assert audit == load_audit(EXAMPLE)
    assert (settings.seeds, settings.null, settings.confounded) == ((1, 2, 3), (1,), (1,))


def test_an_audit_leaves_the_table_of_the_study_alone_and_no_other() -> None:
    assert parse({"name": "x", "study": {"whatever": 1}}) == parse({"name": "x"})
    with pytest.raises(ConfigError, match='"studies": unknown key'):
        parse({"name": "x", "studies": {}})
