"""Generated stubs of `edgeleak.v1`; `make protos` regenerates them from `agent.proto`."""
