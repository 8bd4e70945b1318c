"""The stages of an audit, one a file: each a function of (configuration, run, context).

Nothing is imported here: worker processes load one stage, and should not pay for the others.
"""
