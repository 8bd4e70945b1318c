from tests.device_agent.exported import agent, exported, shared_agent, start_agent, watched_agent

__all__ = ["agent", "exported", "shared_agent", "start_agent", "watched_agent"]
