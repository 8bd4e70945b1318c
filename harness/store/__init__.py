"""The run folder: one audit's private place on disk, and the only thing that its stages share."""

from harness.store._run import Run

__all__ = ["Run"]
