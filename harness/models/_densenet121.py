"""DenseNet-121 in its form for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.models._blocks import mean_over_image, stem_stride

__all__ = ["DenseNet121"]

# Layers of the four dense blocks.
DEPTHS = (6, 12, 24, 16)
# A layer first reduces its input to this many times the growth.
BOTTLENECK = 4


class DenseNet121(nn.Module):
    """Densely connected network of 121 layers, DenseNet-BC (Huang et al. 2017), with a plain 3 x 3 stem.

    Batch norm comes before the convolution here. Where its input comes from several layers, it cannot be folded into
    any of them, and is a layer of its own in every exported file. Poolings that a small image has no size for are
    left out.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(C, H, W)``.
        width: the growth, channels that each layer adds; 32 is the paper's.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        channels, stride = 2 * width, stem_stride(in_shape)
        side = min(in_shape[1:]) // stride
        self.stem = nn.Conv2d(in_shape[0], channels, 3, stride=stride, padding=1, bias=False)
        layers: list[nn.Module] = []
        for block, depth in enumerate(DEPTHS):
            if block:
                layers.append(_Transition(channels, channels // 2, pools=side >= 2))
                channels, side = channels // 2, side // 2
            layers += [_Layer(channels + number * width, width) for number in range(depth)]
            channels += depth * width
        self.layers = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.head = nn.Linear(channels, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(mean_over_image(self.relu(self.norm(self.layers(self.stem(x))))))
        return logits


class _Layer(nn.Module):
    """Appends ``growth`` channels to the input's."""

    def __init__(self, source: int, growth: int) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.new = nn.Sequential(
            nn.BatchNorm2d(source),
            nn.ReLU(),
            nn.Conv2d(source, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.new(x)), 1)


class _Transition(nn.Sequential):
    """Halves the channels and the image's sides."""

    def __init__(self, source: int, target: int, *, pools: bool) -> None:
        narrow = nn.BatchNorm2d(source), nn.ReLU(), nn.Conv2d(source, target, 1, bias=False)
        super().__init__(*narrow, *((nn.AvgPool2d(2),) if pools else ()))
