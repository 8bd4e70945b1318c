"""What the page calls orders, representations, claims and measures of privacy."""

__all__ = ["CLAIM_WORDS", "CRITERION_WORDS", "ORDER_WORDS", "REPRESENTATION_WORDS", "listed"]

ORDER_WORDS = {
    "trajectory": "trajectory",
    "refits": "bootstrap refits",
    "perturbation": "perturbation",
    "flips": "single flips side by side",
    "joint codes": "joint codes by curvature",
    "cells": "undecided coordinates, cells known",
    "alike": "undecided coordinates, records alike",
    "axes": "undecided coordinates, gradients' axes",
    "coordinates": "undecided coordinates (an audit's default)",
    "r": "indicator r (bootstrap refits)",
    "bits": "bits per weight",
    "coded bits": "bits per weight, zeros coded",
}
REPRESENTATION_WORDS = {
    "both": "fingerprints and descriptors",
    "fingerprints": "fingerprints",
    "descriptors": "descriptors",
    "chemnet": "ChemNet",
}
CLAIM_WORDS = {
    "sparse": "The 90% sparse ternary is the most private",
    "sign": "Sign is less private than the 33% ternary although it has fewer bits",
}
CRITERION_WORDS = {
    "r": "the indicator r",
    "predicted": "the predicted Delta (undecided coordinates)",
    "trained": "the trained attacker",
    "threshold": "the loss threshold",
}


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
