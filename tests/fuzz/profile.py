"""How long the fuzzing runs, and what it holds every parser to.

    python -m pytest tests/fuzz                                     under a minute, the same examples each time
    HYPOTHESIS_PROFILE=long python -m pytest tests/fuzz --timeout 0   a hundred times as many, new ones each time

A failure of the long run is kept in `.hypothesis/` and tried first the next time.
"""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

from stream.printable import one_line

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
MORE = int(os.environ.get("EBMC_FUZZ_TIMES", "100")) if LONG else 1
SLOW = 20.0  # seconds that no single input may take, on a machine that is busy
LONGEST_LINE = 4_000  # characters of an error

T = TypeVar("T")


def fuzzed(examples: int) -> settings:
    """Settings of a test. examples: inputs in a short run."""
    return settings(
        max_examples=examples * MORE,
        derandomize=not LONG,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def taken(call: Callable[[], T], *refusals: type[Exception], own: bool = False) -> T | None:
    """What the call gives; None when it refuses with one of these errors, in one line. Any other error fails.

    own: the input is the user's own command line, which may be repeated as it is: `complain` makes it printable.
    """
    begin = time.monotonic()
    try:
        return call()
    except refusals as error:
        line = one_line(str(error), LONGEST_LINE) if own else str(error)
        assert line and line.isprintable() and len(line) <= LONGEST_LINE, f"not one clear line: {line[:400]!r}"
        return None
    finally:
        assert time.monotonic() - begin < SLOW
