"""Data: named data sets and the user's own, and arrays that somebody else wrote."""
