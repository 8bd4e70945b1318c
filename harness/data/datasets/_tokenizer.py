"""Tokenizer by byte-pair encoding (Sennrich et al. 2016), trained on the training texts of the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, InputError
from harness.packages import require

__all__ = ["SHIFTED_PADDING", "Tokenizer", "train_tokenizer"]

# Special tokens; their ids are their positions. Every text becomes [CLS] tokens [SEP], so no record is only padding.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
# The padding token added to a pretrained network's tokenizer without padding at id 0; no text contains this token.
SHIFTED_PADDING = "<padding, id 0>"
# A pair of pieces becomes a token if it occurs this often, so that no word of a single occurrence is in the tokenizer.
LEAST_FREQUENT = 2


class Tokenizer:
    """A trained tokenizer.

    Args:
        table: the library's JSON object, as :meth:`to_json` returns it.

    Raises:
        InputError: the object is not a tokenizer, or it does not pad with id 0.
        DependencyError: the package tokenizers is not installed.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        require("tokenizers", extra="text")
        import tokenizers

        self._table = table
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(table))
        except Exception as error:  # the library raises plain Exception for every fault
            raise InputError(f"tokenizer: not readable: {error}", hint="train again") from None
        truncation, padding = self._tokenizer.truncation or {}, self._tokenizer.padding or {}
        self.sequence: int = truncation.get("max_length", 0)
        if not self.sequence or padding.get("length") != self.sequence or padding.get("pad_id") != 0:
            raise InputError("tokenizer: does not truncate and pad to one length with id 0", hint="train again")

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def shift(self) -> int:
        """Difference to the ids of the pretrained network: 1 where padding was inserted at id 0, else 0."""
        return int(self._tokenizer.token_to_id(SHIFTED_PADDING) == 0)

    @property
    def digest(self) -> str:
        """SHA-256 of :meth:`to_json` with sorted keys."""
        return hashlib.sha256(json.dumps(self._table, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> Mapping[str, Any]:
        """The library's JSON object, the content of `tokenizer.json`."""
        return self._table

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids, int64 ``[n, sequence]``: truncated where a text is longer, padded with 0 where it is shorter."""
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        return np.array([encoding.ids for encoding in encoded], dtype=np.int64).reshape(len(texts), self.sequence)


def train_tokenizer(texts: Sequence[str], *, vocabulary: int, sequence: int) -> Tokenizer:
    """Train a tokenizer; equal texts give equal tokenizers for any number of threads.

    Byte-pair encoding and not WordPiece: the library's WordPiece trainer numbers its tokens in another order each time.
    Texts are lower-cased, accents are removed, and tokens do not cross spaces or punctuation marks.

    Args:
        texts: the target's training texts only.
        vocabulary: largest number of tokens, including the four special ones.
        sequence: tokens of a record, including the two marks around it.

    Raises:
        ConfigError: the texts hold more different characters than ``vocabulary``.
        DependencyError: the package tokenizers is not installed.
    """
    require("tokenizers", extra="text")
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

    unknown, start, end = SPECIAL[1:]
    backend = tokenizers.Tokenizer(models.BPE(unk_token=unknown))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=LEAST_FREQUENT, special_tokens=list(SPECIAL), show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    if backend.get_vocab_size() > vocabulary:
        raise ConfigError(
            f"data.vocabulary: {vocabulary} tokens, the texts hold {backend.get_vocab_size() - len(SPECIAL)} "
            f"different characters",
            hint="give a larger vocabulary",
        )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(mark, SPECIAL.index(mark)) for mark in (start, end)]
    )
    backend.enable_truncation(sequence)
    backend.enable_padding(length=sequence, pad_id=0, pad_token=SPECIAL[0])
    return Tokenizer(json.loads(backend.to_str()))
