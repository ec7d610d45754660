"""From windows to the batch an engine takes: every ready window with the context of its own stream."""

from collections import OrderedDict, deque
from collections.abc import Sequence

import numpy as np

from ebmc_core.batch import FeatureBatch
from ebmc_core.modality import MODALITIES
from stream.records import WindowFeatures

STREAMS = 1024


class Batcher:
    """Remembers the last `context` windows of each stream, of the `STREAMS` that had one last."""

    def __init__(self, context: int) -> None:
        self._context = context
        self._streams: OrderedDict[str, deque[WindowFeatures]] = OrderedDict()

    def batch(self, ready: Sequence[WindowFeatures]) -> FeatureBatch:
        """One row per ready window, `[B, L]` with L = `context`; the window itself is the last step of its row.

        A window that is early is not remembered.
        """
        rows = [self._row(features) for features in ready]
        shape = (len(rows), self._context)
        widths = [len(ready[0].modalities[modality].values) for modality in MODALITIES]
        values = {m: np.zeros((*shape, width), np.float32) for m, width in zip(MODALITIES, widths, strict=True)}
        present, quality, age = (np.zeros((*shape, len(MODALITIES)), np.float32) for _ in range(3))
        valid = np.zeros(shape, np.float32)
        for b, row in enumerate(rows):
            for step, features in enumerate(row, start=self._context - len(row)):  # padding comes first
                valid[b, step] = 1.0
                for m, modality in enumerate(MODALITIES):
                    part = features.modalities[modality]
                    age[b, step, m] = part.age
                    if part.present:
                        values[modality][b, step] = part.values
                        present[b, step, m] = 1.0
                        quality[b, step, m] = part.quality
        return FeatureBatch(values, present, quality, age, valid)

    def _row(self, features: WindowFeatures) -> list[WindowFeatures]:
        history = self._streams.setdefault(features.window.stream, deque(maxlen=self._context))
        self._streams.move_to_end(features.window.stream)
        if features.early:
            return [*history, features][-self._context :]
        history.append(features)
        if len(self._streams) > STREAMS:  # streams come and go for weeks
            self._streams.popitem(last=False)
        return list(history)
