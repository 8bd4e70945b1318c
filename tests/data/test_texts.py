"""Text data sets in their layouts, texts that cannot be used, and the tokenizer that is trained on them."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from harness.data import datasets
from harness.errors import ConfigError, DependencyError, InputError
from tests.data.loading import texts_of

WORDS = ("film", "story", "actor", "scene", "dull", "bright", "slow", "warm", "plot", "music")


def sentences(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, 6)) + f" no. {k}" for k in range(n)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_ag_news_reads_the_official_columns(tmp_path: Path) -> None:
    write(tmp_path / "test.csv", '"3","A ""title""","Text, with\\\\marks"\n"1","T","line\nend"\n')
    data = texts_of("ag-news", tmp_path)
    assert data.labels.tolist() == [2, 0]
    assert data.class_names == ("World", "Sports", "Business", "Sci/Tech")
    assert data.inputs == ('A "title" Text, with\\\\marks', "T line\nend")
    ids = data.ids
    write(tmp_path / "train.csv", '"4","a","b"\n')
    both = texts_of("ag-news", tmp_path)
    assert both.source_names == ("train.csv", "test.csv")
    assert both.texts(ids) == list(data.inputs)


def test_ag_news_reads_one_tsv_by_its_own_path(tmp_path: Path) -> None:
    path = write(tmp_path / "part.tsv", 'He said "no.\tSports\nChips\tSci/Tech\n')
    data = texts_of("ag-news", path)
    assert data.inputs == ('He said "no.', "Chips")
    assert data.labels.tolist() == [1, 3]
    with pytest.raises(InputError, match=r"neither train\.csv nor test\.csv"):
        texts_of("ag-news", tmp_path)


def test_sst2_reads_sentences_or_else_phrases(tmp_path: Path) -> None:
    glue = "label\tsentence\r\n0\tdull \r\n1\tit 's \"warm\r\n"
    write(tmp_path / "train.tsv", glue)
    phrases = texts_of("sst2", tmp_path)
    assert phrases.inputs == ("dull ", "it 's \"warm")
    assert phrases.labels.tolist() == [0, 1]
    write(tmp_path / "dev.tsv", "sentence\tlabel\nslow plot\t0\n")
    assert texts_of("sst2", tmp_path).labels.tolist() == [0, 1, 0]
    write(tmp_path / "stsa.binary.dev", "1 a bright film\n0 a dull one\n")
    write(tmp_path / "stsa.binary.train", "1 warm\n")
    whole = texts_of("sst2", tmp_path)
    assert whole.inputs == ("warm", "a bright film", "a dull one")
    assert whole.source_names == ("stsa.binary.train", "stsa.binary.dev")
    assert texts_of("sst2", tmp_path / "train.tsv").inputs == phrases.inputs


@pytest.mark.parametrize("names", [("TREC.train", "TREC.test"), ("train_5500.label", "TREC_10.label")])
def test_trec_takes_the_coarse_class_and_latin_1(tmp_path: Path, names: tuple[str, str]) -> None:
    write(tmp_path / names[0], "LOC:city Where is Z\u00fcrich ?\nNUM:date When ?\n".encode("latin-1"))
    write(tmp_path / names[1], b"HUM:ind Who wrote it \x85 again ?\n")
    data = texts_of("trec", tmp_path)
    assert data.labels.tolist() == [4, 5, 3]
    assert data.inputs[0] == "Where is Z\u00fcrich ?"
    assert data.ids.tolist() == [0, 1, 1_000_000_000]


REVIEWS = {
    "train/pos/3_9.txt": "warm",
    "train/neg/10_2.txt": "dull",
    "train/neg/9_1.txt": "slow",
    "test/pos/0_10.txt": "br\u00efght",
    "test/neg/0_1.txt": "grey",
}


def write_imdb(folder: Path, reviews: dict[str, str] = REVIEWS) -> Path:
    for name, text in reviews.items():
        write(folder / "aclImdb" / name, text)
    write(folder / "aclImdb" / "train" / "unsup" / "0_0.txt", "without a label")
    write(folder / "aclImdb" / "train" / "neg" / "urls.txt", "no review")
    return folder


def pack_imdb(path: Path, reviews: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in reviews.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_imdb_reads_folders_and_archive_alike(tmp_path: Path) -> None:
    unpacked = texts_of("imdb", write_imdb(tmp_path / "a"))
    assert unpacked.inputs == ("slow", "dull", "warm", "grey", "br\u00efght")
    assert unpacked.labels.tolist() == [0, 0, 1, 0, 1]
    assert unpacked.ids.tolist() == [9, 10, 1_000_000_003, 2_000_000_000, 3_000_000_000]
    assert unpacked.class_names == ("neg", "pos")
    inside = texts_of("imdb", tmp_path / "a" / "aclImdb")
    (tmp_path / "b").mkdir()
    packed = {f"./aclImdb/{name}": text.encode() for name, text in reversed(REVIEWS.items())}
    packed |= {"aclImdb/README": b"x", "aclImdb/train/unsup/1_0.txt": b"x"}
    archive = pack_imdb(tmp_path / "b" / "aclImdb_v1.tar.gz", packed)
    for other in (inside, texts_of("imdb", tmp_path / "b"), texts_of("imdb", archive)):
        assert other.inputs == unpacked.inputs
        assert other.ids.tolist() == unpacked.ids.tolist()


def test_an_archive_is_never_unpacked_to_disk(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    reviews = {f"aclImdb/{name}": text.encode() for name, text in REVIEWS.items()}
    reviews["../../train/pos/5_9.txt"] = b"a name that climbs is a name and nothing more"
    data = texts_of("imdb", pack_imdb(folder / "aclImdb_v1.tar.gz", reviews))
    assert len(data) == 6
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "aclImdb_v1.tar.gz"]


def test_a_bad_review_or_archive_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "aclImdb_v1.tar.gz"
    good = {f"aclImdb/{name}": text.encode() for name, text in REVIEWS.items()}
    for change, message in [
        ({"aclImdb/train/pos/3_9.txt": b"ok\nba\xffd"}, r"3_9\.txt: line 2 is not UTF-8"),
        ({"aclImdb/train/pos/3_9.txt": b"x" * (2 << 20)}, r"3_9\.txt: 2,097,152 bytes"),
        ({"aclImdb/train/pos/3_9.txt": b" \n"}, "train/pos: record 1 is an empty text"),
        ({"aclImdb/train/pos/03_8.txt": b"again"}, "two reviews of train/pos have the number 3"),
    ]:
        pack_imdb(path, good | change)
        with pytest.raises(InputError, match=message):
            texts_of("imdb", tmp_path)
    pack_imdb(path, {name: text for name, text in good.items() if "test/pos" not in name})
    with pytest.raises(InputError, match="test/pos has no review"):
        texts_of("imdb", tmp_path)
    pack_imdb(path, {"aclImdb/README": b"x"})
    with pytest.raises(InputError, match="there is no review"):
        texts_of("imdb", tmp_path)
    whole = pack_imdb(path, {f"aclImdb/train/{s}/{k}_1.txt": b"%d" % k * 99 for s in ("pos", "neg") for k in range(99)})
    path.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"aclImdb_v1\.tar\.gz: truncated or not a packed tar"):
        texts_of("imdb", tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="none of train/neg"):
        texts_of("imdb", tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("ag-news", "test.csv", '"5","a","b"\n', r"line 1: class '5' is none of 1, 2, 3, 4"),
        ("ag-news", "test.csv", '"1","a","b"\n"1","a"\n', "line 2 has 2 cells, expected class, title, description"),
        ("ag-news", "test.csv", '"1","a",""\n"1","",""\n', "record 2 is an empty text"),
        ("ag-news", "test.csv", '"1","a","b\n', "line 1: unexpected end of data"),
        ("ag-news", "test.csv", b'"1","a","b"\n"1","\xe9","b"\n', "line 2 is not UTF-8"),
        ("sst2", "stsa.binary.train", "1 a\n2 b\n", "line 2: class '2' is none of 0, 1"),
        ("sst2", "stsa.binary.train", "1 a\n0\n", "record 2 is an empty text"),
        ("sst2", "stsa.binary.train", b"1 a\n0 \xff\n", "line 2 is not UTF-8"),
        ("sst2", "train.tsv", "label\ttext\n1\ta\n", "columns label, text, expected label and sentence"),
        ("sst2", "train.tsv", "label\tsentence\n1\ta\tb\n", "line 2 has 3 cells"),
        ("trec", "TREC.train", "LOC:city Where ?\nWHO:x Who ?\n", "line 2: class 'WHO' is none of ABBR"),
        ("trec", "TREC.train", "LOC:city Where ?\nHUM:ind\n", "record 2 is an empty text"),
    ],
)
def test_a_bad_line_of_text_is_refused_with_file_and_line(
    tmp_path: Path, name: str, file: str, content: str | bytes, message: str
) -> None:
    write(tmp_path / file, content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.load(name, data_dir=tmp_path)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ag-news", "sst2", "trec", "imdb"])
def test_missing_folders_and_files_of_texts_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} needs data_dir"):
        datasets.load(name)
    with pytest.raises(InputError, match=r"there is (none|neither)"):
        datasets.load(name, data_dir=tmp_path)


def test_copies_of_a_text_get_one_role_at_most(tmp_path: Path) -> None:
    rows = [*sentences(30), *sentences(5)]
    write(tmp_path / "stsa.binary.train", "".join(f"{k % 2} {text}\n" for k, text in enumerate(rows)))
    split = datasets.split(texts_of("sst2", tmp_path), members=10, nonmembers=10, shadows=1, seed=0)
    assert split.duplicates_removed == 5
    assert len(split.everyone()) == 30


def test_a_tokenizer_cuts_pads_and_marks() -> None:
    tokenizer = datasets.train_tokenizer(sentences(50), vocabulary=120, sequence=12)
    ids = tokenizer.encode(["film", "FILM", "film " * 40, "", "\u4f60"])
    assert ids.shape == (5, 12)
    assert ids.dtype == np.int64
    assert ids[0].tolist()[0] == 2
    assert ids[0].tolist()[2:] == [3] + [0] * 9
    np.testing.assert_array_equal(ids[0], ids[1])
    assert (ids[2] != 0).all()
    assert ids[2, -1] == 3
    assert ids[3].tolist() == [2, 3] + [0] * 10
    assert ids[4].tolist()[:3] == [2, 1, 3], "a character that was never seen is unknown"
    assert ids.max() < tokenizer.vocabulary <= 120


def test_no_word_that_occurs_once_becomes_a_token() -> None:
    tokenizer = datasets.train_tokenizer([*sentences(50), "xylophonist"], vocabulary=4000, sequence=32)
    assert "xylophonist" not in tokenizer.to_json()["model"]["vocab"]
    assert "film" in tokenizer.to_json()["model"]["vocab"]


def test_a_tokenizer_read_back_from_json_is_unchanged() -> None:
    tokenizer = datasets.train_tokenizer(sentences(50), vocabulary=120, sequence=12)
    again = datasets.Tokenizer(tokenizer.to_json())
    assert again.digest == tokenizer.digest
    assert (again.vocabulary, again.sequence) == (tokenizer.vocabulary, 12)
    np.testing.assert_array_equal(again.encode(sentences(60)), tokenizer.encode(sentences(60)))


def test_equal_texts_give_an_equal_tokenizer_in_every_process() -> None:
    code = (
        "from harness.data.datasets import train_tokenizer as t; import numpy as np; r = np.random.default_rng(1)\n"
        "w = [''.join(r.choice(list('abcdefghij'), 5)) for _ in range(300)]\n"
        "print(t([' '.join(r.choice(w, 20)) for _ in range(200)], vocabulary=600, sequence=16).digest)"
    )
    env = {"PATH": "", "RAYON_NUM_THREADS": "1"}
    runs = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=extra).stdout
        for extra in ({"PATH": ""}, {"PATH": ""}, env)
    ]
    assert len(set(runs)) == 1
    assert len(runs[0].strip()) == 64


def test_a_vocabulary_below_the_alphabet_is_refused() -> None:
    texts = ["".join(chr(0x4E00 + 40 * k + i) for i in range(40)) for k in range(5)]
    with pytest.raises(ConfigError, match=r"data\.vocabulary: 100 tokens, the texts hold 200 different characters"):
        datasets.train_tokenizer(texts, vocabulary=100, sequence=8)


@pytest.mark.parametrize("change", [{"model": None}, {"padding": None}, {"truncation": None}, {"version": "9"}])
def test_json_of_another_tokenizer_is_refused(change: dict[str, object]) -> None:
    tokenizer = datasets.train_tokenizer(sentences(9), vocabulary=60, sequence=8)
    with pytest.raises(InputError, match="tokenizer: ") as caught:
        datasets.Tokenizer({**tokenizer.to_json(), **change})
    assert "\n" not in str(caught.value)


def test_without_tokenizers_training_one_is_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match=r"tokenizers is not installed.*edgeleak\[text\]"):
        datasets.train_tokenizer(["a"], vocabulary=60, sequence=8)
