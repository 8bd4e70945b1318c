"""BERT for sequence classification."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from harness.models._transformer import network_of, padding_scores

__all__ = ["Bert"]


class Bert(nn.Module):
    """Bidirectional encoder (Devlin et al. 2019) that classifies by its first token; one segment, post-norm, GELU.

    The layers are the transformers library's; the forward pass around them is written here. It computes the mask from
    the token ids and slices positions and segments from their tables, so that the network has one input and every
    converter can lower it.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(sequence,)``.
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
        settings = BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            max_position_embeddings=self.sequence,
            type_vocab_size=1,
            num_labels=n_classes,
        )
        self.network = network_of(
            BertForSequenceClassification,
            settings,
            n_classes=n_classes,
            sequence=self.sequence,
            vocabulary=vocabulary,
            pretrained=pretrained,
            shift=shift,
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids ``[b, sequence]`` to logits ``[b, n_classes]``."""
        bert = self.network.bert
        tables = bert.embeddings
        x = tables.word_embeddings(ids) + (
            tables.position_embeddings.weight[: self.sequence] + tables.token_type_embeddings.weight[0]
        )
        x = tables.dropout(tables.LayerNorm(x))
        mask = padding_scores(ids, x.dtype)
        for layer in bert.encoder.layer:
            x = layer(x, mask)
        logits: Tensor = self.network.classifier(self.network.dropout(bert.pooler(x)))
        return logits
