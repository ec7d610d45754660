"""Which dead letters are meant: by cause, stream and place; what is not given does not matter."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from stream.chunks.dead_topic import Entry
from stream.chunks.letters import shown
from stream.errors import SettingsError

PLACE = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)
LONGEST_KEY = 200  # letters of a key that are shown, and compared


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter is chosen when each that is not empty names it. places: partition and offset of its record."""

    causes: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    places: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def parse(cls, causes: Sequence[str], streams: Sequence[str], places: Sequence[str]) -> Self:
        """places: as `PARTITION:OFFSET`. Raises `SettingsError`."""
        found = [(place, PLACE.fullmatch(place)) for place in places]
        if wrong := [place for place, match in found if not match]:
            raise SettingsError(f"--offset {wrong[0]}: a letter's place is PARTITION:OFFSET, for instance 0:42")
        numbers = frozenset((int(match[1]), int(match[2])) for _, match in found if match)
        return cls(frozenset(causes), frozenset(streams), numbers)

    def takes(self, entry: Entry) -> bool:
        """Whether it is a letter, and chosen."""
        return bool(
            entry.letter
            and (not self.causes or entry.letter.cause in self.causes)
            and (not self.streams or stream_of(entry) in self.streams)
            and (not self.places or (entry.partition, entry.offset) in self.places)
        )


def stream_of(entry: Entry) -> str:
    """The stream's id, as it is shown."""
    return shown(entry.key, LONGEST_KEY)
