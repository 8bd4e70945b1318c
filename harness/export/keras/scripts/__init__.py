"""Scripts that run in TensorFlow's environments: they import it, each other, numpy, and nothing of this package.

Each takes the name of a JSON file as its argument and answers on standard output, one JSON object a line.
"""
