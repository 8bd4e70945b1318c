"""edgeleak: membership-inference audits of compressed on-device models, on the files and kernels that ship."""

__version__ = "0.1.0"
