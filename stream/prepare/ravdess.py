"""RAVDESS speech into training windows: every window goes through the voice activity and front end of a stream.

An actor says one sentence in a quiet room. Streams are not like that, so each clip is also heard partly, louder and
softer, followed by more of the same without a pause, and over noise and other voices at 20, 10, 5 and 0 dB. Fourteen
actors are few, so each has two voices more: the recordings played slower, deeper, and faster, higher.

Data: Livingstone & Russo 2018, CC BY-NC-SA 4.0. Emotions are read as sentiment; surprise has none and is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.random import Generator
from numpy.typing import NDArray

from ebmc_core.errors import DataError
from ebmc_core.modality import SENTIMENTS, Sentiment
from stream.features.audio import AudioFrontEnd
from stream.records import AUDIO_RATE, AudioFrame, Window
from stream.speech.vad import VoiceActivity

Samples = NDArray[np.float32]
Report = Callable[[int, int, str], None]

SEED = 21
LENGTH = 4.0  # seconds
RATIOS = (20, 10, 5, 0)  # dB
TALKERS = 12
BABBLE = 24.0  # seconds of babble per actor
SPEEDS = ((0.82, 0.94), (1.06, 1.22))  # of the further voices: how fast an actor's recordings are played, from and to
SENTIMENT = {
    "01": Sentiment.NEUTRAL,
    "02": Sentiment.NEUTRAL,  # calm
    "03": Sentiment.POSITIVE,  # happy
    "04": Sentiment.NEGATIVE,  # sad
    "05": Sentiment.NEGATIVE,  # angry
    "06": Sentiment.NEGATIVE,  # fearful
    "07": Sentiment.NEGATIVE,  # disgust
}


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One recording. speech: first and last sample of its speech."""

    name: str
    emotion: str
    actor: str
    samples: Samples
    speech: slice

    @property
    def split(self) -> str:
        """By actor: 1 to 14 train, 15 to 17 validation, 18 to 20 test."""
        number = int(self.actor)
        return "train" if number <= 14 else "validation" if number <= 17 else "test"

    @property
    def spoken(self) -> Samples:
        """The recording without the silence around it."""
        return self.samples[self.speech]


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """Four seconds made of a clip, and how they were made worse."""

    condition: str
    samples: Samples


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What the front end made of a take. values: float16 `[d_a]`."""

    clip: Clip
    condition: str
    values: NDArray[np.float16]
    quality: float


def prepare_ravdess(data: Path, out: Path, front: AudioFrontEnd, report: Report | None = None) -> Path:
    """Write `out/audio.npz` from `data/ravdess-speech/16k/*.flac`. Windows in which no speech is heard are left out.

    Raises `DataError` when the recordings are not there.
    """
    clips = list(_clips(data / "ravdess-speech" / "16k", report))
    rng = np.random.default_rng(SEED)
    babble = _babble(clips, rng)
    rows = list(_rows(clips, babble, front, rng, report))
    for number, speeds in enumerate(SPEEDS, start=1):
        rng = np.random.default_rng(SEED + number)
        rows += _rows(_further_voices(clips, speeds, rng), babble, front, rng, report)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out / "audio.npz",
        values=np.stack([row.values for row in rows]),
        quality=np.array([row.quality for row in rows], np.float32),
        label=np.array([SENTIMENTS.index(SENTIMENT[row.clip.emotion]) for row in rows], np.int8),
        item=np.array([row.clip.name for row in rows]),
        group=np.array([f"ravdess-{row.clip.actor}" for row in rows]),
        split=np.array([row.clip.split for row in rows]),
        condition=np.array([row.condition for row in rows]),
        source=np.full(len(rows), "ravdess"),
    )
    return out / "audio.npz"


def _rows(
    clips: Sequence[Clip], babble: Mapping[str, Samples], front: AudioFrontEnd, rng: Generator, report: Report | None
) -> Iterator[Row]:
    """What is heard of every take of the clips."""
    more = _by_voice(clips)
    for index, clip in enumerate(clips, start=1):
        for take in _takes(clip, more[clip.actor, clip.emotion], babble[clip.actor], rng):
            heard = _heard(front, take.samples)
            if heard is not None:
                yield Row(clip, take.condition, *heard)
        if report:
            report(index, len(clips), "speech windows")


def _heard(front: AudioFrontEnd, samples: Samples) -> tuple[NDArray[np.float16], float] | None:
    """Values and quality of four seconds, as a stream would hear them; None when it would say `missing`."""
    chunks = VoiceActivity().push(AudioFrame(0.0, samples))
    features = front.window(samples, chunks, Window("prepare", 0, 0.0, LENGTH))
    return (features.values.astype(np.float16), features.quality) if features.present else None


def _clips(folder: Path, report: Report | None) -> Iterator[Clip]:
    """All recordings with a sentiment, in the order of their names."""
    paths = [path for path in sorted(folder.glob("*.flac")) if path.stem.split("-")[2] in SENTIMENT]
    if not paths:
        raise DataError(f"no RAVDESS recordings at {folder}: name the folder that holds ravdess-speech")
    for index, path in enumerate(paths):
        fields = path.stem.split("-")
        samples = read_sound(path)
        spoken = [chunk for chunk in VoiceActivity().push(AudioFrame(0.0, samples)) if chunk.speech]
        if spoken:
            speech = slice(round(spoken[0].start * AUDIO_RATE), round(spoken[-1].end * AUDIO_RATE))
            yield Clip(path.stem, fields[2], fields[6], samples, speech)
        if report:
            report(index + 1, len(paths), "recordings")


def _further_voices(clips: Sequence[Clip], speeds: tuple[float, float], rng: Generator) -> list[Clip]:
    """The training clips once more, each actor's played at a speed of their own: pitch, formants and pace change."""
    speed = {actor: rng.uniform(*speeds) for actor in sorted({clip.actor for clip in clips})}
    return [_played(clip, speed[clip.actor]) for clip in clips if clip.split == "train"]


def _played(clip: Clip, speed: float) -> Clip:
    """The clip played `speed` times as fast; it is another recording, of the same actor."""
    frame = av.AudioFrame.from_ndarray(clip.samples[None], format="flt", layout="mono")
    frame.sample_rate = round(speed * AUDIO_RATE)
    samples = _resampled([frame])
    speech = slice(round(clip.speech.start / speed), min(len(samples), round(clip.speech.stop / speed)))
    return Clip(f"{clip.name}@{speed:.2f}", clip.emotion, clip.actor, samples, speech)


def read_sound(path: Path) -> Samples:
    """A sound file as float32 `[n]`, 16 kHz mono."""
    with av.open(str(path)) as media:
        return _resampled(media.decode(audio=0))


def _resampled(frames: Iterable[av.AudioFrame]) -> Samples:
    resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
    parts = [part.to_ndarray()[0] for frame in (*frames, None) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def _takes(clip: Clip, more: Sequence[Clip], babble: Samples, rng: Generator) -> Iterator[Take]:
    """Clean in the middle of the window; somewhere in it; without a pause; and over noise and voices."""
    yield Take("clean", _placed(clip.spoken, 0.5))
    yield Take("shifted", _louder(_partly(clip, rng), rng))
    yield Take("joined", _louder(_joined(clip, more, rng), rng))
    for ratio in RATIOS:
        kinds = ("noise", "babble")
        for kind in kinds if clip.split == "test" else kinds[int(rng.integers(2)) :][:1]:
            base = _joined(clip, more, rng) if rng.random() < 0.5 else _partly(clip, rng)
            background = _noise(len(base), rng) if kind == "noise" else _excerpt(babble, len(base), rng)
            yield Take(f"{kind}-{ratio}dB", _louder(_mixed(base, background, ratio), rng))


def _placed(speech: Samples, place: float) -> Samples:
    """Four seconds of silence with the speech in them; place 0 is at their beginning, 1 at their end."""
    window = np.zeros(round(LENGTH * AUDIO_RATE), np.float32)
    first = round(place * (len(window) - len(speech)))
    source = speech[max(0, -first) : len(window) - first]
    window[max(0, first) : max(0, first) + len(source)] = source
    return window


def _partly(clip: Clip, rng: Generator) -> Samples:
    """The clip somewhere in the window; at most half of its speech lies outside."""
    speech = clip.spoken
    spare = round(LENGTH * AUDIO_RATE) - len(speech)
    outside = len(speech) / 2 / max(1, abs(spare))
    return _placed(speech, rng.uniform(-outside, 1 + outside))


def _joined(clip: Clip, more: Sequence[Clip], rng: Generator) -> Samples:
    """The clip among others of the same actor and emotion, with hardly a pause, filling the window."""
    others = [more[int(index)] for index in rng.permutation(len(more))[:4]]
    before, after = ([one for one in others[half::2] if one.name != clip.name] for half in (0, 1))
    breath = np.zeros(round(rng.uniform(0.05, 0.3) * AUDIO_RATE), np.float32)
    parts = [part for one in (*before, clip, *after) for part in (one.spoken, breath)]
    lead = sum(len(one.spoken) + len(breath) for one in before) + len(clip.spoken) // 2
    line, half = np.concatenate(parts), round(LENGTH * AUDIO_RATE) // 2
    first = max(0, lead - half)
    return _placed(line[first : first + 2 * half], 0.0)


def _mixed(speech: Samples, background: Samples, ratio: float) -> Samples:
    """Speech with a background `ratio` dB below it; loudness is that of the samples that are not silent."""
    sounding = speech[np.abs(speech) > 0]
    loudness = np.sqrt(np.mean(sounding**2)) if len(sounding) else 0.0
    scale = loudness / np.sqrt(np.mean(background**2) + 1e-12) / 10 ** (ratio / 20)
    return (speech + background * scale).astype(np.float32)


def _louder(samples: Samples, rng: Generator) -> Samples:
    """Another gain, from a whisper far away to nearly full scale; one in ten is clipped."""
    peak = float(np.abs(samples).max()) + 1e-6
    clipped = rng.random() < 0.1
    target = rng.uniform(1.0, 2.0) if clipped else np.exp(rng.uniform(np.log(0.05), np.log(0.95)))
    return np.clip(samples * (target / peak), -1.0, 1.0).astype(np.float32)


def _noise(count: int, rng: Generator) -> Samples:
    """Noise between white and brown: power falls with the frequency to a power of 0 to 2."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** (rng.uniform(0, 2) / 2)
    spectrum[:10] = 0  # below 2.5 Hz
    return np.fft.irfft(spectrum, count).astype(np.float32)


def _excerpt(track: Samples, count: int, rng: Generator) -> Samples:
    first = int(rng.integers(0, len(track) - count))
    return track[first : first + count]


def _by_voice(clips: Sequence[Clip]) -> Mapping[tuple[str, str], list[Clip]]:
    """The clips of each actor and emotion."""
    found: defaultdict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        found[clip.actor, clip.emotion].append(clip)
    return found


def _babble(clips: Sequence[Clip], rng: Generator) -> Mapping[str, Samples]:
    """For each actor a track of twelve voices at once, of other actors of the same split."""
    tracks: dict[str, Samples] = {}
    for actor, split in sorted({(clip.actor, clip.split) for clip in clips}):
        others = [clip.spoken for clip in clips if clip.split == split and clip.actor != actor]
        track = np.zeros(round(BABBLE * AUDIO_RATE), np.float32)
        for _ in range(TALKERS):
            chosen = [others[int(index)] for index in rng.integers(0, len(others), 16)]
            voice = np.concatenate([one / np.sqrt(np.mean(one**2)) for one in chosen])
            track += np.resize(np.roll(voice, int(rng.integers(len(voice)))), len(track))
        tracks[actor] = track
    return tracks
