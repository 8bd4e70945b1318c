"""What studies of quantizers share: grids, bits per weight, linear models, and intermediate results on disk."""

__all__ = ["GRIDS"]

# One bit to eight, one grid a tensor: what studies put weights on.
GRIDS = ("sign", "ternary-0.33", "ternary-0.9", "uniform-2", "uniform-3", "uniform-4", "uniform-8")
