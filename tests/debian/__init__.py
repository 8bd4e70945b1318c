"""Debian packages by this machine's apt: which source is taken, and what is fetched from it."""
