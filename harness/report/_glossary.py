"""What the report's abbreviations and the attacks' names mean, in words that need no other."""

from __future__ import annotations

from collections.abc import Iterable

from harness.report._clean import clean
from harness.types import Adversary

__all__ = ["ADVERSARIES", "ATTACKS", "TERMS", "Term", "named_attacks"]

# A word and what it means.
Term = tuple[str, str]

# The three adversaries of CompLeak (Li et al., USENIX Security 2026): what each one has to hold.
ADVERSARIES: dict[Adversary, tuple[str, str]] = {
    "NR": ("no reference", "has one file and nothing to compare it with"),
    "SR": ("single reference", "has the original and one compressed file"),
    "MR": ("multiple references", "has several of the files"),
}
TERMS: tuple[Term, ...] = (
    ("Member, non-member", "a record that the model was trained on, and one from the same source that it never saw"),
    ("Membership inference", "deciding from a model's answers whether a record is a member"),
    ("AUC", "the chance that an attack ranks a random member above a random non-member: 0.5 is guessing, 1 certainty"),
    ("False-alarm rate, FPR", "the share of the non-members that an attack calls members"),
    ("TPR at an FPR", "the share of the members that an attack finds while its false-alarm rate stays at most that"),
    ("Interval [low, high]", "holds the true value in the stated share of audits that are repeated with other records"),
    ("At once", "wider intervals that all hold together; without them the strongest of many attacks looks too strong"),
    ("NR, SR, MR", "; ".join(f"{key}, {name}: an adversary who {holds}" for key, (name, holds) in ADVERSARIES.items())),
    ("ε at least", "no differentially private training with a smaller ε would let an attack do this well"),
    ("Shadow model", "a model that the auditor trained alike on other records, to teach the attacks"),
    ("Reference model", "a model not trained on a record, whose answer shows how hard the record is by itself"),
    ("Control", "an attack or a variant that compresses nothing, which bounds what the method itself finds"),
    ("Null twin", "the same audit with records of which none was trained on: what it finds is a false alarm"),
    ("Null calibration", "how often intervals miss 0.5 beside how often they do with memberships shuffled"),
    ("Parity", "whether the file answers as the model did that it was made from"),
    (
        "Predicted Δ",
        "by how much the best membership attack on a quantizer's codes beats guessing: 0 guessing, 1 certain",
    ),
    ("MIS", "membership inference security, 1 - Δ; r, in nats per record, says how fast Δ falls with the training set"),
    ("Waiver", "a finding that somebody accepted, by name and until a date"),
)
_LIRA = "likelihood-ratio attack (LiRA, Carlini et al., 2022): the answer against a Gaussian of reference models"
_RMIA = (
    "robust membership inference attack (RMIA, Zarifzadeh et al., 2024): likelihood ratios against population records"
)
_SR = "classifier on the sorted answers of the original and one variant (CompLeak's SR)"
_MR = "second classifier on the SR attacks of all variants (CompLeak's MR)"
_POSTERIOR = "classifier on the confidence vector (Shokri et al., 2017)"
_LABELLED = "classifier on the confidence vector and the true class (Nasr et al., 2018)"
ATTACKS: dict[str, str] = {
    "correctness": "calls a record a member where the predicted class is right",
    "max-posterior": "the largest confidence (Salem et al., 2019)",
    "confidence": "the confidence of the true class",
    "yeom": "the loss against the mean loss of members (Yeom et al., 2018)",
    "entropy": "the entropy of the confidences",
    "entropy-class": "the entropy of the confidences, with a cut for each class",
    "modified-entropy": "the modified entropy (Song and Mittal, 2021)",
    "modified-entropy-class": "the modified entropy, with a cut for each class (Song and Mittal, 2021)",
    "posterior-lr": f"logistic regression, {_POSTERIOR}",
    "posterior-rf": f"random forest, {_POSTERIOR}",
    "posterior-mlp": f"small network, {_POSTERIOR}",
    "posterior-label-lr": f"logistic regression, {_LABELLED}",
    "posterior-label-rf": f"random forest, {_LABELLED}",
    "posterior-label-mlp": f"small network, {_LABELLED}",
    "gbt": "boosted trees on what one answer shows beside the true class",
    "samia": "self-attention over confidences and how they move with noise (Yuan and Zhang, 2022)",
    "rmia": _RMIA,
    "rmia-online": f"{_RMIA}, with references inside and outside",
    "lira": f"offline {_LIRA}",
    "lira-online": f"online {_LIRA}s inside and outside",
    "base": "the answer against the mean of reference models (BASE, Lassila et al., 2025)",
    "base-online": "the answer against the mean of reference models inside and outside (BASE, Lassila et al., 2025)",
    "quantile": "the answer against what it predicts for non-members (Bertran et al., 2023)",
    "band": "log-odds of membership from one answer and its references, learned on shadow models",
    "sr": f"{_SR}, the best of its kinds on the shadow models",
    "sr1-lr": f"logistic regression, {_SR}",
    "sr1-dt": f"decision tree, {_SR}",
    "sr1-rf": f"random forest, {_SR}",
    "sr1-mlp": f"small network, {_SR}",
    "sr2-lr": f"logistic regression, {_SR}, with the true class",
    "sr2-dt": f"decision tree, {_SR}, with the true class",
    "sr2-rf": f"random forest, {_SR}, with the true class",
    "sr2-mlp": f"small network, {_SR}, with the true class",
    "sr-gbt": "boosted trees on the original's and one variant's answers",
    "sr-ref": "band's signals of the original and one variant, and how far their answers lie apart",
    "mr-logistic": f"logistic regression as {_MR}",
    "mr-net": f"small network as {_MR}",
    "mr-gbt": "boosted trees on all variants' answers and their spread",
    "mr-ref": "band's signals of the best variant, with others as far as they add to it",
    "lira-joint": f"{_LIRA}, over all variants jointly",
    "rmia-joint": f"{_RMIA}, over all variants jointly",
}


def named_attacks(names: Iterable[str]) -> tuple[Term, ...]:
    """What these attacks do, each once; an attack of somebody else's is left out."""
    return tuple((clean(name), ATTACKS[name]) for name in dict.fromkeys(names) if name in ATTACKS)
