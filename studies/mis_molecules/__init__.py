"""Quantized heads on frozen molecule representations: what privacy costs in use, and what a trained attacker finds."""
