"""Makes `engines/real_windows.npz`: the features of the bundled clip's first windows, as the running stream makes them.

Run it when a feature width changes: python tests/engines/record_windows.py
"""

import asyncio
from importlib.resources import files
from pathlib import Path

import numpy as np

from ebmc_core.checkpoint import read_checkpoint
from ebmc_core.modality import MODALITIES
from engines.verify import RECORDED
from stream.batcher import Batcher
from stream.front_ends import load_front_ends
from stream.inbox import Arrival
from stream.records import WindowFeatures
from stream.session import Session
from stream.settings import load_settings
from stream.sources.source import source_from


async def record(count: int) -> list[WindowFeatures]:
    """The first `count` windows of the bundled clip."""
    settings = load_settings()
    source = source_from("clip", settings)
    with load_front_ends(settings, print) as front:
        async with source.open() as media:
            session = Session(source.name, media, frozenset(), front, settings, patient=True, wake=lambda: None)
            await session.open()
            closed = [closing async for frame in media.frames for closing in await session.take(Arrival(frame))]
            closed += await session.finish()
            windows = [await session.assemble(closing) for closing in closed[:count]]
            await session.close()
    return windows


def main() -> None:
    """Write the newest window's whole context, the features in half precision."""
    batcher = Batcher(context=read_checkpoint("live-en").config.context)
    batches = [batcher.batch([window]) for window in asyncio.run(record(24))]
    newest = batches[-1]
    values = {str(modality): newest.values[modality].astype(np.float16) for modality in MODALITIES}
    rest = {name: getattr(newest, name) for name in ("present", "quality", "age", "valid")}
    np.savez_compressed(Path(str(files("engines"))) / RECORDED, **values, **rest)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
