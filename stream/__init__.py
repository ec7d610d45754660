"""Everything live: sources, features, the pipeline, sinks, the server, the command line."""

import ebmc_core as ebmc_core  # first, since it silences ONNX Runtime's reports
