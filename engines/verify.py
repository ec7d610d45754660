"""Do two engines say the same? Golden batches with every presence mask, and recorded windows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np

from ebmc_core.batch import FeatureBatch, Float, FusedBatch, pad_context
from ebmc_core.checkpoint import CheckpointFiles
from ebmc_core.config import EbmcConfig
from ebmc_core.errors import FeatureError
from ebmc_core.modality import MODALITIES
from engines.engine import Engine

TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "int8": 0.2}  # measured on the live model: 6e-7, 7e-4 and 0.11
TOLERANCE = TOLERANCES["float32"]
RECORDED = "real_windows.npz"  # windows of the bundled clip, recorded by tests/engines/record_windows.py


@dataclass(frozen=True, slots=True)
class Agreement:
    """The largest absolute difference per output of two engines."""

    differences: dict[str, float]

    @property
    def worst(self) -> float:
        """The largest of all; NaN if any output of one engine is NaN (so ask for `worst <= tolerance`)."""
        return float(np.max(list(self.differences.values())))


def golden_batch(config: EbmcConfig, streams: int = 16, seed: int = 0) -> FeatureBatch:
    """Random windows; stream `i` has modality `m` iff bit `m` of `i % 8` is set, with outages and ragged padding.

    Absent values are NaN on purpose: no engine may read them.
    """
    generator = np.random.default_rng(seed)
    lead = (streams, config.context)
    subset = np.array([[index >> m & 1 for m in range(len(MODALITIES))] for index in range(streams)])
    outage = generator.random((*lead, len(MODALITIES))) < 0.2
    valid = np.arange(config.context) >= generator.integers(0, config.context, streams)[:, None]
    present = (subset[:, None] & ~outage & valid[..., None]).astype(np.float32)
    values = {
        modality: np.where(
            present[..., m : m + 1] > 0, generator.standard_normal((*lead, config.widths[modality])), np.nan
        ).astype(np.float32)
        for m, modality in enumerate(MODALITIES)
    }
    quality = generator.random(present.shape, np.float32) * present
    age = generator.uniform(0, 10, present.shape).astype(np.float32)
    return FeatureBatch(values, present, quality, age, valid.astype(np.float32))


def recorded_batch(config: EbmcConfig, path: Path | None = None) -> FeatureBatch:
    """Real windows, each with the context it had in the stream: one row per window. `FeatureError` if they do not fit.

    path: an `.npz` with the arrays of a `FeatureBatch` of one stream; the bundled clip's by default.
    """
    with (path or package_files("engines") / RECORDED).open("rb") as file, np.load(file) as stored:
        values = {modality: stored[str(modality)].astype(np.float32) for modality in MODALITIES}
        rest = tuple(stored[name] for name in ("present", "quality", "age", "valid"))
    whole = FeatureBatch(values, *rest)
    whole.check(config.widths)
    ends = [index + 1 for index in range(whole.valid.shape[1]) if whole.valid[0, index] > 0]
    rows = [pad_context(steps(whole, max(0, end - config.context), end), config.context) for end in ends]
    if not rows:
        raise FeatureError(f"{path or RECORDED} holds no window")
    return joined(rows)


def steps(batch: FeatureBatch, begin: int, end: int) -> FeatureBatch:
    """The windows `begin` to `end` of every row."""
    cut = {modality: array[:, begin:end] for modality, array in batch.values.items()}
    return FeatureBatch(cut, *(a[:, begin:end] for a in (batch.present, batch.quality, batch.age, batch.valid)))


def joined(batches: list[FeatureBatch]) -> FeatureBatch:
    """Batches of one length below each other."""

    def stack(take: Callable[[FeatureBatch], Float]) -> Float:
        return np.concatenate([take(batch) for batch in batches])

    values = {modality: stack(lambda batch, m=modality: batch.values[m]) for modality in MODALITIES}
    names = ("present", "quality", "age", "valid")
    return FeatureBatch(values, *(stack(lambda batch, n=name: getattr(batch, n)) for name in names))


def with_subset(batch: FeatureBatch, subset: int) -> FeatureBatch:
    """The batch with only the modalities whose bit is set in `subset` (bit m is modality m)."""
    kept = np.array([subset >> m & 1 for m in range(len(MODALITIES))], np.float32)
    return FeatureBatch(batch.values, batch.present * kept, batch.quality * kept, batch.age, batch.valid)


def checks(config: EbmcConfig) -> Iterator[tuple[str, FeatureBatch]]:
    """What engines are compared on: random masks at three batch sizes, and real windows in all seven subsets."""
    for streams in (1, 16, 64):
        yield f"random masks, batch {streams}", golden_batch(config, streams, seed=streams)
    try:
        real = recorded_batch(config)
    except FeatureError:  # a checkpoint for other features has no recorded windows
        return
    for subset in range(1, 2 ** len(MODALITIES)):
        names = " + ".join(str(modality) for m, modality in enumerate(MODALITIES) if subset >> m & 1)
        yield f"real windows, {names}", with_subset(real, subset)


def difference(one: FusedBatch, other: FusedBatch) -> Agreement:
    """The largest difference per output of two answers."""
    names = [field.name for field in fields(FusedBatch)]
    gaps = {name: np.abs(getattr(one, name) - getattr(other, name)).max(initial=0) for name in names}
    return Agreement({name: float(gap) for name, gap in gaps.items()})


def compare(one: Engine, other: Engine, batch: FeatureBatch) -> Agreement:
    """Run a batch through two open engines."""
    return difference(one.infer(batch), other.infer(batch))


def golden_check(infer: Callable[[FeatureBatch], FusedBatch], files: CheckpointFiles) -> float:
    """The largest difference between an engine and ONNX Runtime on the CPU, over all `checks`; NaN if one is NaN."""
    from engines.onnxruntime_engine import OnnxRuntimeEngine

    with OnnxRuntimeEngine(files.folder) as reference:
        gaps = [difference(infer(batch), reference.infer(batch)).worst for _, batch in checks(files.config)]
    return float(np.max(gaps))
