"""A pretrained network's own tokenizer: its ids, cut and padded with 0, reach the network that was trained on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from harness import training
from harness.data.datasets import read_tokenizer
from harness.errors import ConfigError, InputError
from harness.store import Run
from harness.subject.trained import TrainedSubject, inputs_of
from tests.subject.test_trained import WORDS, config_of, write_sentences

TEXTS = [f"{' '.join(np.random.default_rng(k).choice(WORDS, 6))}, no. {k}!" for k in range(80)]


def _word_pieces() -> Tokenizer:
    """As BERT's: padding at 0, marks around every text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=marks))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _bytes(*, marked: bool = False) -> Tokenizer:
    """As GPT-2's: bytes first, so that id 0 is a word, and one mark, the last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    end = tokenizer.token_to_id("<|endoftext|>")
    marks = processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", end)])
    tokenizer.post_processor = marks if marked else processors.ByteLevel()
    return tokenizer


TOKENIZERS = {"bert": _word_pieces, "gpt2": _bytes}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pretrained networks as their library saves them, each with its tokenizer; GPT-2's table is larger than needed."""
    paths = {}
    for name, tokenizer in TOKENIZERS.items():
        folder = paths[name] = tmp_path_factory.mktemp(name)
        own = tokenizer()
        torch.manual_seed(0)
        size = own.get_vocab_size()
        if name == "bert":
            settings = BertConfig(
                vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
            )
            network: Any = BertForSequenceClassification(settings)
        else:
            network = GPT2ForSequenceClassification(GPT2Config(vocab_size=size + 7, n_embd=16, n_layer=1, n_head=2))
        network.save_pretrained(folder)
        own.save(str(folder / "tokenizer.json"))
    return paths


@pytest.mark.parametrize(("name", "shift"), [("bert", 0), ("gpt2", 1)])
def test_ids_are_those_of_the_pretrained_tokenizer(name: str, shift: int, folders: dict[str, Path]) -> None:
    own = Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
    read = read_tokenizer(folders[name] / "tokenizer.json", sequence=12)
    assert (read.shift, read.sequence) == (shift, 12)
    assert read.vocabulary == own.get_vocab_size() + shift
    texts = [*TEXTS, "!", "never seen: \u4f60", "film"]
    for text, ids in zip(texts, read.encode(texts), strict=True):
        expected = own.encode(text).ids
        numbers = [int(number) for number in ids if number]
        # A text that is cut keeps the mark at its end, where its tokenizer puts one.
        compared = len(numbers) if len(expected) <= 12 or name == "gpt2" else 11
        assert [number - shift for number in numbers][:compared] == expected[:compared]
        assert len(numbers) == min(len(expected), 12)
        assert ids[len(numbers) :].tolist() == [0] * (12 - len(numbers)), "padding is behind the text, and nowhere else"


def test_special_tokens_are_shifted_like_all_ids(tmp_path: Path) -> None:
    own = _bytes(marked=True)
    own.save(str(tmp_path / "tokenizer.json"))
    read = read_tokenizer(tmp_path / "tokenizer.json", sequence=40)
    (ids,) = read.encode(["bright film"])
    assert [number - 1 for number in ids if number] == own.encode("bright film").ids


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_tokenizer_read_back_from_json_is_unchanged(name: str, folders: dict[str, Path]) -> None:
    from harness.data import datasets

    read = read_tokenizer(folders[name] / "tokenizer.json", sequence=12)
    again = datasets.Tokenizer(json.loads(json.dumps(read.to_json())))
    assert (again.shift, again.digest, again.vocabulary) == (read.shift, read.digest, read.vocabulary)
    np.testing.assert_array_equal(again.encode(TEXTS), read.encode(TEXTS))


@pytest.mark.parametrize(
    ("name", "kind"), [("bert", BertForSequenceClassification), ("gpt2", GPT2ForSequenceClassification)]
)
def test_the_network_answers_as_the_library_does_on_the_tokenizers_own_ids(
    name: str, kind: Any, folders: dict[str, Path], tmp_path: Path
) -> None:
    write_sentences(tmp_path)
    config = config_of("sst2", tmp_path, model={"name": name, "pretrained": str(folders[name])})
    run = Run(tmp_path / "run", config)
    fresh = TrainedSubject.load(config, run)
    assert not fresh.warnings
    fresh.keep(run)
    subject = TrainedSubject.load(config, run)
    subject.check_model()
    records = subject.population("audit")
    model: Any = subject.build(seed=0)

    library = kind.from_pretrained(folders[name], num_labels=2, attn_implementation="eager").eval()
    head = "classifier" if name == "bert" else "score"
    getattr(library, head).load_state_dict(getattr(model.network, head).state_dict())
    if name == "bert":  # the folder's pooler is loaded by both
        torch.testing.assert_close(library.bert.pooler.dense.weight, model.network.bert.pooler.dense.weight)
    own = Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
    own.enable_truncation(16)
    source = (tmp_path / "stsa.binary.train").read_text().splitlines()
    answers = training.predict(model, inputs_of(records))
    for number, answer in zip(records.ids, answers, strict=True):
        ids = torch.tensor([own.encode(source[number][2:]).ids])
        library.config.pad_token_id = -1  # one text at a time needs none
        with torch.inference_mode():
            expected = library(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].numpy()
        np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_weights_without_their_tokenizer_are_warned_about(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(folders["bert"], folder)
    (folder / "tokenizer.json").unlink()
    write_sentences(tmp_path)
    config = config_of("sst2", tmp_path, model={"name": "bert", "pretrained": str(folder)})
    (warning,) = TrainedSubject.load(
        config.with_changes(data=config.data.model_copy(update={"vocabulary": 60}))
    ).warnings
    assert "has no tokenizer.json" in warning
    assert str(folder) in warning


@pytest.mark.parametrize(
    ("content", "message"), [(b"{", "not a tokenizer"), (b"{}", "not a tokenizer"), (b"\xff", "not a tokenizer")]
)
def test_a_damaged_tokenizer_is_refused_with_its_path(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_tokenizer(path, sequence=8)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_with_more_tokens_than_the_network_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    """The tokenizer has more tokens than the network has rows."""
    folder = tmp_path / "weights"
    shutil.copytree(folders["bert"], folder)
    shutil.copy(folders["gpt2"] / "tokenizer.json", folder)
    write_sentences(tmp_path)
    config = config_of("sst2", tmp_path, model={"name": "bert", "pretrained": str(folder)})
    with pytest.raises(ConfigError, match=r"the data set has \d+ token ids, the model in .* has \d+"):
        TrainedSubject.load(config).check_model()
