"""Weight clustering: a few shared values per tensor, fine-tuned together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from harness.compression._fuse import fuse
from harness.compression._kmeans import kmeans_line
from harness.compression._layers import weights_of
from harness.training import Clusters

__all__ = ["cluster"]


def cluster(
    model: nn.Module, *, k: int, finetune: Callable[..., None], sample_shape: tuple[int, ...]
) -> tuple[nn.Module, dict[str, object]]:
    """Share k values in each convolution's and linear layer's weight, then fine-tune the values (Han et al. 2016).

    Batch norm is folded first: folded later, it would scale each output channel by its own factor and the file would
    hold up to k values per channel. The assignment is computed once and does not change; in fine-tuning a shared
    value's gradient is the sum over its weights.

    Args:
        model: the trained original; a folded copy is changed.
        k: shared values per tensor; a tensor with fewer distinct values keeps its own.
        finetune: called as ``finetune(model, clusters=...)`` on the clustered model.
        sample_shape: shape of one record, to verify the folding.
    """
    folded, difference = fuse(model, sample_shape=sample_shape)
    clusters = {}
    for name, weight in weights_of(folded).items():
        ids, codebook = kmeans_line(weight.detach().numpy(), k=k)
        clusters[name] = Clusters(torch.from_numpy(ids), torch.from_numpy(codebook))
        weight.data.copy_(torch.from_numpy(codebook[ids]))
    finetune(folded, clusters=clusters)
    values = {name: len(torch.unique(weight.detach())) for name, weight in weights_of(folded).items()}
    return folded, {"distinct_values": values, "folding_max_difference": difference}
