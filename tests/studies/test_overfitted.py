"""The study of overfitted networks from the training to the page, on tiny networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.attacks import Fit
from harness.attacks.controls import COPY
from harness.errors import RunError, UsageError
from harness.types import Observations
from studies.overfitted import answers, attacking, networks, settings
from studies.overfitted.attacking import FitFolder
from studies.overfitted.command import app
from studies.overfitted.records import membership, read
from studies.overfitted.settings import SETTINGS, Part, Setting, setting_of

TINY = replace(
    SETTINGS["location30"],
    pool=240,
    population=40,
    calibration=16,
    width=16,
    learning_rate=0.01,
    batch_size=20,
    epochs=30,
    finetune_epochs=1,
    networks=7,
    targets=2,
    shadows=1,
    shadow_rows=100,
)


@pytest.fixture(scope="module", autouse=True)
def few_variants() -> Iterator[None]:
    """Three compressed versions instead of ten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "COMPRESSED", ("prune-0.9", "int8", "cluster-4"))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the form of Location-30, whose classes its features say something about."""
    rng = np.random.default_rng(0)
    labels = rng.integers(30, size=TINY.records)
    features = (rng.random((TINY.records, 446)) < 0.1).astype(np.uint8)
    features[np.arange(TINY.records), labels] = 1
    folder = tmp_path_factory.mktemp("data")
    np.savez(folder / "location30.npz", features=features, labels=labels)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of trained networks."""
    folder = tmp_path_factory.mktemp("run")
    networks.conduct(TINY, data, folder, numbers=range(TINY.networks))
    return folder


def labels_of(data: Path) -> np.ndarray:
    records = read(TINY, data)
    return records.labels[: records.asked]


def test_halves_are_drawn_for_each_network_by_itself() -> None:
    halves = np.stack([membership(TINY, number) for number in range(64)])
    assert (halves.sum(axis=1) == TINY.pool // 2).all()
    # The number of networks that were trained on a record is binomial: it has a variance of 16, not of 0.
    assert 10 < halves.sum(axis=0).var() < 24
    assert (membership(TINY, 3) == halves[3]).all()


def test_pool_population_and_calibration_share_no_record(data: Path) -> None:
    records = read(TINY, data)
    assert len(set(records.ids)) == len(records.ids) == TINY.records
    assert records.asked == TINY.pool + TINY.population


@pytest.mark.slow
def test_a_network_answers_everything_in_every_variant(run: Path, data: Path) -> None:
    network = answers.load(TINY, run, [0])[0]
    assert set(network.logits) == set(TINY.variants)
    for logits in network.logits.values():
        assert logits.shape == (TINY.pool + TINY.population, 30)
    assert not np.array_equal(network.logits["original"], network.logits["retrained"])
    right = network.logits["original"].argmax(axis=1) == labels_of(data)
    assert right[: TINY.pool][network.membership == 1].mean() > 0.9


@pytest.mark.slow
def test_a_second_run_trains_only_what_is_missing(run: Path, data: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in run.glob("network-*.npz")}
    first = networks.file_of(run, 2).read_bytes()
    networks.file_of(run, 2).unlink()
    said: list[tuple[str, int, int]] = []
    networks.conduct(TINY, data, run, numbers=range(TINY.networks), progress=lambda *a: said.append(a))
    assert said == [("network 2", TINY.networks, TINY.networks)]
    after = {path.name: path.stat().st_mtime_ns for path in run.glob("network-*.npz")}
    assert {name for name in before if before[name] != after[name]} == {"network-02.npz"}
    again = answers.load(TINY, run, [2])[2]
    assert len(first) > 0
    assert np.array_equal(again.membership, membership(TINY, 2))


@pytest.mark.slow
def test_networks_of_another_training_are_refused(run: Path) -> None:
    with pytest.raises(RunError, match="trained with epochs 30, the setting has 13"):
        answers.load(replace(TINY, epochs=13), run, [0])


@pytest.mark.slow
def test_references_of_a_shadow_are_all_but_the_target_and_the_shadow(run: Path, data: Path) -> None:
    (part,) = TINY.parts
    trained = answers.load(TINY, run, part.networks)
    target = answers.target_of(part, trained, labels_of(data), 0)
    (shadow,) = answers.shadows_of(TINY, part, trained, labels_of(data), 0)
    assert len(target.references) == TINY.networks - 1
    assert len(shadow.references) == TINY.networks - 2
    assert shadow.name == "shadow 6"
    for one in (target, shadow):
        inside = np.asarray(one.reference_membership).sum(axis=0)
        assert (np.minimum(inside, len(one.references) - inside) >= 2).all()
    own = trained[0].logits["original"]
    assert shadow.ids is not None
    # The target's answers are those of none of the shadow's references.
    for reference in shadow.references:
        assert not np.array_equal(reference.logits["original"], own[shadow.ids])
    assert np.array_equal(target.logits[COPY], target.logits["original"])
    assert target.population is not None
    assert len(target.population) == TINY.population


@pytest.mark.slow
def test_the_commands_lead_to_a_page_and_resume(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.SETTINGS, "location30", TINY)
    page = tmp_path / "page.md"
    shared = ["location30", "--data", str(data), "--run", str(run)]
    some = [part for name in ("confidence", "lira", "sr2-rf", "mr-logistic") for part in ("--attack", name)]

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    call("attack", *shared, *some, "-q")
    fits = {path: path.stat().st_mtime_ns for path in run.glob("attacks/**/*.npz")}
    assert len(fits) == TINY.targets * (2 * 6 + 6 + 2)
    call("attack", *shared, *some, "-q")
    assert fits == {path: path.stat().st_mtime_ns for path in run.glob("attacks/**/*.npz")}
    said = call("page", *shared, "--out", str(page))
    text = page.read_text()
    opening = text.split("\n\n")[1]
    assert opening.startswith("A network has learned its training records by heart")
    assert opening.split(". ")[0] in said
    for expected in (
        "| original + prune-0.9 | sr2-rf |",
        "| 3 compressed | mr-logistic |",
        "sr2-rf on original + finetuned",
    ):
        assert expected in text
    result = json.loads((run / "study.json").read_bytes())["parts"][0]
    assert result["targets"] == [0, 1]
    questions = {row["question"] for row in result["comparisons"]}
    assert {"NR", "SR", "SR beyond original-copy", "SR beyond finetuned", "MR", "MR beyond SR"} <= questions


def test_a_setting_whose_first_networks_have_no_clusters_has_two_parts() -> None:
    everyone, clustered = SETTINGS["cifar10"].parts
    assert isinstance(everyone, Part)
    assert not any(variant.startswith("cluster") for variant in everyone.variants)
    assert clustered.networks == tuple(range(8, 16))
    assert {"cluster-4", "cluster-8", "cluster-16"} <= set(clustered.variants)


def test_a_fit_comes_back_as_it_was(tmp_path: Path) -> None:
    fits = FitFolder(tmp_path)
    key = "SR/sr2-rf/original,prune-0.6"
    assert fits.read(key) is None
    fits.write(key, Fit(np.array([0.5, -1.0]), np.array([0.0, 0.0]), 0.75, "few rows", {"step": "best"}))
    again = fits.read(key)
    assert again is not None
    assert again.scores.tolist() == [0.5, -1.0]
    assert (again.shadow_auc, again.cut_note, dict(again.chosen)) == (0.75, "few rows", {"step": "best"})
    assert fits.views() == [key]


def test_fits_of_other_answers_are_refused(tmp_path: Path) -> None:
    def seen(value: float) -> Observations:
        return Observations(labels=np.array([0, 1]), logits={"original": np.array([[value, 0.0], [0.0, 1.0]])})

    fits = FitFolder(tmp_path)
    fits.check(seen(1.0), [])
    fits.check(seen(1.0), [])
    with pytest.raises(RunError, match="fits of other answers"):
        fits.check(seen(2.0), [])


@pytest.mark.parametrize("verb", ["networks", "attack", "page"])
def test_help_shows_an_example_and_the_settings(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "-h"], prog_name="python -m studies.overfitted")
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    assert f"Example: python -m studies.overfitted {verb} location30" in text
    assert "cifar10, location30, ag-news" in text


def test_an_unknown_setting_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'mnist' is not known"):
        setting_of("mnist")


@pytest.mark.parametrize("text", ["x", "3-1", "0-99"])
def test_networks_that_do_not_exist_are_a_usage_error(text: str, data: Path, tmp_path: Path) -> None:
    arguments = ["networks", "location30", "--data", str(data), "--run", str(tmp_path), "--networks", text]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UsageError)
    assert f"--networks {text}" in str(done.exception)


def test_every_setting_takes_its_members_from_its_pool() -> None:
    for setting in SETTINGS.values():
        assert isinstance(setting, Setting)
        for part in setting.parts:
            assert setting.targets <= len(part.networks)
            assert setting.shadows + 1 < len(part.networks)
    assert attacking.CONTROLS == ("finetuned", COPY, "retrained")
