"""Streaming speech against the offline pass: word error, delay of final words, cost. Real time is simulated.

Every pass is really made, and takes as long as it took, in processor time of this process; the streams share one
worker, first in, first out. "again": each pass reads its utterance from the beginning, as before local agreement.
Prints a Markdown table, for the bundled clip or for the files given; `talk.txt` beside `talk.wav` is its reference.

    python -m benchmarks.speech [--streams 4] [FILE ...]
"""

import argparse
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import av
import numpy as np
from av.audio.resampler import AudioResampler
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from stream.records import AUDIO_RATE, AudioFrame
from stream.settings import load_settings
from stream.sources.source import bundled_clip
from stream.speech.asr import Hypothesis, Recogniser
from stream.speech.transcript import Transcript
from stream.speech.utterances import Turn, UtteranceRules, UtteranceTracker
from stream.speech.vad import SpeechChunk, VoiceActivity
from stream.weights import fetch

CLIP = """And so my fellow Americans ask not what your country can do for you ask what you can do for your country
He was not an ill disposed young man unless to be rather cold hearted and rather selfish is to be ill disposed
Had he married a more amiable woman he might have been made still more respectable than he was"""
HOP = 0.5  # seconds between events
AFTER = 0.04  # seconds from a window's end to the frame that closes it
BEFORE = UtteranceRules(first_partial=1.0, pause=0.4)

Samples = NDArray[np.float32]


@dataclass(slots=True)
class Live:
    """One stream in simulated time. finals: (time it was known, when the word began, the word) of each final word."""

    samples: Samples
    voice: list[SpeechChunk]
    offset: float
    transcript: Transcript
    finals: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    queued: float = math.inf
    first: float = math.inf
    cost: float = 0.0

    def note(self, now: float) -> None:
        """Write down what is known now."""
        words = [word for said in self.transcript.utterances(-math.inf) for word in said.words]
        if words:
            self.first = min(self.first, now)
        final = [word for word in words if word.final][len(self.finals) :]
        self.finals += [(now, word.start, word.text) for word in final]


def simulate(streams: Sequence[Live], whisper: Recogniser) -> None:
    """Feed all streams in the order of their chunks, and run their passes on one worker."""
    arrivals = sorted(
        (chunk.end + live.offset, number, chunk) for number, live in enumerate(streams) for chunk in live.voice
    )
    free = 0.0  # when the worker has nothing to do
    over: list[tuple[float, int, Hypothesis]] = []  # passes that were begun: when they end, and what they say

    def begin(live: Live, number: int, now: float) -> None:
        nonlocal free
        if request := live.transcript.begin():
            piece = live.samples[round(request.start * AUDIO_RATE) : round(request.end * AUDIO_RATE)]
            since = process_time()
            heard = whisper.read(piece, request.known, request.voiced)
            cost = process_time() - since
            live.cost += cost
            free = max(free, now) + cost
            over.append((free, number, heard))

    def hear(until: float) -> None:
        while over and over[0][0] <= until:
            at, number, heard = over.pop(0)
            live = streams[number]
            live.transcript.apply(heard)
            live.note(at - live.offset)
            begin(live, number, at)

    for now, number, chunk in arrivals:
        hear(now)
        streams[number].transcript.push(chunk)
        streams[number].note(now - streams[number].offset)
        begin(streams[number], number, now)
    for number, live in enumerate(streams):
        live.transcript.finish()
        begin(live, number, live.voice[-1].end + live.offset)
    hear(math.inf)


def delays(live: Live) -> tuple[list[float], list[float]]:
    """For every end of speech: seconds until its words were final, and until an event with them closed."""
    ends = [mark.time for mark in UtteranceTracker().push(live.voice) if mark.turn is Turn.SETTLED]
    final, event = [], []
    for before, end in zip([-math.inf, *ends], ends, strict=False):
        known = [now for now, start, _ in live.finals if before <= start < end]
        if known:
            final.append(max(known) - end)
            event.append((math.ceil(max(known) / HOP) * HOP + AFTER) - end)
    return final, event


def again(samples: Samples, voice: Sequence[SpeechChunk], whisper: Recogniser) -> float:
    """The seconds it costs when each pass reads its utterance from the beginning."""
    start = cost = 0.0
    for mark in UtteranceTracker(BEFORE).push(voice):
        if mark.turn in {Turn.OPEN, Turn.CUT}:
            start = mark.time
        elif mark.turn is Turn.READ:
            since = process_time()
            whisper.read(samples[round(start * AUDIO_RATE) : round(mark.time * AUDIO_RATE)])
            cost += process_time() - since
    return cost


def offline(samples: Samples, model: WhisperModel, beam: int) -> tuple[str, float]:
    """faster-whisper's own pass over the whole file."""
    since = process_time()
    segments, _ = model.transcribe(samples, language="en", beam_size=beam, condition_on_previous_text=False)
    return " ".join(segment.text for segment in segments), process_time() - since


def word_error(reference: str, text: str) -> float:
    """Substitutions, insertions and deletions, in percent of the words of the reference."""
    true, said = (re.findall(r"[a-z0-9']+", one.lower().replace("-", " ")) for one in (reference, text))
    row = list(range(len(said) + 1))
    for number, word in enumerate(true, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(said, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other))
    return 100.0 * row[-1] / max(1, len(true))


def read_sound(path: Path) -> Samples:
    """Float32 `[n]`, 16 kHz mono."""
    resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
    with av.open(path) as media:
        frames = [*media.decode(audio=0), None]
    return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def measure(path: Path, streams: int, whisper: Recogniser, model: WhisperModel) -> list[str]:
    """The rows of one file."""
    samples, written = read_sound(path), path.with_suffix(".txt")
    reference = CLIP if path.samefile(bundled_clip()) else written.read_text() if written.is_file() else ""
    voice = VoiceActivity().push(AudioFrame(0.0, samples))
    spoken = sum(chunk.end - chunk.start for chunk in voice if chunk.speech)
    lag = load_settings().asr_lag
    lives = [Live(samples, voice, 0.37 * number, Transcript(lag)) for number in range(streams)]
    simulate(lives, whisper)
    waited = [delays(live) for live in lives]
    final, event = ([one for both in waited for one in both[which]] for which in (0, 1))
    offlines = {beam: offline(samples, model, beam) for beam in (1, 5)}
    repeated = again(samples, voice, whisper)
    truths, name = (reference, offlines[5][0]), path.name

    def row(way: str, text: str, cost: float, extra: str = "| | | ") -> str:
        errors = " | ".join(f"{word_error(true, text):.1f}" if true and text else "" for true in truths)
        return f"| {name} | {way} | {errors} | {1000 * cost / max(spoken, 1e-9):.0f} {extra}|"

    rows = [row(f"offline, beam {beam}", *found) for beam, found in offlines.items()]
    rows.append(row("again", "", repeated))
    for live in lives[:1]:
        text = " ".join(word for _, _, word in live.finals)
        first = live.first - next(chunk.start for chunk in voice if chunk.speech)
        told = f"| {quantiles(final)} | {quantiles(event)} | {first:.2f} "
        rows.append(row(f"streaming, {streams} at once", text, sum(one.cost for one in lives) / streams, told))
    counts = [live.transcript.counts for live in lives]
    passes, superseded = sum(one.passes for one in counts), sum(one.superseded for one in counts)
    skipped, doubted = sum(one.skipped for one in counts), sum(sum(one.phantoms.values()) for one in counts)
    rows.append(
        f"<!-- {passes} passes, {superseded} superseded, {skipped:.1f} s skipped, {doubted} words not believed -->"
    )
    return rows


def quantiles(values: Iterable[float]) -> str:
    found = list(values)
    return " / ".join(f"{np.quantile(found, at):.2f}" for at in (0.5, 0.95)) if found else ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=[bundled_clip()])
    parser.add_argument("--streams", type=int, default=1)
    given = parser.parse_args()
    folder = fetch("whisper-tiny.en", load_settings().cache)
    whisper, model = Recogniser(folder), WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=1)
    sys.stdout.write(
        "| file | way | word error, % | against offline beam 5, % | ms per s of speech "
        "| words final after speech end, p50 / p95 s | in an event, p50 / p95 s | first words after, s |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    for path in given.files:
        sys.stdout.write("\n".join(measure(path, given.streams, whisper, model)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
