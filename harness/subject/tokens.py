"""A run's tokenizer: a pretrained network's own, or trained once on the target's texts; the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import AuditConfig
from harness.data.datasets import Tokenizer, read_tokenizer, train_tokenizer
from harness.errors import InputError, RunError
from harness.store import Run

__all__ = ["keep_tokenizer", "pretrained_tokenizer", "tokenizer_of"]

# The tokenizer as its library reads it, and the digests by which the run knows it again.
FILE = "tokenizer.json"
DIGESTS = "tokenizer.digests.json"


def tokenizer_of(config: AuditConfig, texts: Sequence[str], run: Run | None) -> Tokenizer:
    """The run's tokenizer where it has one, else that of the pretrained network, else one that is trained now.

    Args:
        config: size of the vocabulary and length of a record, and the folder that the network starts from.
        texts: what the target is trained on, and nothing else.
        run: where the stage `train` keeps it; None before there is a run.

    Raises:
        ConfigError, InputError: the pretrained network's tokenizer cannot be used, or none can be trained.
        RunError: the run's tokenizer is missing, altered, or was trained on other texts than these.
    """
    if run is None or not (run.folder / DIGESTS).exists():
        data, own = config.data, pretrained_tokenizer(config)
        if own is not None:
            return read_tokenizer(own, sequence=data.sequence)
        return train_tokenizer(texts, vocabulary=data.vocabulary, sequence=data.sequence)
    known = run.read_json(DIGESTS)
    if known.get("texts") != _digest(texts):
        raise RunError(
            f"{run.folder / FILE}: belongs to other texts than the data set holds now",
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


def pretrained_tokenizer(config: AuditConfig) -> Path | None:
    """The tokenizer beside the weights that the network starts from; None where there are none, or none is there."""
    if config.model.pretrained is None:
        return None
    place = Path(config.model.pretrained) / FILE
    return place if place.is_file() else None


def keep_tokenizer(run: Run, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Write the tokenizer into the run; its digests last, which say that it is whole."""
    table: Mapping[str, Any] = tokenizer.to_json()
    run.write_json(FILE, table)
    run.write_json(DIGESTS, {"tokenizer": tokenizer.digest, "texts": _digest(texts)})


def _digest(texts: Sequence[str]) -> str:
    """SHA-256 over the texts, each with its length before it: no two lists share one."""
    hashed = hashlib.sha256()
    for text in texts:
        data = text.encode()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()
