"""GPT-2 for sequence classification."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2ForSequenceClassification
from transformers.pytorch_utils import Conv1D

from harness.models._transformer import HIDDEN, network_of, padding_scores

__all__ = ["Gpt2"]


class Gpt2(nn.Module):
    """Causal decoder (Radford et al. 2019) that classifies by the last token before the padding; pre-norm, GELU.

    The layers are the transformers library's, with two changes. Its ``Conv1D``, a linear layer with a transposed
    weight, becomes ``nn.Linear``, so that pruning, clustering and every quantizer recognise the weights. Queries, keys
    and values, which the library computes as one product and splits, are three layers, as in BERT: ExecuTorch 1.4
    fixes the batch size of a split. The forward pass around the layers is written here, as in
    :class:`~harness.models._bert.Bert`.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(sequence,)``; a record holds one token at least.
        width: size of a token's vector, a multiple of ``heads``.
        vocabulary: number of token ids; 0 is padding.
        layers: number of layers.
        heads: attention heads of each layer.
        pretrained: folder of the initial weights; its width, layers and heads then apply.
        shift: difference between a data set's token id and the folder's id of the same token.

    Raises:
        ConfigError: see :func:`network_of`.
    """

    def __init__(
        self,
        *,
        n_classes: int,
        in_shape: tuple[int, ...],
        width: int,
        vocabulary: int,
        layers: int,
        heads: int,
        pretrained: str | None,
        shift: int,
    ) -> None:
        super().__init__()
        (self.sequence,) = in_shape
        settings = GPT2Config(
            vocab_size=vocabulary,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            n_positions=self.sequence,
            num_labels=n_classes,
            bos_token_id=None,
            eos_token_id=None,
        )
        self.network = network_of(
            GPT2ForSequenceClassification,
            settings,
            n_classes=n_classes,
            sequence=self.sequence,
            vocabulary=vocabulary,
            pretrained=pretrained,
            shift=shift,
        )
        for block in self.network.transformer.h:
            block.attn = _Attention(block.attn)
            block.mlp.c_fc, block.mlp.c_proj = _linear(block.mlp.c_fc), _linear(block.mlp.c_proj)
        # Constants, not weights: they are not saved.
        self.later: Tensor
        self.places: Tensor
        later = torch.ones(self.sequence, self.sequence).triu(1) * -HIDDEN
        self.register_buffer("later", later, persistent=False)
        self.register_buffer("places", torch.arange(1, self.sequence + 1), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids ``[b, sequence]`` to logits ``[b, n_classes]``."""
        decoder = self.network.transformer
        x = decoder.drop(decoder.wte(ids) + decoder.wpe.weight[: self.sequence])
        mask = padding_scores(ids, x.dtype) + self.later
        for block in decoder.h:
            x = block(x, attention_mask=mask)
        # The position of the last token, in integers, which no number format rounds, and without indexing, which not
        # every converter can lower for a batch of any size.
        positions = (ids != 0).to(ids.dtype) * self.places
        last = (positions == positions.amax(1, keepdim=True)).to(x.dtype)
        logits: Tensor = self.network.score((last[:, None, :] @ decoder.ln_f(x)).squeeze(1))
        return logits


class _Attention(nn.Module):
    """The library's attention with the same weights, as separate layers for queries, keys and values.

    Args:
        attention: the library's module.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        width = attention.embed_dim
        self.query, self.key, self.value = (
            _linear(attention.c_attn, slice(start, start + width)) for start in range(0, 3 * width, width)
        )
        self.c_proj = _linear(attention.c_proj)
        self.heads, self.scaling = attention.num_heads, attention.scaling
        self.attn_dropout, self.resid_dropout = attention.attn_dropout, attention.resid_dropout

    def forward(self, x: Tensor, *, attention_mask: Tensor, **_cache: object) -> tuple[Tensor, None]:
        """Map ``[b, sequence, width]`` to the same shape; the mask is added to the scores."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) * self.scaling + attention_mask
        context = self.attn_dropout(scores.softmax(-1)) @ value
        return self.resid_dropout(self.c_proj(context.transpose(1, 2).flatten(2))), None


def _linear(conv: Conv1D, columns: slice = slice(None)) -> nn.Linear:
    """Columns of the library's layer as an ``nn.Linear``."""
    weight, bias = conv.weight.detach()[:, columns].T, conv.bias.detach()[columns]
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.load_state_dict({"weight": weight, "bias": bias})
    return linear
