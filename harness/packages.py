"""Checks that optional packages are installed, where they are first needed."""

from __future__ import annotations

import importlib
import importlib.util

from harness.errors import DependencyError

__all__ = ["require"]


def require(*packages: str, extra: str = "export") -> None:
    """Check that optional packages are installed before they are used.

    Args:
        packages: import names, e.g. ``torch``.
        extra: the extra of this distribution that installs them.

    Raises:
        DependencyError: one of them is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise DependencyError(f"{package} is not installed", hint=f'pip install "edgeleak[{extra}]"')
