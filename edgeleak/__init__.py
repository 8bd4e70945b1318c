"""What compressed on-device models leak about their training set. The public names, loaded when first used."""

from harness import __version__

__all__ = ["__version__"]
