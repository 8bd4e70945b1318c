"""Tests of the bundle: its archive, its program, what goes into it, and real bundles where they were made."""
