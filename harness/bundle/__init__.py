"""The bundle: the agent as a folder that runs on any Linux of its architecture, with nothing of that machine."""
