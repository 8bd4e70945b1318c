"""What an audit is made of, for text, tables and image folders: from a configuration to the records of every stage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import training
from harness.config import AuditConfig, parse
from harness.errors import ConfigError, RunError
from harness.store import Run
from harness.subject.trained import TrainedSubject, inputs_of

WORDS = ("film", "story", "actor", "scene", "dull", "bright", "slow", "warm", "plot", "music")


def write_sentences(folder: Path, *, n: int = 120, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    rows = [f"{k % 2} {' '.join(rng.choice(WORDS, 8))} no. {k}" for k in range(n)]
    (folder / "stsa.binary.train").write_text("\n".join(rows) + "\n")


def config_of(name: str, place: Path, **changes: object) -> AuditConfig:
    data = {"name": name, "data_dir": str(place), "members": 30, "nonmembers": 30, "population": 10, "calibration": 5}
    table: dict[str, object] = {
        "name": "own",
        "seed": 3,
        "data": data | {"vocabulary": 150, "sequence": 16, "shadow_pool": 20},
        "training": {"shadows": 2},
        "mis": {"enabled": False},
    }
    return parse({**table, **changes})


@pytest.fixture
def text(tmp_path: Path) -> AuditConfig:
    folder = tmp_path / "data"
    folder.mkdir()
    write_sentences(folder)
    return config_of("sst2", folder)


def test_texts_become_token_ids_by_the_members_words(text: AuditConfig) -> None:
    subject = TrainedSubject.load(text)
    data = subject.dataset
    assert (data.kind, data.in_shape, data.in_dtype) == ("text", (16,), "int64")
    assert data.vocabulary <= 150
    records = subject.training_records("target")
    assert records.ids.tolist() == subject.split.members.tolist()
    inputs, labels = subject.training_arrays("shadow-0")
    assert inputs.dtype == np.int64
    assert inputs.shape == (len(labels), 16)
    assert inputs_of(subject.population("audit")).shape == (60, 16)
    source = (Path(text.data.data_dir or "") / "stsa.binary.train").read_text().splitlines()
    assert subject.text is not None
    assert subject.text.training == [source[k][2:] for k in subject.split.members]


def test_another_load_gives_the_same_bytes(text: AuditConfig) -> None:
    first, again = TrainedSubject.load(text), TrainedSubject.load(text)
    assert first.dataset.inputs.tobytes() == again.dataset.inputs.tobytes()
    assert first.dataset.ids.tolist() == again.dataset.ids.tolist()


def test_the_null_twin_learns_its_words_from_its_own_training_set(text: AuditConfig) -> None:
    real, null = TrainedSubject.load(text), TrainedSubject.load(text.with_changes(null=True))
    assert real.text is not None
    assert null.text is not None
    assert len(null.text.training) == len(null.split.training)
    assert set(null.text.training).isdisjoint(real.text.training)


@pytest.fixture
def run(tmp_path: Path, text: AuditConfig) -> Run:
    run = Run(tmp_path / "run", text)
    TrainedSubject.load(text, run).keep(run)
    return run


def test_a_run_keeps_its_tokenizer_and_reads_with_it(
    text: AuditConfig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = TrainedSubject.load(text)
    assert json.loads((run.folder / "split.json").read_bytes()) == fresh.split.to_json()
    monkeypatch.setattr(
        "harness.subject.tokens.train_tokenizer", lambda *_args, **_options: pytest.fail("trained anew")
    )
    kept = TrainedSubject.load(text, run)
    assert kept.dataset.inputs.tobytes() == fresh.dataset.inputs.tobytes()
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    kept.keep(run)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    assert not any("no. 7" in path.read_text() for path in run.folder.iterdir()), "a run holds no record"


def test_another_tokenizer_in_the_run_is_refused(text: AuditConfig, run: Run) -> None:
    path = run.folder / "tokenizer.json"
    table = json.loads(path.read_bytes())
    table["truncation"]["max_length"] = table["padding"]["strategy"]["Fixed"] = 8
    path.write_text(json.dumps(table))
    with pytest.raises(RunError, match=r"tokenizer\.json: is not the tokenizer that this run was trained with"):
        TrainedSubject.load(text, run)
    path.write_text(json.dumps({"model": {}}))
    with pytest.raises(RunError, match=r"tokenizer\.json: tokenizer: not readable.*--fresh"):
        TrainedSubject.load(text, run)
    path.write_text("{")
    with pytest.raises(RunError, match=r"tokenizer\.json: damaged"):
        TrainedSubject.load(text, run)
    path.unlink()
    with pytest.raises(RunError, match=r"tokenizer\.json: missing"):
        TrainedSubject.load(text, run)


def test_other_texts_under_the_run_are_refused(text: AuditConfig, run: Run) -> None:
    write_sentences(Path(text.data.data_dir or ""), seed=1)
    with pytest.raises(RunError, match=r"tokenizer\.json: belongs to other texts than the data set holds now"):
        TrainedSubject.load(text, run)


def test_noise_and_flips_are_refused_where_they_mean_nothing(text: AuditConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"attack\.names: samia adds noise.*sst2"):
        TrainedSubject.load(text.with_changes(attack=text.attack.model_copy(update={"names": ("samia",)})))
    augmented = text.training.model_copy(update={"augment": True})
    with pytest.raises(ConfigError, match=r"training\.augment: .*data set sst2 holds text records"):
        TrainedSubject.load(text.with_changes(training=augmented))
    table = tmp_path / "own.npz"
    np.savez(table, inputs=np.random.default_rng(0).normal(size=(120, 3)), labels=np.arange(120) % 2)
    own = config_of("npz", table, attack={"names": ["samia"]})
    assert TrainedSubject.load(own).dataset.kind == "table"
    with pytest.raises(ConfigError, match="holds table records"):
        TrainedSubject.load(own.with_changes(training=augmented))


def test_only_images_with_a_role_are_decoded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(120):
        path = tmp_path / "images" / "ab"[k % 2] / f"{k:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    subject = TrainedSubject.load(config_of("image-folder", tmp_path / "images"))
    assert subject.dataset.in_shape == (3, 64, 64)
    assert len(subject.dataset) == len(subject.split.everyone()) == 95
    assert subject.population("audit").inputs["args_0"].shape == (60, 3, 64, 64)


def test_a_column_of_classes_is_named_in_the_configuration(tmp_path: Path) -> None:
    rows = [f"{k % 3},{k},{k * k}" for k in range(120)]
    (tmp_path / "own.csv").write_text("kind,x,y\n" + "\n".join(rows) + "\n")
    config = config_of("csv", tmp_path / "own.csv")
    named = config.with_changes(data=config.data.model_copy(update={"label": "kind"}))
    subject = TrainedSubject.load(named)
    assert subject.dataset.n_classes == 3
    assert subject.warnings == ()
    assert named.digest() != config.digest()


def test_weights_of_another_network_are_refused_with_a_next_step(tmp_path: Path) -> None:
    config = parse({"name": "own", "data": {"members": 100, "nonmembers": 100}, "mis": {"enabled": False}})
    wider = config.with_changes(model=config.model.model_copy(update={"width": 40}))
    run = Run(tmp_path / "run", config)
    subject = TrainedSubject.load(config)
    training.save_weights(
        run.path("models", "target", "original.safetensors"), TrainedSubject.load(wider).build(seed=0).state_dict()
    )
    with pytest.raises(RunError, match=r"original\.safetensors: the weights are not of the network .*--fresh"):
        subject.load_model(run, "target", "original")
