"""What runs the model."""

import ebmc_core as ebmc_core  # first, since it silences ONNX Runtime's reports
