"""A run's tokenizer: trained once, on the texts that the target is trained on, and the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from harness.config import DataConfig
from harness.datasets import Tokenizer, train_tokenizer
from harness.errors import InputError, RunError
from harness.run import Run

__all__ = ["keep_tokenizer", "tokenizer_of"]

# The tokenizer as its library reads it, and the digests by which the run knows it again.
FILE = "tokenizer.json"
DIGESTS = "tokenizer.digests.json"


def tokenizer_of(data: DataConfig, texts: Sequence[str], run: Run | None) -> Tokenizer:
    """The run's tokenizer where it has one, else one that is trained now.

    Args:
        data: size of the vocabulary and length of a record.
        texts: what the target is trained on, and nothing else.
        run: where the stage `train` keeps it; None before there is a run.

    Raises:
        RunError: the run's tokenizer is missing, altered, or was trained on other texts than these.
    """
    if run is None or not (run.folder / DIGESTS).exists():
        return train_tokenizer(texts, vocabulary=data.vocabulary, sequence=data.sequence)
    known = run.read_json(DIGESTS)
    if known.get("texts") != _digest(texts):
        raise RunError(
            f"{run.folder / FILE}: was trained on other texts than the data set holds now",
            hint="put the data set's files back as they were, or start over with --fresh",
        )
    try:
        tokenizer = Tokenizer(run.read_json(FILE))
    except InputError as error:
        raise RunError(f"{run.folder / FILE}: {error.message}", hint="start over with --fresh") from None
    if known.get("tokenizer") != tokenizer.digest:
        raise RunError(
            f"{run.folder / FILE}: is not the tokenizer that this run was trained with",
            hint="put it back, or start over with --fresh",
        )
    return tokenizer


def keep_tokenizer(run: Run, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Write the tokenizer into the run; its digests last, which say that it is whole."""
    table: Mapping[str, Any] = tokenizer.to_json()
    run.write_json(FILE, table)
    run.write_json(DIGESTS, {"tokenizer": tokenizer.digest, "texts": _digest(texts)})


def _digest(texts: Sequence[str]) -> str:
    """SHA-256 over the texts, each with its length before it: no two lists share one."""
    found = hashlib.sha256()
    for text in texts:
        data = text.encode()
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()
