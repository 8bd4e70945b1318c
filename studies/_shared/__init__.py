"""Studies of the MIS indicator: does it order quantizers as the truth does, and what does safety cost in use?

``synthetic`` meets laws whose true leakage is known; ``molecules`` puts quantized heads on frozen molecule
representations. Each writes one page, and resumes.
"""

__all__ = ["GRIDS"]

# One bit to eight, one grid a tensor: what both studies put weights on.
GRIDS = ("sign", "ternary-0.33", "ternary-0.9", "uniform-2", "uniform-3", "uniform-4", "uniform-8")
