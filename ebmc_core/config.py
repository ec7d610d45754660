"""The shape of an EBMC model, saved beside its weights. No torch in here: engines read it too."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ebmc_core.errors import CheckpointError
from ebmc_core.modality import MODALITIES, Modality

FEATURES = 2
"""Version of the features that `ebmc data prepare` and streams make; raised when their numbers mean another thing."""


@dataclass(frozen=True, slots=True)
class EbmcConfig:
    """Sizes of an EBMC model. Raises `ValueError` when they cannot be built."""

    widths: Mapping[Modality, int]
    """Feature width `d_m` of each modality: the contract with the feature front ends."""
    width: int = 128
    """Hidden width D."""
    part: int = 64
    """Width P of the shared and of the specific part of a modality."""
    depth: int = 2
    """Attention blocks in each expert."""
    heads: int = 4
    """Attention heads."""
    ratio: int = 1
    """Width of a block's MLP as a multiple of D."""
    context: int = 16
    """Windows that the newest window can look back on, itself included."""
    causal: bool = True
    """Whether a window reads the past only. A stream has nothing else; a recorded video may be read both ways."""
    experts: str = "soft"
    """`soft`: each modality through all experts, mixed by its router; `own`: through its own only, at a third."""
    fusion: str = "trust"
    """`trust`: the trust head weighs; `uniform`: all that are present weigh alike (for the ablation)."""
    features: int = 1
    """Version of the features it was trained on, see `FEATURES`; MOSI's own have none, and stay at 1."""
    novelty: str = "linear"
    """How the logit of trust falls with novelty: `linear`, as in checkpoints that do not say it, or `log`: by nearly as
    much at first and ever less, so that a feature which is strange but tells a lot still counts. `apart`: as `log`, and
    the learned part of trust does not read it. Much noise in training is noticed by the measured quality too, and that
    part would learn to take back what novelty costs."""
    complement: bool = True
    """Whether the modalities present fill in for those absent (CCE); without it an absent one is zero."""
    dropout: float = 0.3
    """Dropout inside the blocks and the fusion layer."""
    input_dropout: float = 0.2
    """Dropout on the standardised input features."""
    input_dropouts: Mapping[Modality, float] = field(default_factory=dict[Modality, float])
    """The same for single modalities that need another: a voice of few speakers more than a face of many."""

    def __post_init__(self) -> None:
        if set(self.widths) != set(MODALITIES):
            raise ValueError(f"widths must name {[str(m) for m in MODALITIES]}, not {sorted(self.widths)}")
        sizes = (*self.widths.values(), self.width, self.part, self.depth, self.heads, self.ratio, self.context)
        if min(*sizes, self.heads) < 1 or self.width % self.heads:
            raise ValueError("all sizes must be positive, and the width a multiple of the heads")
        # a TOML file may hold anything
        table = isinstance(self.input_dropouts, Mapping)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not table or not set(self.input_dropouts) <= set(MODALITIES):
            raise ValueError(f"input_dropouts must have a number for some of {', '.join(MODALITIES)}")
        for share in (self.dropout, self.input_dropout, *self.input_dropouts.values()):
            number = isinstance(share, int | float)  # pyright: ignore[reportUnnecessaryIsInstance]
            if not number or not 0 <= share < 1:
                raise ValueError(f"dropout must be in [0, 1), not {share!r}")
        if self.experts not in ("soft", "own") or self.fusion not in ("trust", "uniform"):
            raise ValueError("experts must be soft or own, and fusion trust or uniform")
        if self.novelty not in ("linear", "log", "apart"):
            raise ValueError("novelty must be linear, log or apart")

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and strings, for JSON and TOML."""
        return asdict(self) | {
            "widths": {str(m): self.widths[m] for m in MODALITIES},
            "input_dropouts": {str(m): share for m, share in self.input_dropouts.items()},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "EbmcConfig":
        """The opposite of `to_dict`. Raises `CheckpointError` on unknown, missing or impossible fields."""
        try:
            known: dict[str, Any] = dict(given)
            if strange := sorted(set(known) - {each.name for each in fields(cls)}):
                raise ValueError(f"there are no fields {str(strange)[:100]}")
            for name, default in asdict(cls(dict.fromkeys(MODALITIES, 1))).items():
                if name in known and name != "widths" and not _like(known[name], default):
                    raise ValueError(f"{name} must be like {default!r}")
            known["widths"] = {Modality(name): int(width) for name, width in known["widths"].items()}
            shares = known.get("input_dropouts", {})
            known["input_dropouts"] = {Modality(name): float(share) for name, share in shares.items()}
            return cls(**known)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CheckpointError(f"not the configuration of an EBMC model: {str(error)[:200]}") from error


def _like(value: object, default: object) -> bool:
    """Whether a value is of the kind of another; a whole number will do for one that need not be."""
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)
