"""Reads the tokenizer of a pretrained network, and sets its padding to id 0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.datasets._tokenizer import SHIFTED_PADDING, Tokenizer
from harness.errors import InputError
from harness.packages import require

__all__ = ["read_tokenizer"]

HINT = "give the tokenizer.json that transformers' save_pretrained writes"


def read_tokenizer(path: Path, *, sequence: int) -> Tokenizer:
    """Read a ``tokenizer.json`` and set it to truncate and pad to one length with id 0.

    BERT's own padding has id 0. GPT-2 has no padding, and id 0 is a word: every id is then raised by one, and
    :attr:`Tokenizer.shift` is 1.

    Args:
        path: the file, as the tokenizers library writes it.
        sequence: tokens of a record.

    Raises:
        InputError: the file is not such a tokenizer.
        DependencyError: the package tokenizers is not installed.
    """
    require("tokenizers", extra="text")
    import tokenizers

    try:
        table = json.loads(path.read_bytes())
        tokenizers.Tokenizer.from_str(json.dumps(table))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint=HINT) from None
    except Exception as error:  # the library raises plain Exception for every fault
        raise InputError(f"{path}: not a tokenizer: {' '.join(str(error).split())}", hint=HINT) from None
    padding = _padding(table)
    if padding is None:
        padding = SHIFTED_PADDING
        table = _shifted(table, path)
    backend = tokenizers.Tokenizer.from_str(json.dumps(table))
    backend.enable_truncation(sequence)
    backend.enable_padding(length=sequence, pad_id=0, pad_token=padding)
    return Tokenizer(json.loads(backend.to_str()))


def _padding(table: Mapping[str, Any]) -> str | None:
    """The padding token with id 0; None where id 0 is a token of texts."""
    for added in table.get("added_tokens") or ():
        if added["id"] == 0 and added["special"] and "pad" in added["content"].lower():
            return str(added["content"])
    return None


def _shifted(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The tokenizer with every id raised by one, and padding at 0."""
    model = table["model"]
    if not isinstance(model.get("vocab"), dict):
        raise InputError(
            f"{path}: id 0 is not padding, and the ids of a {model.get('type')} model cannot be raised", hint=HINT
        )
    vocabulary = {SHIFTED_PADDING: 0} | {token: number + 1 for token, number in model["vocab"].items()}
    added = [token | {"id": token["id"] + 1} for token in table.get("added_tokens") or ()]
    return {
        **table,
        "model": {**model, "vocab": vocabulary},
        "added_tokens": added,
        "post_processor": _shifted_marks(table.get("post_processor")),
    }


def _shifted_marks(processor: Any) -> Any:
    """Raise the ids of the marks around a text in a processor: ``["[SEP]", 102]``, or ``"ids": [102]``."""
    if isinstance(processor, dict):
        return {
            key: [number + 1 for number in part] if key == "ids" else _shifted_marks(part)
            for key, part in processor.items()
        }
    if isinstance(processor, list):
        if len(processor) == 2 and isinstance(processor[0], str) and isinstance(processor[1], int):
            return [processor[0], processor[1] + 1]
        return [_shifted_marks(part) for part in processor]
    return processor
