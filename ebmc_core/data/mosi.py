"""CMU-MOSI as sequences: one video is one sequence of up to 63 utterances, every utterance with its own label.

The arrays (`mosi.npz`, written by `ebmc data prepare`) hold one row per utterance, in the order of each video: `audio`
float `[N, 73]`, `video` `[N, 100]`, and the text as one of `TEXTS`; `label` int8 (0 negative, 1 positive); `name` str
(the video); `split` str. Validation videos are cut out of the published training videos; test videos are the published
ones. The release measures no quality, so quality is 1 wherever a modality is there, and trust must come from the
features.

The released text and video vectors were made by networks that had been trained on the labels of these same training
videos: a logistic regression on them is right for 99 % (text) and 92 % (video) of utterances in training videos that it
has not seen, and for 76 % and 53 % in test videos. A validation set of training videos is therefore worthless, and a
model trained on such vectors trusts them far too much, unless they are `soften`ed: mixed with noise of their own
covariance until they tell as little as the published test figures say they do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.arrays import SPLITS
from ebmc_core.data.columns import ANY, WHOLE, WORD, read_columns
from ebmc_core.data.disturb import Disturbance, Disturber
from ebmc_core.data.sequences import Ints, LabelledBatch, ordered_subsets
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality, Sentiment

KINDS = {"label": (WHOLE, 1), "name": (WORD, 1), "split": (WORD, 1)}
TEXTS = ("released", "minilm", "sentence")
"""Text features to choose from: the release's text-CNN vectors, MiniLM vectors of the transcripts, or those of the
stream's own encoder, MiniLM with blocks tuned on sentiment, each by a network that did not learn from its label."""
POSITIVE, NEGATIVE = SENTIMENTS.index(Sentiment.POSITIVE), SENTIMENTS.index(Sentiment.NEGATIVE)


@dataclass(frozen=True, slots=True, eq=False)
class MosiArrays:
    """Utterances in the order of their videos. values `[N, d_m]` per modality; label `[N]`, numbers of `SENTIMENTS`."""

    values: Mapping[Modality, Float]
    label: Ints
    video: NDArray[np.str_]
    split: NDArray[np.str_]

    def of_split(self, split: str) -> "MosiArrays":
        """The utterances of one split."""
        rows = self.split == split
        values = {modality: array[rows] for modality, array in self.values.items()}
        return MosiArrays(values, self.label[rows], self.video[rows], self.split[rows])


def read_mosi(path: Path, text: str = "released") -> MosiArrays:
    """Read and check `mosi.npz` with one of `TEXTS`. Raises `DataError` with one line that names the fault."""
    if text not in TEXTS:
        raise DataError(f"there are no text features called {text!r}: choose {' or '.join(TEXTS)}")
    try:
        columns = read_columns(path, {name: (ANY, 2) for name in (text, "audio", "video")} | KINDS)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: make it with `ebmc data prepare --only mosi`") from error
    except ValueError as error:
        mend = "; `sentence` needs `ebmc data prepare --only mosi --reviews FILE`" if text == "sentence" else ""
        raise DataError(f"{path} holds no utterances of MOSI with {text} text: {error}{mend}") from error
    sources = {Modality.TEXT: text, Modality.AUDIO: "audio", Modality.VIDEO: "video"}
    values = {modality: columns[name] for modality, name in sources.items()}
    _check(values, columns["label"], columns["split"], columns["name"], path)
    label = np.where(columns["label"] == 1, POSITIVE, NEGATIVE)
    plain = {modality: array.astype(np.float32) for modality, array in values.items()}
    return MosiArrays(plain, label, columns["name"], columns["split"])


def _check(
    values: Mapping[Modality, NDArray[Any]], label: NDArray[Any], split: NDArray[Any], name: NDArray[Any], path: Path
) -> None:
    for modality, array in values.items():
        if array.ndim != 2 or array.dtype.kind != "f" or not len(array) == len(label) == len(split) == len(name):
            raise DataError(f"{path}: {modality} must be float [N, d] and every other column [N] of the same N")
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).any(1).sum())
            raise DataError(f"{path}: {bad} utterances have {modality} values that are not finite")
    if strange := {int(x) for x in label} - {0, 1}:
        raise DataError(f"{path}: labels must be 0 (negative) or 1 (positive), not {sorted(strange)}")
    for part in SPLITS:
        if {int(x) for x in label[split == part]} != {0, 1}:
            raise DataError(f"{path}: the {part} split lacks negative or positive utterances")
    for video in np.unique(name):
        if len(np.unique(split[name == video])) > 1:
            raise DataError(f"{path}: the video {str(video)!r} is in more than one split")


class Softener:
    """Noise of a feature's own covariance: `x' = mean + (x - mean + s noise) / sqrt(1 + s^2)` has it too."""

    def __init__(self, rows: Float, strength: float) -> None:
        """rows `[N, d]`: training features, whose mean and covariance are taken. strength: `s`; 0 changes nothing."""
        self.strength = strength
        self.mean = rows.mean(0)
        spread, directions = np.linalg.eigh(np.cov(rows.T.astype(np.float64)))
        self.root = (directions * np.sqrt(spread.clip(min=0))).astype(np.float32)

    def __call__(self, values: Float, generator: np.random.Generator) -> Float:
        """values `[..., d]`; draws from the generator."""
        if not self.strength:
            return values
        noise = generator.standard_normal(values.shape, np.float32) @ self.root.T
        mixed = (values - self.mean + self.strength * noise) / np.sqrt(1 + self.strength**2)
        return (self.mean + mixed).astype(np.float32)


class MosiVideos:
    """The videos of one split as padded sequences, padding in front; the same seed draws the same."""

    def __init__(
        self,
        arrays: MosiArrays,
        split: str,
        context: int,
        seed: int,
        disturbance: Disturbance | None = None,
        soften: Mapping[str, float] | None = None,
    ) -> None:
        """context: most utterances of a sequence; of a longer video training draws a part, and `held` the end.

        soften: a strength per modality, for training videos; test videos are never softened.
        """
        part = arrays.of_split(split)
        self.context = context
        self.rows = [np.flatnonzero(part.video == video) for video in dict.fromkeys(part.video)]
        self.values, self.label = part.values, part.label
        self.deviation = {modality: array.std(0) for modality, array in part.values.items()}
        self.generator = np.random.default_rng(seed)
        self.disturber = Disturber(disturbance or Disturbance(), self.generator)
        leaky = arrays.of_split("train")
        strengths = {} if split == "test" else soften or {}
        self.soften = {m: Softener(leaky.values[m], strengths.get(m, 0.0)) for m in MODALITIES}

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, count: int) -> LabelledBatch:
        """`count` different videos (all of them if there are fewer), cut at random, with everything that goes wrong."""
        chosen = self.generator.permutation(len(self.rows))[:count]
        cuts = [self._cut(self.rows[index]) for index in chosen]
        length = max(len(cut) for cut in cuts)
        return self._batch(cuts, self.disturber.presence(len(cuts), length), disturbed=True)

    def held(self, count: int, subset: Ints) -> LabelledBatch:
        """The first `count` videos whole, each utterance with just these modalities."""
        cuts = [rows[-self.context :] for rows in self.rows[:count]]
        shape = (len(cuts), max(len(cut) for cut in cuts), len(MODALITIES))
        return self._batch(cuts, np.broadcast_to(subset, shape).astype(np.float32), disturbed=False)

    def mixed(self, count: int) -> LabelledBatch:
        """Every video with each of the seven subsets, and once more with all modalities."""
        cuts = [rows[-self.context :] for rows in self.rows[:count]]
        subsets = [*ordered_subsets(), np.ones(len(MODALITIES), np.int64)]
        present = np.repeat(np.stack(subsets), len(cuts), axis=0)[:, None].astype(np.float32)
        present = np.repeat(present, max(len(cut) for cut in cuts), axis=1)
        return self._batch(cuts * len(subsets), present, disturbed=False)

    def _cut(self, rows: Ints) -> Ints:
        """A random end of a video's past, as a stream would have it by then."""
        end = int(self.generator.integers(max(1, len(rows) // 2), len(rows) + 1))
        return rows[max(0, end - self.context) : end]

    def _batch(self, cuts: list[Ints], present: Float, disturbed: bool) -> LabelledBatch:
        """Rows of utterances as a batch; `present [B, L, M]`, of which padding is taken away."""
        length = present.shape[1]
        table = np.stack([np.concatenate((np.full(length - len(cut), -1), cut)) for cut in cuts])
        valid = (table >= 0).astype(np.float32)
        present = present * valid[..., None]
        quality = np.ones(present.shape, np.float32)
        clarity = np.ones(present.shape, np.float32)
        values = {m: self.soften[m](array[table], self.generator) for m, array in self.values.items()}
        if disturbed:
            for m, modality in enumerate(MODALITIES):
                clarity[..., m] = self.disturber.spoil(values[modality], quality[..., m], self.deviation[modality])
        label = self.label[table]
        own = np.repeat(label[..., None], len(MODALITIES), axis=-1)
        age = np.zeros_like(present)
        return LabelledBatch(FeatureBatch(values, present, quality * present, age, valid), label, own, clarity)
