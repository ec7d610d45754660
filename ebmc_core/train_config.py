"""What a training run is told: a TOML file with these keys, typed, checked before anything is read or made."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ebmc_core.data.disturb import Disturbance
from ebmc_core.data.mosi import TEXTS
from ebmc_core.data.paired import Pairing
from ebmc_core.data.sequences import subset_of
from ebmc_core.energy import EnergyWeights
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES

DATA = ("paired", "mosi")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the losses beside the fused cross entropy. The paper has MSD 0.5, CCE, EMC and IMTD 0.1."""

    unimodal: float = 0.5
    """Cross entropy of the heads on one modality each."""
    spread: float = 0.2
    """Likelihood of the valence, which teaches the interval's width."""
    msd: float = 0.1
    """MSD: shared parts agree (`L_inv`, Eq. 1-2)."""
    redundancy: float = 0.1
    """MSD: specific parts differ (`L_dis`, Eq. 3)."""
    specific: float = 0.1
    """MSD: specific parts still tell the sentiment (`L_uni`, Eq. 4)."""
    cce: float = 0.1
    """CCE: what is imputed is near to what was there (Eq. 7, first term)."""
    useful: float = 0.1
    """CCE: the fused prediction holds with a modality replaced by what is imputed (Eq. 7, second term)."""
    emc: float = 0.1
    """EMC: no modality's energy stands above the others' (Eq. 8-12)."""
    trust: float = 0.5
    """IMTD: the trust head follows the teachers' trust (Eq. 13-15)."""
    distil: float = 0.1
    """IMTD: the fused prediction follows the teachers, each as far as it is trusted (Eq. 16)."""
    balance: float = 0.01
    """All experts are used."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run; a TOML file has these keys, with a table for each of the last five."""

    name: str = "live-en-1"
    """What the checkpoint is called in events."""
    data: str = "paired"
    """`paired`: windows paired by label from unimodal data; `mosi`: the videos of CMU-MOSI."""
    text: str = "released"
    """Of `mosi`: which text features, `released` or `minilm`."""
    soften: Mapping[str, float] = field(default_factory=dict[str, float])
    """Of `mosi`: how much noise makes features that leak labels as weak as they are on test, see `data/mosi.py`."""
    features: Path = Path("features")
    """Folder of the feature arrays."""
    runs: Path = Path("runs")
    """Folder that gets a folder for this run."""
    seed: int = 1
    threads: int = 1
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: a GPU if there is one."""
    precision: str = "float32"
    """`float32`, or `bfloat16` for mixed precision: weights and softmax stay in float32."""
    batch: int = 64
    steps: int = 40
    """Batches in an epoch."""
    stage_one: int = 15
    """Most epochs of Stage I."""
    stage_two: int = 30
    """Most epochs of Stage II."""
    patience: int = 6
    """Epochs without a better validation loss that end a stage."""
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    clip: float = 1.0
    smoothing: float = 0.0
    """Label smoothing of the cross entropies."""
    averaging: float = 0.0
    """Decay per step of a moving average of the weights, which is then what is validated and kept; 0: none."""
    validation: int = 384
    """Sequences that every epoch is validated on."""
    variant: str = "full"
    """Which entry of `ebmc_core.variants` made this configuration."""
    model: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of `EbmcConfig`; the feature widths come from the arrays."""
    pairing: Pairing = field(default_factory=Pairing)
    disturbance: Disturbance = field(default_factory=Disturbance)
    weights: LossWeights = field(default_factory=LossWeights)
    energy: EnergyWeights = field(default_factory=EnergyWeights)

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.data, DATA, "data"),
            (self.text, TEXTS, "text"),
            (self.precision, PRECISIONS, "precision"),
            (self.device, ("auto", "cpu", "cuda"), "device"),
        ):
            if value not in known:
                raise ValueError(f"{what} must be {' or '.join(known)}, not {value!r}")
        if min(self.batch, self.steps, self.stage_one, self.stage_two, self.patience, self.validation) < 1:
            raise ValueError("batch, steps, stage_one, stage_two, patience and validation must be at least 1")
        if self.learning_rate <= 0 or not 0 <= self.averaging < 1:
            raise ValueError("learning_rate must be positive, and averaging in [0, 1)")
        if unknown := set(self.soften) - set(MODALITIES):
            raise ValueError(f"soften names {sorted(unknown)}; there are {', '.join(MODALITIES)}")
        if self.disturbance.only is not None:
            subset_of(self.disturbance.only)

    @property
    def run(self) -> Path:
        """The folder of this run: `runs/name/variant-seedN`, without the variant where it is the full model."""
        return self.runs / f"{self.name}{'' if self.variant == 'full' else '-' + self.variant}-seed{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, for the checkpoint; folders are left out, they mean nothing elsewhere."""
        plain = {**asdict(self), "energy": self.energy._asdict()}
        return {key: value for key, value in plain.items() if not isinstance(value, Path)}


def read_train_config(path: Path, **overrides: Any) -> TrainConfig:
    """Read a TOML file; keyword arguments stand over it. Raises `DataError` for keys and values that do not exist."""
    try:
        content = {**tomllib.loads(path.read_text(encoding="utf-8")), **overrides}
        for name in ("features", "runs"):
            if name in content:
                content[name] = Path(content[name])
        if "pairing" in content:
            pairing = dict(content["pairing"])
            pairing["next_item"] = tuple(pairing.get("next_item", Pairing().next_item))
            content["pairing"] = Pairing(**pairing)
        for name, kind in (("disturbance", Disturbance), ("weights", LossWeights), ("energy", EnergyWeights)):
            if name in content:
                content[name] = kind(**content[name])
        return TrainConfig(**content)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not a training configuration: {error}") from error
