"""The EBMC model, its training and its checkpoints."""

import os

# ONNX Runtime (1.32, on Linux) writes a device id and a file of events below the user's cache, to report them to its
# makers. This project sends nothing to anybody; that has to be said before the library is loaded for the first time.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
