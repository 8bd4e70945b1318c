"""What runs where TensorFlow is: these modules import it, each other, numpy, and nothing of ours.

Each is asked by a JSON file, whose name is its argument, and answers on standard output, one JSON object a line.
"""
