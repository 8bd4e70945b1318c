"""MobileNetV2 in its form for small images."""

from __future__ import annotations

from torch import Tensor, nn

from harness.models._blocks import conv_norm, mean_over_image, stem_stride

__all__ = ["MobileNetV2"]

# Expansion, channels, repeats and stride of the paper's stages. The second stage has stride 2 in the paper, for images
# of 224 x 224; with stride 1 there and in the stem, 32 x 32 images end as 4 x 4.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# Channels of the paper's first and last convolution.
FIRST, LAST = 32, 1280


class MobileNetV2(nn.Module):
    """Inverted residuals with linear bottlenecks (Sandler et al. 2018).

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(C, H, W)``.
        width: channels of the first convolution; 32 is the paper's, and all others scale with it.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(1, round(channels * width / FIRST))

        self.stem = conv_norm(in_shape[0], width, 3, stride=stem_stride(in_shape), act=nn.ReLU6)
        blocks: list[nn.Module] = []
        source = width
        for expansion, channels, repeats, stride in STAGES:
            for repeat in range(repeats):
                blocks.append(
                    _InvertedResidual(source, scaled(channels), expansion=expansion, stride=1 if repeat else stride)
                )
                source = scaled(channels)
        self.blocks = nn.Sequential(*blocks)
        self.last = conv_norm(source, scaled(LAST), 1, act=nn.ReLU6)
        self.head = nn.Linear(scaled(LAST), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(mean_over_image(self.last(self.blocks(self.stem(x)))))
        return logits


class _InvertedResidual(nn.Module):
    """Expand, filter each channel separately, project without an activation; add the input where shapes allow."""

    def __init__(self, source: int, target: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * source
        self.main = nn.Sequential(
            *(conv_norm(source, inner, 1, act=nn.ReLU6) if expansion > 1 else ()),
            *conv_norm(inner, inner, 3, stride=stride, groups=inner, act=nn.ReLU6),
            *conv_norm(inner, target, 1, act=None),
        )
        self.adds = stride == 1 and source == target

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.main(x)
        return x + out if self.adds else out
