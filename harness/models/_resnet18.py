"""ResNet-18 in its form for small images."""

from __future__ import annotations

from torch import Tensor, nn

from harness.models._blocks import Residual, conv_norm, mean_over_image, stem_stride

__all__ = ["ResNet18"]


class ResNet18(nn.Module):
    """Residual network of 18 layers (He et al. 2016): a 3 x 3 stem and no pooling before the blocks.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(C, H, W)``.
        width: channels of the first stage; 64 is the paper's, each later stage doubles it.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 8 * width)
        before = (width, *widths[:-1])
        self.stem = conv_norm(in_shape[0], width, 3, stride=stem_stride(in_shape))
        self.blocks = nn.Sequential(
            *(
                _block(source if first else target, target, stride=2 if first and stage else 1)
                for stage, (source, target) in enumerate(zip(before, widths, strict=True))
                for first in (True, False)
            )
        )
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(mean_over_image(self.blocks(self.stem(x))))
        return logits


def _block(source: int, target: int, *, stride: int) -> Residual:
    main = nn.Sequential(
        *conv_norm(source, target, 3, stride=stride),
        *conv_norm(target, target, 3, act=None),
    )
    return Residual(main, source, target, stride=stride)
