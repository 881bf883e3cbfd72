"""What runs networks: sessions of onnxruntime, their providers, and networks in int8."""

import os

# Since 1.29 onnxruntime's wheels for Linux send usage data to their makers: names and hashes of
# networks, and an id of the machine, which they keep in the user's cache. A robot that sees people
# sends nothing. The variable has to be set before onnxruntime is loaded; only this layer loads it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
