"""What EBMC is measured against, trained on the same sequences and measured by the same protocols."""

from collections.abc import Callable

from ebmc_core.baselines.concatenation import fit_concatenation
from ebmc_core.baselines.context_lstm import fit_context_lstm
from ebmc_core.baselines.logistic import fit_late_average, fit_logistic
from ebmc_core.data.sequences import Sequences
from ebmc_core.protocols.systems import Predictor

BASELINES: dict[str, Callable[[Sequences, Sequences, int], Predictor]] = {
    "logistic regression": fit_logistic,
    "early concatenation, MLP": fit_concatenation,
    "late fusion, average": fit_late_average,
    "context LSTM": fit_context_lstm,
}
"""Name to `fit(train, validation, seed)`."""
REPEATABLE = ("logistic regression", "late fusion, average")
"""Those that a seed does not change."""
