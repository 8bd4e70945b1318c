"""Which predicted leakages of a report are smaller than what an attack of the same report shows, unsaid."""

from __future__ import annotations

from typing import Any

__all__ = ["contradictions"]


def contradictions(report: dict[str, Any]) -> list[str]:
    """One text for each quantizer and attack: the figure's upper end lies below the attack's lower one, and no flag.

    It reads the JSON alone and shares no code with what makes it.
    """
    found = report["mis"]
    told = []
    for row in found["quantizers"]:
        variant = "original" if row["quantizer"] == "fp32" else row["quantizer"]
        high = row["leakage"]["delta"]["high"]
        is_flagged = "contradicted_by_attack" in row["flags"]
        for result in report["attacks"]["results"]:
            if (result["adversary"], result["variants"], result["runtime"]) != ("NR", [variant], found["runtime"]):
                continue
            if result["trained_on"] != "shadows" or result["is_control"]:
                continue
            low = 2.0 * result["simultaneous"]["balanced_accuracy"]["low"] - 1.0
            if low > high and not is_flagged:
                told.append(
                    f"{row['quantizer']}: predicted at most {high:g}, {result['attack']} shows at least {low:g}"
                )
        if row["mis_predicted"] is not None and is_flagged:
            told.append(f"{row['quantizer']}: MIS predicted {row['mis_predicted']} beside a contradiction")
    return told
