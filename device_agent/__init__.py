"""The gRPC agent that runs on a device: it holds artifacts, runs them in a child process and returns their outputs."""
