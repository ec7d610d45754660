"""Faces that get smaller: who finds them, and what is still read. MediaPipe by itself (`near`) beside `far`.

Each picture of a clip is made so small that its face has the height that the row says, and laid into a picture of
another clip without faces. What is read is held against what MediaPipe reads of the clip as it is: correlation of the
blendshapes, and how far the score of a window of video alone moves. Times are processor time of one picture, with the
expression network where there is a face. Prints Markdown.

    python -m benchmarks.faces [--canvas 640x360] [--faces far] [--seconds 4] [FOLDER]

FOLDER holds crying_woman.mp4, franck.mp4, single_face.mp4 and no_face.mp4; the default is `media` below EBMC_DATA.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import fmean, median
from time import process_time

import av
import cv2
import numpy as np

from ebmc_core.face import BLENDSHAPES
from ebmc_core.modality import Modality
from engines.engine import Engine
from engines.selection import open_engine
from stream.batcher import Batcher
from stream.face_finding import load_finder
from stream.features.finder import FaceFinder
from stream.features.picture import Picture
from stream.features.tracking import Box
from stream.features.video import FaceObservation, VideoFrontEnd
from stream.features.video_window import video_features
from stream.records import ModalityFeatures, State, VideoFrame, Window, WindowFeatures
from stream.session import WIDTHS
from stream.settings import load_settings
from stream.weights import fetch

CLIPS = (("crying_woman", 13.0), ("franck", 98.0), ("franck", 22.0), ("single_face", 0.0))  # where each begins
HEIGHTS = (120, 80, 60, 40, 30, 20)  # of the mesh, brow to chin, pixels
SPOILT = (80, 40)  # heights at which noise and darkness are tried
RATE = 5.0  # pictures a second
PLACE = (0.3, 0.4)  # of the room that is left, where the small picture lies: across, down

Spoil = Callable[[Picture], Picture]


@dataclass(frozen=True, slots=True)
class Piece:
    """A few seconds of a clip, and what MediaPipe reads of it as it is."""

    frames: list[VideoFrame]
    seen: list[FaceObservation]
    score: float


@dataclass(slots=True)
class Row:
    """What one reader made of one condition. quality: of the windows; costs: seconds a picture."""

    pictures: int = 0
    found: int = 0
    alike: list[float] = field(default_factory=list[float])
    moved: list[float] = field(default_factory=list[float])
    quality: list[float] = field(default_factory=list[float])
    costs: list[float] = field(default_factory=list[float])

    def cells(self) -> str:
        """For a table."""
        alike = f"{median(self.alike):.2f}" if self.alike else "-"
        moved = f"{fmean(self.moved):.2f}" if self.moved else "-"
        return (
            f"{self.found / self.pictures:.0%} | {alike} | {moved} | {fmean(self.quality):.2f} | "
            f"{1000 * median(self.costs):.0f}"
        )


class Bench:
    """The readers, and the engine that says what a window of video alone means."""

    def __init__(self, landmarker: Path, finder: FaceFinder, engine: Engine, background: Sequence[Picture]) -> None:
        self.readers = {
            "near": partial(VideoFrontEnd, landmarker),
            "far": partial(VideoFrontEnd, landmarker, finder=finder),
        }
        self.engine, self.background, self.finder = engine, background, finder

    def piece(self, frames: list[VideoFrame]) -> Piece:
        """Pictures, read as they are."""
        with self.readers["near"]() as front:
            seen = [front.observe(frame) for frame in frames]
        return Piece(frames, seen, self.score(video_features(seen, window(frames))))

    def score(self, video: ModalityFeatures) -> float:
        """Positive minus negative, of a window that has nothing but video."""
        nothing = {m: ModalityFeatures(np.zeros(WIDTHS[m], np.float32), State.MISSING, 0.0, 4.0) for m in Modality}
        features = WindowFeatures(Window("", 0, 0.0, 4.0), nothing | {Modality.VIDEO: video}, (), 0)
        return float(self.engine.infer(Batcher(self.engine.context).batch([features])).score[0, -1])

    def row(
        self, reader: str, pieces: Sequence[Piece], height: int | None, canvas: tuple[int, int], spoil: Spoil
    ) -> Row:
        """One condition; height None: the clips as they are."""
        row = Row()
        for piece in pieces:
            with self.readers[reader]() as front:
                seen: list[FaceObservation] = []
                for frame, known, behind in zip(piece.frames, piece.seen, cycle(self.background), strict=False):
                    image, place = frame.image, known.box
                    if height is not None:
                        image, place = laid(frame.image, known, height, scaled(behind, canvas))
                    since = process_time()
                    seen.append(front.observe(VideoFrame(frame.pts, spoil(image))))
                    row.costs.append(process_time() - since)
                    row.pictures += 1
                    if place and (one := there(seen[-1], place)) is not None:
                        row.found += 1
                        row.alike.append(correlation(one, known))
            features = video_features(seen, window(piece.frames))
            row.quality.append(features.quality)
            if features.present:
                row.moved.append(abs(self.score(features) - piece.score))
        return row

    def tiled(self, pieces: Sequence[Piece], count: int, canvas: tuple[int, int]) -> str:
        """So many faces side by side: how many boxes the finder has, and how many faces are read, a picture."""
        columns = 2 if count < 5 else 3
        rows = -(-count // columns)
        cell = (canvas[0] // columns, canvas[1] // rows)
        said: dict[str, list[int]] = {"boxes": [], **{name: [] for name in self.readers}}
        for number in range(8):
            image = scaled(self.background[0], canvas)
            for index in range(count):
                frames = pieces[index % len(pieces)].frames
                shown = frames[(number + index // len(pieces)) % len(frames)].image
                zoom = min(cell[0] / shown.shape[1], cell[1] / shown.shape[0])
                small = cv2.resize(shown, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
                x, y = index % columns * cell[0], index // columns * cell[1]
                image[y : y + small.shape[0], x : x + small.shape[1]] = small
            said["boxes"].append(len(self.finder.find(image)))
            for name, reader in self.readers.items():
                with reader() as front:
                    said[name].append(front.observe(VideoFrame(0.0, image)).faces)
        return " | ".join(f"{fmean(counts):.1f}" for counts in said.values())

    def empty(self, canvas: tuple[int, int]) -> str:
        """In how many pictures without a face there is one all the same."""
        counts = {name: 0 for name in ("boxes", *self.readers)}
        fronts = {name: reader() for name, reader in self.readers.items()}
        for number, behind in enumerate(self.background):
            image = scaled(behind, canvas)
            counts["boxes"] += bool(self.finder.find(image))
            for name, front in fronts.items():
                counts[name] += front.observe(VideoFrame(number / RATE, image)).found
        for front in fronts.values():
            front.close()
        return f"{' | '.join(map(str, counts.values()))} of {len(self.background)} pictures"


def window(frames: Sequence[VideoFrame]) -> Window:
    """The window that a piece fills."""
    return Window("", 0, 0.0, frames[-1].pts + 1 / RATE)


def laid(image: Picture, known: FaceObservation, height: int, behind: Picture) -> tuple[Picture, Box | None]:
    """The picture with its face `height` pixels high, laid into another one, and the box of the face there."""
    if known.view is None or known.box is None:
        return behind, None
    zoom = height / known.view.size
    small = np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)
    room = behind.shape[1] - small.shape[1], behind.shape[0] - small.shape[0]
    x, y = (max(0, round(share * free)) for share, free in zip(PLACE, room, strict=True))
    small = small[: behind.shape[0], : behind.shape[1]]
    behind[y : y + small.shape[0], x : x + small.shape[1]] = small
    x0, y0, x1, y1 = known.box
    wide, high = zoom * image.shape[1] / behind.shape[1], zoom * image.shape[0] / behind.shape[0]
    left, top = x / behind.shape[1], y / behind.shape[0]
    return behind, (left + x0 * wide, top + y0 * high, left + x1 * wide, top + y1 * high)


def there(seen: FaceObservation, place: Box) -> np.ndarray | None:
    """The blendshapes of the face whose middle is in a box, if there is one; of the largest face only."""
    face = seen.face()
    if face is None or face.values is None:
        return None
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return face.values[:BLENDSHAPES] if place[0] < x < place[2] and place[1] < y < place[3] else None


def correlation(one: np.ndarray, known: FaceObservation) -> float:
    """Of blendshapes with those of the picture as it is."""
    return float(np.corrcoef(one, known.values[:BLENDSHAPES])[0, 1])


def scaled(image: Picture, size: tuple[int, int]) -> Picture:
    """A new picture of that width and height."""
    return np.array(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def pictures(path: Path, start: float, end: float) -> Iterator[VideoFrame]:
    """`RATE` a second, with time counted from `start`."""
    count = 0
    with av.open(path) as media:
        for frame in media.decode(video=0):
            if frame.time is None or frame.time >= end:
                return
            if frame.time >= start + count / RATE:
                count += 1
                yield VideoFrame(frame.time - start, frame.to_ndarray(format="rgb24"))


def noise(image: Picture) -> Picture:
    """Of a cheap sensor in bad light, 25 grey levels."""
    grain = np.random.default_rng(0).normal(0, 25, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def dark(image: Picture) -> Picture:
    """An eighth of the light."""
    return (image * 0.125).astype(np.uint8)


def same(image: Picture) -> Picture:
    """Nothing done."""
    return image


SPOILS: dict[Spoil, str] = {same: "", noise: ", noise", dark: ", dark"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=load_settings().data / "media")
    parser.add_argument("--canvas", default="640x360", help="width x height of the pictures")
    parser.add_argument("--faces", default="far", choices=["far", "yunet"])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip")
    asked = parser.parse_args()
    canvas = tuple(int(side) for side in asked.canvas.split("x"))
    settings = load_settings(faces=asked.faces)
    finder = load_finder(settings, say)
    assert finder is not None and len(canvas) == 2
    background = [frame.image for frame in pictures(asked.folder / "no_face.mp4", 0, 60)]
    landmarker = fetch("face-landmarker", settings.cache)
    with open_engine("auto", settings.checkpoint) as engine:
        bench = Bench(landmarker, finder, engine, background)
        clips = [(asked.folder / f"{name}.mp4", start) for name, start in CLIPS]
        pieces = [bench.piece(list(pictures(path, start, start + asked.seconds))) for path, start in clips]
        say(f"{asked.canvas}; found, blendshapes, score moved, quality, ms; then the same of {asked.faces}\n")
        conditions = [(None, same), *((height, same) for height in HEIGHTS)]
        conditions += [(height, spoil) for spoil in (noise, dark) for height in SPOILT]
        for height, spoil in conditions:
            cells = [bench.row(reader, pieces, height, canvas, spoil).cells() for reader in bench.readers]
            label = "as it is" if height is None else f"{height} px{SPOILS[spoil]}"
            say(f"| {label} | {' | '.join(cells)} |")
        say("\nside by side: boxes, faces read near, far")
        for count in (2, 4, 6):
            say(f"| {count} | {bench.tiled(pieces, count, canvas)} |")
        say(f"\nno face: boxes, near, far: {bench.empty(canvas)}")


def say(line: str) -> None:
    """A line of the report, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
