"""What a LiteRT conversion costs cold, cached, and with other weights: ``pytest benchmarks/test_conversion.py -s``.

Processor seconds, one round each: a conversion takes seconds to minutes. The first of a process also imports the
converter, which is paid before anything is timed.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import nn

from harness import export
from tests.architectures import build, digits

NETWORKS = ("cnn", "mlp", "resnet18", "vgg16-bn", "mobilenetv2", "bert", "gpt2", "resnet50", "densenet121")


def network(name: str, seed: int) -> tuple[nn.Module, tuple[int, ...], str]:
    """A network whose every number is drawn, as in a trained one: equal tensors cannot be told apart in a file."""
    inputs, _ = digits(name, 8)
    model, noise = build(name, shape=inputs.shape[1:], seed=seed).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=noise))
        for key, buffer in model.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                buffer.add_(0.1 * torch.rand(buffer.shape, generator=noise))
    return model, inputs.shape[1:], str(inputs.dtype)


def converted(name: str, seed: int, folder: Path, cache: Path | None) -> tuple[float, str]:
    model, shape, dtype = network(name, seed)
    began = time.process_time()
    made = export.export(
        model,
        runtime="litert",
        numerics="fp32",
        sample_shape=shape,
        sample_dtype=dtype,
        path=folder / "f.tflite",
        cache=cache,
    )
    return time.process_time() - began, made.sha256


@pytest.mark.timeout(3600)
def test_other_weights_do_not_pay_again(tmp_path: Path) -> None:
    converted("mlp", 9, tmp_path, None)
    print(f"\n{'processor seconds':18}{'no cache':>10}{'cold':>8}{'again':>8}{'second':>8}{'others':>8}")
    for name in NETWORKS:
        cache = tmp_path / name
        plain, expected = converted(name, 3, tmp_path, None)
        rows = [converted(name, seed, tmp_path, cache) for seed in (1, 1, 2, 3)]
        seconds = "".join(f"{row[0]:8.1f}" for row in rows)
        print(
            f"{name:18}{plain:10.1f}{seconds}  {'the same bytes' if rows[-1][1] == expected else 'OTHER BYTES'}",
            flush=True,
        )
        assert rows[-1][1] == expected
        assert rows[0][1] == rows[1][1]
