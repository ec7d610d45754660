"""The largest number that holds: doubling, then bisecting."""

from collections.abc import Callable


def largest(holds: Callable[[int], bool], most: int, first: int = 1) -> int:
    """The largest number up to `most` that holds, if all below it do too; 0 when 1 does not. Each is tried once."""
    good, bad, number = 0, most + 1, min(first, most)
    while good < number < bad:
        if holds(number):
            good, number = number, min(2 * number, most)
        else:
            bad = number
    while bad - good > 1:
        middle = (good + bad) // 2
        if holds(middle):
            good = middle
        else:
            bad = middle
    return good
