"""The audit: which stages for which subject, and the engine that runs their tasks.

Nothing is imported here: worker processes load one stage, and should not pay for the others.
"""
