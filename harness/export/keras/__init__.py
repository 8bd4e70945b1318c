"""Converts Keras models with TensorFlow's own converter and compression toolkit, in environments of their own."""

from harness.export.keras._convert import MODES, convert, sentences

__all__ = ["MODES", "convert", "sentences"]
