"""VGG-16 with batch norm, in its form for small images."""

from __future__ import annotations

from torch import Tensor, nn

from harness.models._blocks import conv_norm, mean_over_image, stem_stride

__all__ = ["Vgg16"]

# Convolutions of the five stages, and their channels as a multiple of the width.
STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))


class Vgg16(nn.Module):
    """Thirteen 3 x 3 convolutions in five stages that end in max pooling (Simonyan and Zisserman 2015).

    With batch norm after every convolution (Ioffe and Szegedy 2015), and one linear layer instead of the paper's
    three, as is usual for 32 x 32 images. Poolings that a small image has no size for are left out.

    Args:
        n_classes: number of logits.
        in_shape: shape of a record, ``(C, H, W)``.
        width: channels of the first stage; 64 is the paper's.
    """

    def __init__(self, *, n_classes: int, in_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        source, stride = in_shape[0], stem_stride(in_shape)
        side = min(in_shape[1:]) // stride
        for depth, factor in STAGES:
            for _ in range(depth):
                layers += conv_norm(source, factor * width, 3, stride=stride)
                source, stride = factor * width, 1
            if side >= 2:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(source, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map records ``[b, C, H, W]`` to logits ``[b, n_classes]``."""
        logits: Tensor = self.head(mean_over_image(self.features(x)))
        return logits
