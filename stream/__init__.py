"""Everything live: sources, features, the pipeline, sinks, the server, the command line."""

import os

# before NumPy is there: what it multiplies here is small, and a second thread of its library waits by spinning
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import ebmc_core as ebmc_core  # first of what is ours, since it silences ONNX Runtime's reports
