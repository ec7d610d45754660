"""Batches on a GPU come in a few sizes only, so that each has its buffers and its CUDA graph once."""

from collections.abc import Mapping, Sequence

import numpy as np

from ebmc_core.batch import Float
from engines.errors import EngineError

BUCKETS = (1, 8, 64)


def bucket_for(streams: int, buckets: Sequence[int] = BUCKETS) -> int:
    """The smallest bucket that holds a batch; `EngineError` if none does."""
    for bucket in sorted(buckets):
        if 1 <= streams <= bucket:
            return bucket
    raise EngineError(f"this engine was built for 1 to {max(buckets)} windows at once, the batch has {streams}")


def fill_bucket(feeds: Mapping[str, Float], bucket: int) -> dict[str, Float]:
    """The inputs with rows of padding behind, which nothing reads, up to the size of the bucket."""

    def fill(array: Float) -> Float:
        if len(array) == bucket:
            return array
        return np.concatenate((array, np.zeros((bucket - len(array), *array.shape[1:]), np.float32)))

    return {name: fill(array) for name, array in feeds.items()}
