"""The export matrix: architecture x variant x runtime, each cell exported, run through the agent and compared."""
