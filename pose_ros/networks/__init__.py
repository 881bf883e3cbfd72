"""One file a family of networks: pre-processing and decoding as pure functions of arrays."""
