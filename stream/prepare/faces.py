"""Still portraits into training arrays: the same landmarks, crop and measures that a running stream takes.

Two steps, because the expression network stands between them: `prepare_faces` writes `faces.npz` (crops, textures,
blendshapes, pose, measured view), `embed_faces` runs the trained network over it and writes `video.npz`, the video
features.

Labels: `labels.csv` (`image,emotion`) beside `faces.zip`, from github.com/muxspace/facial_expressions, Apache-2.0.
"""

import csv
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ebmc_core.errors import DataError
from ebmc_core.face import EMOTION_OF_LABEL, EMOTIONS, SENTIMENT_OF_EMOTION
from stream.features.expression import Expression, ExpressionReader, TextureReader
from stream.features.face import Face, FaceReader, aligned_crop, face_shape, portrait
from stream.features.picture import Picture, grey
from stream.features.view import FaceView, face_view
from stream.prepare.degrade import DEGRADATIONS, framed

Report = Callable[[int, int, str], None]

SEED = 20
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
COMMON = ("neutral", "happiness")  # 92 % of the pictures: one degraded copy each, all the others get every one
SAME_PICTURE = 12  # of 256 bits of the difference hash


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One row of `faces.npz`: a found face and where it came from."""

    crop: Picture
    texture: NDArray[np.float16]
    face: Face
    view: FaceView
    emotion: int
    item: str
    condition: str


def prepare_faces(data: Path, out: Path, landmarker: Path, report: Report | None = None) -> Path:
    """Read the portraits in `data`, clean and degraded, and write `out/faces.npz`, without those that show no face.

    Raises `DataError` when the data is not there or names pictures that are not there.
    """
    labels = _labels(data / "labels.csv")
    rows: list[Portrait] = []
    hashes: dict[str, NDArray[np.bool_]] = {}
    reader, textures = FaceReader(landmarker, still=True), TextureReader()
    try:
        for index, (name, image) in enumerate(_pictures(data / "faces.zip", labels)):
            hashes[name] = _difference_hash(image)
            rows += _portraits(name, image, labels[name], reader, textures)
            if report:
                report(index + 1, len(labels), "portraits")
    finally:
        reader.close()
    groups = _groups(hashes)
    splits = _splits(groups, labels)
    out.mkdir(parents=True, exist_ok=True)
    target = out / "faces.npz"
    np.savez(  # textures hardly shrink
        target,
        crops=np.stack([row.crop for row in rows]),
        textures=np.stack([row.texture for row in rows]),
        shapes=np.stack([face_shape(row.face) for row in rows]).astype(np.float16),  # a thousandth of an eye's distance
        blendshapes=np.stack([row.face.blendshapes for row in rows]),
        pose=np.stack([row.face.pose for row in rows]),
        view=np.array([astuple(row.view)[:-1] for row in rows], np.float32),  # whether it is covered is learned
        emotion=np.array([row.emotion for row in rows], np.int8),
        item=np.array([row.item for row in rows]),
        group=np.array([groups[row.item] for row in rows]),
        split=np.array([splits[groups[row.item]] for row in rows]),
        condition=np.array([row.condition for row in rows]),
    )
    return target


def embed_faces(faces: Path, out: Path, expression: Path) -> Path:
    """Run the expression network over `faces.npz` and write `out/video.npz`: values, quality, sentiment, splits."""
    with np.load(faces) as stored:
        arrays = {name: stored[name] for name in stored.files}
    seen = _expressions(arrays, ExpressionReader(expression))
    sentiment = np.array([-1 if side is None else side for side in SENTIMENT_OF_EMOTION], np.int8)[arrays["emotion"]]
    keep = (sentiment >= 0) & _one_degraded(arrays["item"], arrays["condition"])
    values = np.concatenate([arrays["blendshapes"], arrays["pose"], seen.embedding], axis=1)
    views = [
        FaceView(*map(float, row), covered=float(hidden))
        for row, hidden in zip(arrays["view"], seen.covered, strict=True)
    ]
    target = out / "video.npz"
    np.savez_compressed(
        target,
        values=values[keep].astype(np.float32),
        quality=np.array([view.quality for view in views], np.float32)[keep],
        label=sentiment[keep],
        source=np.full(int(keep.sum()), "faces"),
        **{name: arrays[name][keep] for name in ("item", "group", "split", "condition")},
    )
    return target


def _expressions(arrays: dict[str, NDArray[np.generic]], reader: ExpressionReader) -> Expression:
    """What the network says of all rows of `faces.npz`."""
    parts: list[Expression] = []
    for start in range(0, len(arrays["crops"]), 512):
        rows = slice(start, start + 512)
        floats = (arrays[name][rows].astype(np.float32) for name in ("textures", "shapes", "blendshapes"))
        parts.append(reader.read(arrays["crops"][rows].astype(np.uint8, copy=False), *floats))
    return Expression(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _one_degraded(items: NDArray[np.str_], conditions: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Rows that are clean, and one degraded row of each picture: a model must not learn that bad views are sad."""
    rng = np.random.default_rng(SEED)
    degraded = rng.permutation(np.flatnonzero(conditions != "clean"))
    _, first = np.unique(items[degraded], return_index=True)
    keep = conditions == "clean"
    keep[degraded[first]] = True
    return keep


def _labels(path: Path) -> dict[str, str]:
    """Picture -> emotion."""
    if not path.is_file():
        raise DataError(f"no labels at {path}: name the folder that holds facial-expressions")
    with path.open(newline="") as lines:
        labels = {row["image"]: row["emotion"] for row in csv.DictReader(lines)}
    unknown = set(labels.values()) - set(EMOTION_OF_LABEL)
    if unknown or not labels:
        raise DataError(f"{path} is empty or names emotions that are not known: {sorted(unknown)}")
    return labels


def _pictures(archive: Path, names: Iterable[str]) -> Iterator[tuple[str, Picture]]:
    """The named pictures of a zip file, RGB."""
    try:
        with zipfile.ZipFile(archive) as stored:
            for name in names:
                image = cv2.imdecode(np.frombuffer(stored.read(name), np.uint8), cv2.IMREAD_COLOR)
                if image is None:
                    raise DataError(f"{name} in {archive} is not a picture")
                yield name, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive} is missing, damaged or lacks a picture that labels.csv names") from error


def _portraits(
    name: str, image: Picture, label: str, reader: FaceReader, textures: TextureReader
) -> Iterator[Portrait]:
    """The face in a picture and in degraded copies of it; the randomness depends on the name alone."""
    rng = np.random.default_rng([SEED, *name.encode()])
    picture = framed(image, rng)
    clean = reader.read(picture, 0.0)
    if not clean:
        return
    kinds = list(DEGRADATIONS)
    chosen = [kinds[int(rng.integers(len(kinds)))]] if label in COMMON else kinds
    yield _portrait(name, picture, clean[0], label, "clean", textures)
    for condition in chosen:
        worse = DEGRADATIONS[condition](picture, clean[0].box, rng)
        if rng.random() < 0.5:
            worse = np.ascontiguousarray(worse[:, ::-1])  # mirrored: twice the shapes
        found = reader.read(worse, 0.0)
        if found:
            yield _portrait(name, worse, found[0], label, condition, textures)


def _portrait(name: str, picture: Picture, face: Face, label: str, condition: str, textures: TextureReader) -> Portrait:
    luma = grey(picture)
    crop = aligned_crop(luma, face)
    return Portrait(
        crop=crop,
        texture=textures.read(portrait(picture, face)[None])[0].astype(np.float16),
        face=face,
        view=face_view(luma, face, crop),
        emotion=EMOTION_OF_LABEL[label],
        item=name,
        condition=condition,
    )


def _person(name: str) -> str:
    """`First_Last_0001.jpg` -> `First_Last`, `Actor_12.jpg` -> `Actor`; other names stand for themselves."""
    return re.sub(r"_\d{1,4}\.jpe?g$", "", name, flags=re.IGNORECASE)


def _difference_hash(image: Picture) -> NDArray[np.bool_]:
    """256 bits: whether each of 16 x 16 spots is lighter than its left neighbour. Equal pictures differ in few."""
    small = cv2.resize(grey(image), (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
    return (small[:, 1:] > small[:, :-1]).ravel()


def _groups(hashes: dict[str, NDArray[np.bool_]]) -> dict[str, str]:
    """Picture -> group: a person, or several that share a picture (one web picture, filed under two names)."""
    names = list(hashes)
    bits = np.stack([hashes[name] for name in names]).astype(np.float32) * 2 - 1
    leader = {person: person for person in map(_person, names)}

    def lead(person: str) -> str:
        while leader[person] != person:
            person = leader[person]
        return person

    for start in range(0, len(names), 1024):
        distance = (bits.shape[1] - bits[start : start + 1024] @ bits.T) / 2
        for row, column in np.argwhere(distance <= SAME_PICTURE):
            first, second = sorted((lead(_person(names[start + row])), lead(_person(names[column]))))
            leader[second] = first
    return {name: lead(_person(name)) for name in names}


def _splits(groups: dict[str, str], labels: dict[str, str]) -> dict[str, str]:
    """Group -> split. The groups with most rare emotions come first, each goes where its emotions are missing most."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, group in groups.items():
        counts[group][labels[name]] += 1
    totals = Counter(labels[name] for name in groups)
    weight = {label: 1 / totals[label] for label in totals}
    filled = {split: Counter[str]() for split in SHARES}
    splits: dict[str, str] = {}
    rng: Generator = np.random.default_rng(SEED)
    order = rng.permutation(sorted(counts)).tolist()
    for group in sorted(order, key=lambda one: -sum(weight[label] * n for label, n in counts[one].items())):

        def wanting(split: str, group: str = group) -> float:
            """How far below its share a split is in the emotions that this group has."""
            return sum(
                weight[label] * n * (1 - filled[split][label] / (SHARES[split] * totals[label]))
                for label, n in counts[group].items()
            )

        splits[group] = max(SHARES, key=wanting)
        filled[splits[group]].update(counts[group])
    return splits


def table(faces: Path) -> str:
    """Pictures per split and emotion of a `faces.npz`, clean ones only, as lines of text."""
    with np.load(faces) as stored:
        clean = stored["condition"] == "clean"
        split, emotion = stored["split"][clean], stored["emotion"][clean]
    counts = {part: np.bincount(emotion[split == part], minlength=len(EMOTIONS)) for part in SHARES}
    rows = [f"{part:<12}" + "".join(f"{count:>11}" for count in row) for part, row in counts.items()]
    return "\n".join([" " * 12 + "".join(f"{name:>11}" for name in EMOTIONS), *rows])
