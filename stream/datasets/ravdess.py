"""RAVDESS, the speech recordings: 48 kHz wav files in one archive become 16 kHz mono FLAC.

The archive holds 24 actors. Training uses 1 to 14, validation 15 to 17, test 18 to 20 (`stream.prepare.ravdess`), so
only these are unpacked: with more actors here the test figures would no longer be those of the model card.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import av
from av.error import FFmpegError

from ebmc_core.errors import DataError
from stream.datasets.archive import opened_archive, read_member
from stream.datasets.dataset import Dataset, Found, RemoteFile, Report, State
from stream.records import AUDIO_RATE

ARCHIVE = "Audio_Speech_Actors_01-24.zip"
ACTORS = 20


def _names() -> Sequence[str]:
    """modality-channel-emotion-intensity-statement-repetition-actor; neutral (01) has no strong intensity (02)."""
    numbers = product(range(1, 9), range(1, 3), range(1, 3), range(1, 3), range(1, ACTORS + 1))
    return tuple(
        f"03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
        for emotion, intensity, statement, repetition, actor in numbers
        if emotion != 1 or intensity == 1
    )


CLIPS = _names()


def build_ravdess(
    files: Mapping[str, Path], folder: Path, report: Report | None = None, clips: Sequence[str] = CLIPS
) -> None:
    """`folder/16k/NAME.flac` of every clip in the archive; raises `DataError` when it lacks one or one is no sound."""
    (folder / "16k").mkdir()
    with opened_archive(files[ARCHIVE]) as archive:
        inside = {Path(name).stem: name for name in archive.namelist() if name.endswith(".wav")}
        for index, clip in enumerate(clips):
            if clip not in inside:
                raise DataError(f"{ARCHIVE} lacks {clip}.wav")
            (folder / "16k" / f"{clip}.flac").write_bytes(flac_from_wav(read_member(archive, inside[clip])))
            if report:
                report(index + 1, len(clips), "recordings")


def flac_from_wav(wav: bytes) -> bytes:
    """Any sound file as FLAC, 16 bit, 16 kHz, mono; raises `DataError` when it cannot be decoded."""
    out = io.BytesIO()
    try:
        with av.open(io.BytesIO(wav), mode="r") as source, av.open(out, mode="w", format="flac") as target:
            stream = target.add_stream("flac", rate=AUDIO_RATE, layout="mono", format="s16")
            for frame in (*source.decode(audio=0), None):
                target.mux(stream.encode(frame))  # PyAV resamples to what the stream is
    except (FFmpegError, IndexError) as error:
        raise DataError(f"a recording in {ARCHIVE} cannot be decoded: {error}") from error
    return out.getvalue()


def inspect_ravdess(folder: Path, clips: Sequence[str] = CLIPS) -> Found:
    """Which recordings are there, and whether each begins as FLAC does."""
    paths = [folder / "16k" / f"{clip}.flac" for clip in clips]
    here = [path for path in paths if path.is_file()]
    if not here:
        return Found(State.MISSING, "no recordings")
    if broken := [path.name for path in here if not _is_flac(path)]:
        return Found(State.DAMAGED, f"{len(broken)} recordings are no FLAC files, {broken[0]} among them")
    count = f"{len(here)} of {len(paths)} recordings"
    return Found(State.COMPLETE if len(here) == len(paths) else State.PARTIAL, count)


def _is_flac(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(4) == b"fLaC"


RAVDESS = Dataset(
    name="ravdess-speech",
    parts=("speech",),
    what="acted speech, 8 emotions: 1,200 clips of 20 actors (24 in the archive)",
    use="the voice expert of live-en",
    licence="CC BY-NC-SA 4.0",
    consequence="weights trained on it are for non-commercial use; name the authors, share alike",
    citation="Livingstone & Russo 2018, PLoS ONE 13(5): e0196391, doi:10.5281/zenodo.1188976",
    home="zenodo.org/records/1188976",
    files=(
        RemoteFile(
            ARCHIVE,
            (f"https://zenodo.org/records/1188976/files/{ARCHIVE}?download=1",),
            size=208_468_073,
            digest="md5:bc696df654c87fed845eb13823edef8a",  # as Zenodo publishes it
        ),
    ),
    build=build_ravdess,
    inspect=inspect_ravdess,
)
