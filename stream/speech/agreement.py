"""Local agreement: a word is final when two passes in a row heard it.

Liu, Niehues et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
Selection" (Interspeech 2020), as Machacek et al. (2023) use it for Whisper.
"""

import re
from collections.abc import Sequence


def plain(text: str) -> str:
    """A word as it is compared: lower case, letters, digits and inner apostrophes."""
    return re.sub(r"[^\w']+", "", text.lower()).strip("'_")


def agreed(before: Sequence[str], now: Sequence[str]) -> int:
    """How many words both hypotheses begin with; compared as `plain` words."""
    count = 0
    for one, other in zip(before, now, strict=False):
        if plain(one) != plain(other):
            break
        count += 1
    return count


def repeated(known: Sequence[str], now: Sequence[str], longest: int = 4) -> int:
    """How many words at the beginning of `now` say the end of `known` once more; at most `longest`.

    Sound is cut between two words by times that are not exact, so the last known word may be heard again.
    """
    for count in range(min(longest, len(known), len(now)), 0, -1):
        if [plain(word) for word in known[-count:]] == [plain(word) for word in now[:count]]:
            return count
    return 0
