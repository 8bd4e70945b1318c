"""Studies: questions that take several audits, or none, to answer. Not in the wheel."""
