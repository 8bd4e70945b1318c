"""How often do the intervals of the predicted leakage and of the MIS indicator hold the truth?

Audits are simulated under laws whose leakage is known.
"""
