"""Quantization-aware training: fine-tuning while weights and activations are rounded to int8."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.errors import ArtifactError
from harness.packages import require
from harness.silence import converting

__all__ = ["quantization_aware"]

# Any size but 0 and 1, which torch.export treats as constants.
EXAMPLE_BATCH = 2
MAX_BATCH = 4096


def quantization_aware(
    model: nn.Module, *, finetune: Callable[..., None], sample_shape: tuple[int, ...]
) -> tuple[nn.Module, dict[str, object]]:
    """Fine-tune with torchao's PT2E fake quantization, and return the resulting float weights.

    Jacob et al. (2018): weights are rounded per channel, activations per tensor with moving ranges, batch norm is
    folded on the fly, gradients pass the rounding unchanged. Export then quantizes these weights as it does any
    others, so one training is enough for every runtime.

    Args:
        model: changed in place.
        finetune: called as ``finetune(prepared)``.
        sample_shape: shape of one record.

    Raises:
        ArtifactError: the network cannot be traced or annotated.
        DependencyError: ExecuTorch or torchao is not installed.
    """
    require("executorch", "torchao", extra="executorch")
    # A network with an embedding takes token ids.
    dtype = torch.int64 if any(isinstance(part, nn.Embedding) for part in model.modules()) else torch.float32
    example = torch.zeros((EXAMPLE_BATCH, *sample_shape), dtype=dtype)
    with converting("int8-qat"):
        prepared = _prepared(model.train(), example)
    finetune(prepared)
    trained = prepared.state_dict()
    missing = sorted(model.state_dict().keys() - trained.keys())
    if missing:
        raise ArtifactError(f"int8-qat: the prepared network has no parameter {missing[0]}", hint="leave int8-qat out")
    model.load_state_dict({name: trained[name] for name in model.state_dict()})
    return model, {"fake_quantized": "torchao PT2E, XNNPACK's int8 scheme"}


def _prepared(model: nn.Module, example: Tensor) -> nn.Module:
    """The traced network with fake quantization; training and evaluation mode can be set on it."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e import allow_exported_model_train_eval
    from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

    shapes = ({0: torch.export.Dim("batch", min=1, max=MAX_BATCH)},)
    graph = torch.export.export(model, (example,), dynamic_shapes=shapes).module()
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True, is_qat=True))
    prepared: nn.Module = allow_exported_model_train_eval(prepare_qat_pt2e(graph, quantizer))
    return prepared
