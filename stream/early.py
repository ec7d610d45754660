"""What need not wait for the end of a window: that a camera shows nothing any more.

    window   |=========4 s=========|        a picture is looked at 20 ms after it came, and a window ends every half
    pictures  ☺ ☺ ☺ ☺ ☺ ☺ ■ ■               second: what the pictures say of the face is known up to a hop sooner
    early                 ↑                than the window's event

An early event is made of the features of the newest window, without the video that was lost. It bears the id of the
window that is open, whose own event replaces it. Whoever keeps a record has no use for it: it goes to sinks that ask.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from ebmc_core.modality import Modality
from stream.records import ModalityFeatures, Window, WindowFeatures
from stream.watching import Watching


class Outlook:
    """Looks out between the windows of one stream. window: the bounds of the window of an index."""

    def __init__(self, watching: Watching, window: Callable[[int], Window]) -> None:
        self._watching, self._window = watching, window
        self._newest: WindowFeatures | None = None
        self._closing, self._told = 0, -1

    def closed(self) -> None:
        """A window was closed: its features are on their way, and say more than an early event could."""
        self._closing += 1

    def assembled(self, features: WindowFeatures) -> None:
        """The features of a window are there."""
        self._closing -= 1
        self._newest = features
        self._watching.looked.set()

    async def __aiter__(self) -> AsyncGenerator[WindowFeatures]:
        """The open window, as far as it has come, whenever its video was lost; once for each window."""
        while True:
            await self._watching.looked.wait()
            self._watching.looked.clear()
            if (newest := self._newest) and not self._closing and newest.window.index + 1 > self._told:
                lost = self._watching.lost(self._window(newest.window.index + 1))
                if newest.modalities[Modality.VIDEO].present and lost:
                    self._told = newest.window.index + 1
                    yield without(newest, *lost)


def without(newest: WindowFeatures, window: Window, video: ModalityFeatures) -> WindowFeatures:
    """The features of the newest window, its video lost, as those of a later one that is still open."""
    modalities = {**newest.modalities, Modality.VIDEO: video}
    return replace(newest, window=window, modalities=modalities, faces=0, face=None, early=True)
