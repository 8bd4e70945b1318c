"""The emulated phone: its image, its life, and what it is like inside."""
