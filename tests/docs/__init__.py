"""Tests of the documentation: the site, the command reference, and the blocks of output."""
