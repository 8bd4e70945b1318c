"""Networks for text: the library's own answers, padding without effect on the logits, and weights from a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness import models
from harness.errors import ConfigError

SEQUENCE, VOCABULARY = 12, 40


def build(name: str, **asked: Any) -> Any:
    """A network of a few tokens; what it is inside, the transformers library decides."""
    wanted: dict[str, Any] = {"n_classes": 3, "in_shape": (SEQUENCE,), "width": 8, "vocabulary": VOCABULARY} | asked
    return models.build(name, **wanted)


def token_ids(n: int) -> torch.Tensor:
    """Records of every length from one token to no padding at all."""
    ids = torch.randint(1, VOCABULARY, (n, SEQUENCE), generator=torch.Generator().manual_seed(0))
    for row, length in enumerate(torch.linspace(1, SEQUENCE, n).round().long()):
        ids[row, length:] = 0
    return ids


@pytest.mark.parametrize("layers", [1, 3])
def test_bert_answers_as_the_library_does(layers: int) -> None:
    model, ids = _as_trained(build("bert", layers=layers, heads=4)), token_ids(16)
    with torch.inference_mode():
        expected = model.network(input_ids=ids, attention_mask=(ids != 0).long()).logits
        torch.testing.assert_close(model(ids), expected, atol=1e-6, rtol=1e-5)
    assert len(model.network.bert.encoder.layer) == layers


@pytest.mark.parametrize("layers", [1, 3])
def test_gpt2_answers_as_the_library_does(layers: int) -> None:
    model, ids = _as_trained(build("gpt2", layers=layers, heads=4)), token_ids(16)
    library = _library_gpt2(model)
    library.config.pad_token_id = 0
    with torch.inference_mode():
        expected = library(input_ids=ids, attention_mask=(ids != 0).long()).logits
        torch.testing.assert_close(model(ids), expected, atol=1e-6, rtol=1e-5)
    assert len(model.network.transformer.h) == layers


def _library_gpt2(model: Any) -> Any:
    """The same weights in the library's own layers."""
    from transformers import GPT2ForSequenceClassification

    network = GPT2ForSequenceClassification(model.network.config).eval()
    ours = model.network.state_dict()
    theirs = {}
    for key in network.state_dict():
        if ".c_attn." in key:
            parts = [ours[key.replace("c_attn", part)] for part in ("query", "key", "value")]
            theirs[key] = torch.cat(parts).movedim(0, -1)
        else:
            theirs[key] = ours[key].T if key.endswith(("c_proj.weight", "c_fc.weight")) else ours[key]
    network.load_state_dict(theirs)
    return network


def _as_trained(model: Any) -> Any:
    """Weights of a size that training leaves behind: fresh ones answer almost the same to everything."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0.0, 0.3, generator=generator)
    return model.eval()


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_padding_does_not_change_the_logits(name: str) -> None:
    short = _as_trained(build(name, in_shape=(6,)))
    long = build(name).eval()
    # The same weights, with positions that the short one does not have; they are random.
    weights = long.state_dict()
    for key, value in short.state_dict().items():
        weights[key] = torch.cat([value, weights[key][6:]]) if weights[key].shape != value.shape else value
    long.load_state_dict(weights)
    ids = token_ids(9)[:, :6]
    padded = torch.cat([ids, torch.zeros(9, SEQUENCE - 6, dtype=torch.int64)], 1)
    with torch.inference_mode():
        torch.testing.assert_close(long(padded), short(ids), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_dropout_is_active_in_training_only(name: str) -> None:
    model, ids = build(name), token_ids(4)
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.1}
    assert not torch.equal(model.train()(ids), model(ids))
    assert torch.equal(model.eval()(ids), model(ids))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights as a user has them on disk: the library's own files, with another number of classes."""
    paths = {}
    for name in ("bert", "gpt2"):
        model = build(name, n_classes=5, width=16, layers=1, heads=4, seed=7)
        network = _library_gpt2(model) if name == "gpt2" else model.network
        paths[name] = tmp_path_factory.mktemp(name)
        network.save_pretrained(paths[name])
    return paths


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_folder_gives_its_weights_and_a_fresh_head(
    name: str, folders: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    origin = build(name, n_classes=5, width=16, layers=1, heads=4, seed=7).state_dict()
    model = build(name, pretrained=str(folders[name]), width=9, heads=1, seed=3)
    weights = model.state_dict()
    heads = {key for key in weights if key.startswith(("network.classifier", "network.score"))}
    assert heads
    assert all(torch.equal(origin[key], weights[key]) for key in weights.keys() - heads)
    assert model.eval()(token_ids(4)).shape == (4, 3)
    again = build(name, pretrained=str(folders[name]), seed=3).state_dict()
    assert all(torch.equal(weights[key], again[key]) for key in heads)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"vocabulary": 41}, "the data set has 41 token ids, the model in .* has 40.*data.vocabulary = 40"),
        ({"in_shape": (13,)}, "records have 13 tokens, the model in .* takes 12.*data.sequence = 12"),
    ],
)
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_network_too_small_for_the_data_is_refused_with_both_sizes(
    name: str, asked: Any, message: str, folders: dict[str, Path]
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(name, pretrained=str(folders[name]), **asked)


def test_a_folder_of_another_family_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"holds a gpt2 model, model\.name asks for bert"):
        build("bert", pretrained=str(folders["gpt2"]))


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)


def _pickles_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _other_size(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 32}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_nothing, "is not a folder with config.json and"),
        (_pickles_only, "is not a folder with config.json and"),
        (_truncated, "cannot be loaded"),
        (_no_json, "cannot be loaded"),
        (_other_size, "has no bert.* of the network's shape"),
    ],
)
def test_a_bad_folder_of_weights_is_refused_on_one_line_with_its_path(
    damage: Callable[[Path], None], message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(folders["bert"], folder)
    damage(folder)
    with pytest.raises(ConfigError, match=message) as caught:
        build("bert", pretrained=str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.slow
def test_building_a_text_model_prints_nothing() -> None:
    """The transformers library looks for optional packages when it is imported, and some of them print warnings."""
    code = (
        "from harness import models\n"
        "models.build('bert', n_classes=2, in_shape=(4,), width=4, vocabulary=9)\n"
    )  # fmt: skip
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert (process.stdout, process.stderr) == ("", "")
