"""From the end of a stretch of speech to the event that shows all its words as final."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.event import SentimentEvent
from stream.records import AudioFrame, Frame, Word
from stream.speech.vad import SpeechChunk, VoiceActivity

PAUSE = 0.4  # seconds of silence that end a stretch; a shorter one is within a sentence
LEAST = 0.3  # seconds; less speech than this is a click
LOOSE = 0.15  # seconds by which the times of a word may miss those of the voice activity


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech without a pause, event time in seconds."""

    start: float
    end: float

    def holds(self, word: Word) -> bool:
        """Whether the word was spoken in it."""
        return self.start - LOOSE <= (word.start + word.end) / 2 <= self.end + LOOSE


def stretches(chunks: Sequence[SpeechChunk]) -> list[Stretch]:
    """The stretches of speech in what voice activity heard."""
    found: list[Stretch] = []
    for chunk in chunks:
        if not chunk.speech:
            continue
        if found and chunk.start - found[-1].end < PAUSE:
            found[-1] = Stretch(found[-1].start, chunk.end)
        else:
            found.append(Stretch(chunk.start, chunk.end))
    return [stretch for stretch in found if stretch.end - stretch.start >= LEAST]


def spoken(frames: Sequence[Frame]) -> list[Stretch]:
    """The stretches of speech in the sound of a source."""
    activity = VoiceActivity()
    return stretches([chunk for f in frames if isinstance(f, AudioFrame) for chunk in activity.push(f)])


def settled(events: Sequence[SentimentEvent]) -> list[Word]:
    """Every word once, as it was known last."""
    words: list[Word] = []
    for event in events:
        if heard := event.transcript.words:
            words = [word for word in words if word.end <= heard[0].start + 1e-3] + list(heard)
    return words


def first_final(stretch: Stretch, words: Sequence[Word], events: Sequence[SentimentEvent]) -> int | None:
    """Place of the first event that shows the stretch's words as they were known last, all of them final.

    words: of the whole run. Words that lie before the window are not asked of its event. None when there is no such
    event, or when nothing was recognised in the stretch.
    """
    for place, event in enumerate(events):
        if event.window.end < stretch.end - LOOSE:
            continue
        wanted = [w.text for w in words if stretch.holds(w) and w.end > event.window.start]
        shown = [w for w in event.transcript.words if stretch.holds(w) and w.end > event.window.start]
        if not wanted:
            if event.window.start > stretch.end:
                return None
            continue
        if [w.text for w in shown] == wanted and all(w.final for w in shown):
            return place
    return None
