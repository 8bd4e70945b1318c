"""Generated code of the protobuf packages `edgeleak.*`."""
