"""The public names, and what they do with arrays from anywhere."""
