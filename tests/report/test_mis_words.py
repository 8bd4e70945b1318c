"""What a report says of quantizers in words: an order only where it is resolved, and what contradicts a prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from harness.report import Report
from harness.report._mis_words import FLAGS, mis_disclaimer, mis_flags, mis_order, mis_sentences, mis_status
from harness.report._tables import mis_delta, mis_rank, mis_shown, mis_table
from harness.results import Comparison, Leakage, MisFindings, QuantizerMis, Witness
from harness.types import Estimate

LEAKS: Mapping[str, float] = {"int4": 0.01, "int8": 0.05, "fp32": 0.06, "fp16": 0.07, "sign": 0.08, "ternary": 0.09}


def figure(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 600, "made by hand")


def leakage(value: float, *, half: float = 0.2, **more: object) -> Leakage:
    log = math.log(value)
    logs = (log, log - half, log + half)
    return Leakage(figure(*map(math.exp, logs)), logs, "candidates", **{"status": "ok", **more})  # type: ignore[arg-type]


def row(name: str, found: Leakage | None = None, **more: object) -> QuantizerMis:
    keys: dict[str, object] = {
        "quantizer": name, "n": 400, "method": "gauss", "r": figure(0.01, 0.005, 0.02), "r_naive": 0.01,
        "r_chernoff": 0.01, "r_floor": 0.003, "leakage": found or leakage(LEAKS[name]), "k": 12, "k_eff": 12,
        "n_eval": 600, "regime": "moderate", "status": "ok",
    }  # fmt: skip
    return QuantizerMis(**{**keys, **more})  # type: ignore[arg-type]


def findings(names: Sequence[str], safer: Sequence[tuple[str, str]], **more: QuantizerMis) -> MisFindings:
    """Quantizers whose comparisons are resolved for these pairs alone, the safer one first."""
    rows = []
    for name in names:
        comparisons = {}
        for other in names:
            sign = -1.0 if (name, other) in safer else 1.0 if (other, name) in safer else 0.0
            ends = (2.0 * sign, 2.0 * sign - 1.0, 2.0 * sign + 1.0)
            if other != name:
                comparisons[other] = Comparison(figure(*ends))
        rows.append(replace(more.get(name) or row(name), comparisons=comparisons))
    return MisFindings(tuple(rows), 400, 600, "trajectory", "litert")


def witness(low: float, attack: str = "band") -> Witness:
    return Witness(attack, "original", "litert", Estimate(low + 0.1, low, low + 0.2, 800, "melded-beta"))


def every_pair(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]


def test_what_is_resolved_is_said_and_what_is_not_too() -> None:
    found = findings(["int8", "fp32", "int4"], [("int4", "fp32"), ("int4", "int8")])
    assert mis_order(found) == "int4 is safer than int8 and fp32; int8 and fp32 cannot be told apart."


def test_an_order_from_candidates_says_that_it_was_no_better_than_bits_per_weight() -> None:
    said = "an order that is predicted from losses of candidates was no better than the order by bits per weight"
    assert said in mis_sentences(findings(["int4", "int8"], [("int4", "int8")]))[1]
    assert said not in " ".join(mis_sentences(findings(["int4", "int8"], [])))
    by_refits = {name: row(name, replace(leakage(LEAKS[name]), law="coordinates")) for name in ("int4", "int8")}
    assert said not in " ".join(mis_sentences(findings(["int4", "int8"], [("int4", "int8")], **by_refits)))


def test_quantizers_with_the_same_worse_ones_share_a_clause() -> None:
    found = findings(["int4", "int8", "fp16"], [("int4", "fp16"), ("int8", "fp16")])
    assert mis_order(found) == "int4 and int8 are safer than fp16; int4 and int8 cannot be told apart."


def test_a_pair_that_overlaps_two_groups_is_in_both() -> None:
    found = findings(["int4", "int8", "fp16"], [("int4", "fp16")])
    said = mis_order(found)
    assert said == "int4 is safer than fp16; int4 and int8 cannot be told apart; int8 and fp16 cannot be told apart."


def test_without_a_resolved_pair_no_order_is_claimed() -> None:
    found = findings(["int4", "int8", "fp16"], [])
    assert mis_order(found) == "No quantizer can be told apart from another with these 600 records."
    assert [mis_rank(found, one) for one in found.ranked()] == ["1–3", "1–3", "1–3"]
    by_refits = {
        name: row(name, replace(leakage(LEAKS[name]), law="coordinates", delta=figure(0.1, 0.05, 0.2)))
        for name in ("int4", "int8")
    }
    assert mis_order(findings(["int4", "int8"], [], **by_refits)).endswith("from another with these 600 refits.")


def test_the_number_of_candidates_is_said_and_its_range_where_it_differs() -> None:
    found = findings(["int4", "int8"], [], int8=row("int8", k=6))
    assert "from the losses of 6–12 candidates of each quantizer (candidates by trajectory)" in mis_disclaimer(found)[0]


def test_a_whole_order_gives_every_quantizer_its_rank() -> None:
    names = ["int4", "int8", "fp16"]
    found = findings(names, every_pair(names))
    assert mis_order(found) == "int4 is safer than int8 and fp16; int8 is safer than fp16."
    assert [mis_rank(found, one) for one in found.ranked()] == ["1", "2", "3"]


def test_of_many_quantizers_the_safest_group_and_the_resolved_pairs_are_named() -> None:
    names = list(LEAKS)
    found = findings(names, [("int4", "ternary"), ("int8", "ternary"), ("int4", "sign")])
    said = mis_order(found)
    assert said.startswith("Of 6 quantizers none leaks certainly less than int4, int8, fp32 or fp16; ")
    assert "int4 is safer than sign and ternary; int8 is safer than ternary." in said
    assert "told apart" not in said


def test_a_long_order_is_cut_and_says_so() -> None:
    names = list(LEAKS)
    said = mis_order(findings(names, every_pair(names)))
    assert said.count("safer than") == 4
    assert said.endswith("; 1 more order in the column “Rank”.")


def test_what_is_sorted_is_what_is_printed() -> None:
    table = mis_table(Report(mis=findings(["fp16", "int4", "int8"], [])))
    assert table is not None
    assert [cells.cells[1].text for cells in table.rows] == ["int4", "int8", "fp16"]
    assert table.columns[:5] == ("Rank", "Quantizer", "Predicted Δ", "r, nats per record", "n · r")


def test_results_of_an_earlier_version_claim_nothing() -> None:
    old = {"quantizer": "int8", "r": 0.02, "log_delta": {"saddle_sum": -13.6}, "mis_predicted": 0.999, "status": "ok"}
    found = MisFindings.from_json({"quantizers": [old], "n": 400, "n_eval": 600})
    (read,) = found.quantizers
    assert (mis_delta(read), mis_status(read), mis_rank(found, read)) == ("not probed", "not stored", "–")
    assert read.to_json()["mis_predicted"] is None
    assert "int8: no prediction is stored, since an earlier version made these results" in " ".join(
        mis_sentences(found)
    )


def test_a_leakage_that_no_number_holds_is_its_power_of_ten_and_never_zero() -> None:
    tiny = Leakage(figure(0.0, 0.0, 1e-50), (-5000.0, -6000.0, math.log(1e-50)), "candidates", "ok")
    assert mis_delta(row("int4", tiny)) == "1e-2172 [1e-2606, 1e-50]"


def test_an_attack_that_shows_more_than_was_predicted_is_said_and_its_rank_is_gone() -> None:
    names = ["int4", "int8", "fp16"]
    found = findings(names, every_pair(names)).beside({"int4": witness(0.21)})
    refuted = found.quantizers[0]
    said = "int4: predicted at most 0.0122, but the attack band shows at least 0.21: the candidates miss what training"
    assert f"{said} does." in mis_sentences(found)
    assert (mis_rank(found, refuted), mis_delta(refuted), mis_status(refuted)) == ("–", "≥ 0.21", "contradicted")
    assert refuted.to_json()["mis_predicted"] is None
    assert mis_order(found) == "int8 is safer than fp16."
    assert [mis_rank(found, one) for one in found.ranked()] == ["1", "2", "–"]


def test_refits_are_named_where_they_made_the_prediction() -> None:
    law = replace(leakage(0.01), law="coordinates")
    eleven = replace(law, delta=replace(law.delta, n=11))
    found = findings(["int4"], [], int4=row("int4", eleven))
    assert "the refits miss what training does" in " ".join(mis_sentences(found.beside({"int4": witness(0.21)})))
    (said, *_) = mis_disclaimer(found.beside({"int4": witness(0.21)}))
    assert "from what the deployed codes retain of 11 refits of the last layer on litert" in said


def test_the_records_that_would_tell_are_named_once() -> None:
    needed = {name: row(name, leakage(LEAKS[name], needed_records=48_000)) for name in ("int4", "int8")}
    found = replace(findings(["int4", "int8"], [], **needed), n=50_000, n_eval=1_000)
    said = [sentence for sentence in mis_sentences(found) if "needed" in sentence]
    assert said == [
        "n = 50,000: about 48,000 evaluation records are needed to tell n · r = 2 from a tie; there are 1,000."
    ]


def test_what_was_not_probed_is_no_claim_of_privacy() -> None:
    unknown = row("sign", Leakage.unknown(n=600, law="candidates", status="single_candidate"))
    found = findings(["int4", "sign"], [], sign=unknown)
    said = "sign: nothing was probed, since no candidate differs from the others. That is no claim of privacy."
    assert said in mis_sentences(found)
    assert mis_order(found) == "int4 alone has a prediction that could be compared."
    assert mis_rank(found, unknown) == "–"
    assert unknown.to_json()["mis_predicted"] is None


def test_an_attack_on_what_was_not_probed_shows_what_it_shows_and_makes_no_rank() -> None:
    unknown = row("sign", Leakage.unknown(n=600, law="candidates", status="single_candidate"))
    found = findings(["int4", "sign"], [], sign=unknown).beside({"sign": witness(0.21)})
    shown = found.quantizers[1]
    assert (mis_delta(shown), mis_rank(found, shown), mis_status(shown)) == ("≥ 0.21", "–", "not probed")
    assert "predicted at most" not in " ".join(mis_sentences(found))
    assert "sign: nothing was probed" in " ".join(mis_sentences(found))
    assert shown.flags == ()


def test_float_formats_are_listed_and_not_ranked_where_candidates_are_the_law() -> None:
    names = ["int4", "fp32", "fp16"]
    found = findings(names, every_pair(names)).with_float_formats({"fp32", "fp16"})
    said = "fp32 and fp16 are float formats and have no finite set of codes: they are listed, and not ranked beside"
    assert f"{said} quantizers." in mis_sentences(found)
    assert [mis_rank(found, one) for one in found.ranked()] == ["–", "–", "–"]
    assert [one.to_json()["mis_predicted"] is None for one in found.ranked()] == [False, True, True]


def test_float_formats_have_their_rank_where_retained_information_is_the_law() -> None:
    names = ["int4", "fp32"]
    rows = {name: row(name, replace(leakage(LEAKS[name]), law="coordinates")) for name in names}
    found = findings(names, every_pair(names), **rows)
    assert found.with_float_formats({"fp32"}) == found


def test_where_no_attack_was_held_against_a_prediction_that_is_said() -> None:
    found = findings(["int4", "int8"], [])
    assert mis_sentences(found)[-1] == "No attack was held against these predictions."
    assert mis_shown(found.quantizers[0]) == "–"
    held = found.beside({"int4": witness(0.005)})
    assert mis_sentences(held)[-1] == "No attack was held against the prediction of int8."
    assert mis_shown(held.quantizers[0]) == "0.005 (band)"
    refuted = found.beside({"int4": witness(0.21)})
    assert mis_sentences(refuted)[-1] == (
        "No attack was held against the prediction of int8, which was made in the same way as the refuted ones: do not "
        "rely on it."
    )


def test_a_quantizer_that_is_alone_has_no_rank() -> None:
    found = findings(["int4", "int8"], [("int8", "int4")]).beside({"int4": witness(0.21)})
    assert [mis_rank(found, one) for one in found.ranked()] == ["–", "–"]


def test_every_flag_has_plain_words_with_the_quantizers_that_have_it() -> None:
    flagged = findings(["int4", "int8"], [], int4=row("int4", flags=tuple(FLAGS)))
    said = mis_flags(flagged)
    assert len(said) == len(FLAGS)
    assert all(sentence.startswith(f"int4 ({flag}): ") for sentence, flag in zip(said, FLAGS, strict=True))


def test_the_paper_is_named_and_the_formulas_are_said_to_be_derived_here() -> None:
    said = " ".join(mis_disclaimer(findings(["int4"], [])))
    assert "An Indicator of Membership Inference Security in Post-Training Quantized Models" in said
    assert "Membership Inference Risks in Quantized Models: A Theoretical and Empirical Study" in said
    assert "The formulas are derived here and are not quoted from it." in said
    assert "no differential privacy, no bound for a single record" in said


@pytest.mark.parametrize("hostile", ["[red]x[/red]\x1b[2J", "a" * 1000])
def test_names_from_anywhere_are_cleaned(hostile: str) -> None:
    found = findings(["int4", "int8"], [("int4", "int8")], int4=row("int4"), int8=row("int8", quantizer=hostile))
    said = " ".join((*mis_sentences(found), *mis_flags(found), *mis_disclaimer(found)))
    assert "\x1b" not in said
    assert len(said) < 6000
