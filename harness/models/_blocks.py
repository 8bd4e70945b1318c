"""Building blocks that the networks for images share."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Residual", "conv_norm", "mean_over_image", "stem_stride"]

# The stem halves images of this side or more, so that the later stages receive 64 x 64 images at 32 x 32.
LARGE_SIDE = 64


def conv_norm(
    source: int, target: int, side: int, *, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """A convolution with "same" padding, batch norm and an activation.

    Batch norm has its own offset, so the convolution has no bias: it would have no effect.

    Args:
        source: input channels.
        target: output channels.
        side: side of the kernel, odd.
        stride: stride of the kernel.
        groups: groups of channels, as in ``nn.Conv2d``.
        act: the activation, None for none.
    """
    conv = nn.Conv2d(source, target, side, stride=stride, padding=side // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(target), *((act(),) if act is not None else ()))


def stem_stride(in_shape: tuple[int, ...]) -> int:
    """Stride of the first convolution: 1 for images of 32 x 32 and smaller, 2 for those of 64 x 64 and larger."""
    return 2 if min(in_shape[1:]) >= LARGE_SIDE else 1


def mean_over_image(x: Tensor) -> Tensor:
    """Map ``[b, C, H, W]`` to ``[b, C]``.

    With ``keepdim`` XNNPACK computes the mean as its pooling, in int8 where the rest is int8. The result is squeezed,
    not flattened, because LiteRT's converter cannot lower a reshape of a dynamic batch.
    """
    return x.mean((2, 3), keepdim=True).squeeze(3).squeeze(2)


class Residual(nn.Module):
    """The output of some layers added to their input (He et al. 2016), then ReLU.

    Args:
        main: the layers.
        source: input channels.
        target: output channels; where they or the size change, the skip connection is a 1 x 1 convolution.
        stride: total stride of the layers.
    """

    def __init__(self, main: nn.Module, source: int, target: int, *, stride: int) -> None:
        super().__init__()
        self.main = main
        same = stride == 1 and source == target
        self.skip: nn.Module = nn.Identity() if same else conv_norm(source, target, 1, stride=stride, act=None)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[b, source, H, W]`` to ``[b, target, H / stride, W / stride]``."""
        out: Tensor = self.relu(self.main(x) + self.skip(x))
        return out
