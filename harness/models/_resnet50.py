"""ResNet-50 in its form for small images."""

from __future__ import annotations

from torch import Tensor, nn

from harness.models._blocks import Residual, conv_norm, mean_over_image, stem_stride

__all__ = ["ResNet50"]

# Blocks of the four stages.
DEPTHS = (3, 4, 6, 3)
# A block's output has four times as many channels as its inner convolutions.
EXPANSION = 4


class ResNet50(nn.Module):
    """Residual network of 50 layers in bottlenecks (He et al. 2016): a 3 x 3 stem and no pooling before the blocks.

    As in common later implementations, a block's 3 x 3 convolution has the stride, not its first one.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(C, H, W)``.
        width: inner channels of the first stage; 64 is the paper's, each later stage doubles it.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.stem = conv_norm(in_shape[0], width, 3, stride=stem_stride(in_shape))
        blocks: list[nn.Module] = []
        source = width
        for stage, depth in enumerate(DEPTHS):
            inner = width * 2**stage
            for block in range(depth):
                blocks.append(_bottleneck(source, inner, stride=2 if stage and not block else 1))
                source = EXPANSION * inner
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(source, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(mean_over_image(self.blocks(self.stem(x))))
        return logits


def _bottleneck(source: int, inner: int, *, stride: int) -> Residual:
    target = EXPANSION * inner
    main = nn.Sequential(
        *conv_norm(source, inner, 1),
        *conv_norm(inner, inner, 3, stride=stride),
        *conv_norm(inner, target, 1, act=None),
    )
    return Residual(main, source, target, stride=stride)
