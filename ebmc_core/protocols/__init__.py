"""Measurements of one or several systems on held-out sequences, one protocol a file; each gives a `Report`."""

from collections.abc import Callable

from ebmc_core.data.sequences import Sequences
from ebmc_core.protocols.ablation import ablation
from ebmc_core.protocols.calibration import calibration
from ebmc_core.protocols.conditions import seven_conditions
from ebmc_core.protocols.missing_rate import missing_rate
from ebmc_core.protocols.noise import noise
from ebmc_core.protocols.report import Report
from ebmc_core.protocols.systems import Systems

PROTOCOLS: dict[str, Callable[[Systems, Sequences, str, int], Report]] = {
    "seven-conditions": seven_conditions,
    "missing-rate": missing_rate,
    "noise": noise,
    "calibration": calibration,
    "ablation": ablation,
}
"""Name to `measure(systems, held out, name of the data, most sequences)`."""
