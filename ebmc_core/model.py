"""EBMC: enhance, then balance. One network for every availability of the modalities, causal, trust inside the forward.

Independent implementation after He et al., "Enhance-then-Balance Modality Collaboration for Robust Multimodal
Sentiment Analysis", CVPR 2026, arXiv 2604.12518. Energy coordination (EMC) acts on training only: see `energy.py`.

Axes: `M` modalities, `B` streams, `L` windows (oldest first), `D` hidden width, `P` part width, `C` classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ebmc_core.batch import FeatureBatch
from ebmc_core.complement import Complement
from ebmc_core.config import EbmcConfig
from ebmc_core.disentangle import Disentangle
from ebmc_core.experts import Experts, StackedLinear, StackedNorm
from ebmc_core.modality import MODALITIES, SENTIMENTS
from ebmc_core.novelty import Novelty
from ebmc_core.trust import AGE_SCALES, TrustHead, encode_age, uniform_trust

OUTLIER = 6.0  # standard deviations; a feature beyond is a fault of a sensor, not evidence
FILL_LIMIT = 0.25  # most that a filled-in vector may weigh in the concatenation path
LOG_VARIANCE = (-6.0, 2.0)


class Representation(NamedTuple):
    """Everything the losses look at. Masks of absent modalities are not applied to `own`, `shared` and `specific`."""

    own: Tensor  # z_m [M, B, L, D], from modality m alone
    filled: Tensor  # zt_m [M, B, L, D], what the others make of m
    shared: Tensor  # c_m [M, B, L, P]
    specific: Tensor  # s_m [M, B, L, P]
    router: Tensor  # [M, B, L, E]
    trust: Tensor  # [M, B, L]
    logits: Tensor  # [B, L, C], not calibrated
    log_variance: Tensor  # [B, L], of the valence
    unimodal: Tensor  # logits of H_m(z_m) [M, B, L, C], not calibrated


class Inputs(NamedTuple):
    """The tensors of a `FeatureBatch`, in the order of `EBMC.forward`."""

    values: list[Tensor]
    present: Tensor
    quality: Tensor
    age: Tensor
    valid: Tensor


class Fused(NamedTuple):
    """The tensors of `ebmc_core.batch.FusedBatch`, in its order; they are also the outputs of the exported graph."""

    probabilities: Tensor
    score: Tensor
    interval: Tensor
    trust: Tensor
    unimodal: Tensor


class Standardise(nn.Module):
    """`(x - mean) / deviation` with the statistics of the training set, and the mean where a modality is absent."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, values: Tensor) -> None:
        """Take the statistics of values `[N, d]`; a feature that never changes is left unscaled."""
        deviation = values.std(0)
        self.mean.copy_(values.mean(0))
        self.deviation.copy_(torch.where(deviation > 1e-3, deviation, 1.0))

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """values `[B, L, d]`, never read where present `[B, L]` is 0: not even NaN gets through `where`."""
        values = torch.where(present.unsqueeze(-1) > 0, values, self.mean)
        return ((values - self.mean) / self.deviation).clamp(-OUTLIER, OUTLIER)


class Projection(nn.Module):
    """Features to tokens: `f_m = LN(W_m x_m) + e_m + time(age)`, a learned token where m is absent; x standardised."""

    def __init__(self, config: EbmcConfig) -> None:
        super().__init__()
        count, width = len(MODALITIES), config.width
        self.linear = nn.ModuleList(nn.Linear(config.widths[modality], width) for modality in MODALITIES)
        shares = (config.input_dropouts.get(modality, config.input_dropout) for modality in MODALITIES)
        self.dropout = nn.ModuleList(nn.Dropout(share) for share in shares)
        self.norm = StackedNorm(count, width)
        self.modality = nn.Parameter(torch.randn(count, 1, 1, width) * 0.02)
        self.missing = nn.Parameter(torch.randn(count, 1, 1, width) * 0.02)
        self.time = StackedLinear(count, len(AGE_SCALES), width)

    def forward(self, standard: Sequence[Tensor], present: Tensor, age: Tensor) -> Tensor:
        """standard: per modality `[B, L, d_m]`; present, age `[M, B, L]`. Returns tokens `[M, B, L, D]`."""
        layers = zip(self.linear, self.dropout, standard, strict=True)
        projected = [linear(dropout(x)) for linear, dropout, x in layers]
        tokens = self.norm(torch.stack(projected))
        tokens = torch.where(present.unsqueeze(-1) > 0, tokens, self.missing)
        return tokens + self.modality + self.time(encode_age(age))


class Fusion(nn.Module):
    """`sum_m trust_m zbar_m` plus the paper's concatenation path, in which each `zbar_m` is multiplied by its trust.

    A filled-in vector enters the concatenation only, with a learned weight below `FILL_LIMIT`. It is a function of
    the modalities present, so the published trust stays a distribution over those.
    """

    def __init__(self, config: EbmcConfig) -> None:
        super().__init__()
        count, width = len(MODALITIES), config.width
        self.fill = nn.Parameter(torch.zeros(count, 1, 1))
        self.path = nn.Sequential(
            nn.Linear(count * width + count, 2 * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, width),
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, completed: Tensor, trust: Tensor, quality: Tensor, present: Tensor) -> Tensor:
        """completed `[M, B, L, D]`; trust, quality, present `[M, B, L]`. Returns `[B, L, D]`; finite if all absent."""
        fill = FILL_LIMIT * torch.sigmoid(self.fill) * (1 - present) * present.amax(0, keepdim=True)
        weighed = (trust + fill).unsqueeze(-1) * completed
        together = torch.cat(
            (weighed.permute(1, 2, 0, 3).flatten(-2), quality.permute(1, 2, 0)), dim=-1
        )  # [B, L, MD+M]
        mean = (trust.unsqueeze(-1) * completed).sum(0)  # [B, L, D]
        return self.norm(mean + self.path(together))


class Calibration(nn.Module):
    """Temperatures, class offsets and interval widths, found on validation windows; buffers, so the exported graph has
    them.

    A row per subset of modalities present: bit m of its number is modality m.
    """

    temperature: Tensor
    offset: Tensor
    interval: Tensor
    unimodal: Tensor
    bits: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.ones(2**modalities))
        self.register_buffer("offset", torch.zeros(2**modalities, len(SENTIMENTS)))
        self.register_buffer("interval", torch.full((2**modalities,), 1.645))
        self.register_buffer("unimodal", torch.ones(modalities))
        self.register_buffer("bits", 2 ** torch.arange(modalities), persistent=False)
        self.register_load_state_dict_pre_hook(_without_offsets)

    def forward(self, inner: Representation, present: Tensor) -> Fused:
        """inner: what `EBMC.represent` gave for present `[M, B, L]`."""
        subset = (present.permute(1, 2, 0) * self.bits).sum(-1).long()  # [B, L]
        probabilities = torch.softmax(
            inner.logits / self.temperature[subset].unsqueeze(-1) + self.offset[subset], dim=-1
        )
        score = valence(probabilities)
        reach = self.interval[subset] * torch.exp(0.5 * inner.log_variance)
        interval = torch.stack((score - reach, score + reach), dim=-1).clamp(-1, 1)
        unimodal = torch.softmax(inner.unimodal / self.unimodal.view(-1, 1, 1, 1), dim=-1)
        return Fused(probabilities, score, interval, inner.trust.permute(1, 2, 0), unimodal.permute(1, 2, 0, 3))


def _without_offsets(
    calibration: nn.Module,
    state: dict[str, Tensor],
    prefix: str,
    *rest: object,  # what torch hands over beside it
) -> None:
    """Checkpoints from before there were offsets were calibrated without: they are 0."""
    state.setdefault(f"{prefix}offset", torch.zeros_like(calibration.get_buffer("offset")))


class EBMC(nn.Module):
    """The whole model. `forward` is the inference path and exports as one graph; `represent` is what losses read."""

    def __init__(self, config: EbmcConfig) -> None:
        super().__init__()
        self.config = config
        count, width, classes = len(MODALITIES), config.width, len(SENTIMENTS)
        self.standardise = nn.ModuleList(Standardise(config.widths[modality]) for modality in MODALITIES)
        self.novelty = nn.ModuleList(Novelty(config.widths[modality]) for modality in MODALITIES)
        self.projection = Projection(config)
        self.experts = Experts(count, width, config.depth, config.heads, config.context, config.ratio, config.dropout)
        self.disentangle = Disentangle(count, width, config.part)
        self.complement = Complement(count, width, config.part)
        self.trust = TrustHead(count, width, config.novelty)
        self.fusion = Fusion(config)
        self.head = nn.Linear(width, classes)
        self.spread = nn.Linear(width, 1)
        self.unimodal = StackedLinear(count, width, classes)
        self.specific = StackedLinear(count, config.part, classes)  # read by MSD's loss only
        self.calibration = Calibration(count)

    def forward(
        self,
        values: Sequence[Tensor],
        present: Tensor,
        quality: Tensor,
        age: Tensor,
        valid: Tensor,
        newest: bool = False,
    ) -> Fused:
        """Shapes as in `FeatureBatch`, values in the order of `MODALITIES`; any `L` up to `config.context`.

        `newest`: the last window alone (outputs with `L = 1`), which costs a third; a stream reads no other.
        """
        inner = self.represent(values, present, quality, age, valid, newest=newest)
        here = observed(present, valid)
        return self.calibration(inner, here[..., -1:] if newest else here)

    def represent(
        self,
        values: Sequence[Tensor],
        present: Tensor,
        quality: Tensor,
        age: Tensor,
        valid: Tensor,
        own_experts: bool = False,
        newest: bool = False,
    ) -> Representation:
        """All parts of the model in turn. `own_experts`: Stage I, each modality through its own expert only.

        `newest`: what the last window needs and no more; every part of the result has `L = 1`.
        """
        here = observed(present, valid)  # [M, B, L]
        age, quality = age.permute(2, 0, 1), quality.permute(2, 0, 1) * here
        standard = [layer(x, there) for layer, x, there in zip(self.standardise, values, here, strict=True)]
        tokens = self.projection(standard, here, age)
        own_only = own_experts or self.config.experts == "own"
        own, router = self.experts(tokens, here.unsqueeze(-2) * self.readable(tokens), own_only, newest)
        if newest:
            here, age, quality = here[..., -1:], age[..., -1:], quality[..., -1:]
            standard = [x[:, -1:] for x in standard]
        shared, specific = self.disentangle(own)
        filled, completed = self.completed(own, shared, specific, here)
        trust = self.trusted(completed, standard, age, quality, here)
        fused = self.fusion(completed, trust, quality, here)
        log_variance = self.spread(fused).squeeze(-1).clamp(*LOG_VARIANCE)
        unimodal = self.unimodal(own)
        return Representation(own, filled, shared, specific, router, trust, self.head(fused), log_variance, unimodal)

    def readable(self, tokens: Tensor) -> Tensor:
        """`[L, L]`, 1 where the row's window may read the column's."""
        every = torch.ones(tokens.shape[2], tokens.shape[2], device=tokens.device)
        return every.tril() if self.config.causal else every

    def completed(self, own: Tensor, shared: Tensor, specific: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
        """CCE: what the others make of each modality, and each modality completed by it; `[M, B, L, D]` both."""
        if self.config.complement:
            return self.complement(own, shared, specific, here)
        nothing = torch.zeros_like(own)
        return nothing, torch.where(here.unsqueeze(-1) > 0, own, nothing)

    def trusted(
        self, completed: Tensor, standard: Sequence[Tensor], age: Tensor, quality: Tensor, here: Tensor
    ) -> Tensor:
        """The weights that fuse, `[M, B, L]`: of the trust head, or all alike."""
        if self.config.fusion == "uniform":
            return uniform_trust(here)
        measured = [layer(x) for layer, x in zip(self.novelty, standard, strict=True)]
        novelty, excess = (torch.stack(parts) for parts in zip(*measured, strict=True))
        return self.trust(completed, novelty, excess, age, quality, here)

    def fit(self, values: Sequence[Tensor]) -> None:
        """Take the statistics of the training features, per modality `[N, d_m]`, before any step is made."""
        for standardise, novelty, rows in zip(self.standardise, self.novelty, values, strict=True):
            assert isinstance(standardise, Standardise) and isinstance(novelty, Novelty)
            standardise.fit(rows)
            novelty.fit(standardise(rows, torch.ones(len(rows))))


class NewestWindow(nn.Module):
    """The model as a stream runs it: the same inputs, the newest window's outputs, `L = 1`."""

    def __init__(self, model: EBMC) -> None:
        super().__init__()
        self.model = model

    def forward(self, values: Sequence[Tensor], present: Tensor, quality: Tensor, age: Tensor, valid: Tensor) -> Fused:
        return self.model(values, present, quality, age, valid, newest=True)


def inputs_from_batch(batch: FeatureBatch) -> Inputs:
    """The batch as tensors, without a copy."""
    values = [torch.from_numpy(batch.values[modality]) for modality in MODALITIES]
    rest = (torch.from_numpy(array) for array in (batch.present, batch.quality, batch.age, batch.valid))
    return Inputs(values, *rest)


def observed(present: Tensor, valid: Tensor) -> Tensor:
    """present `[B, L, M]` and valid `[B, L]` as one mask of exact 0 and 1, `[M, B, L]`."""
    return ((present > 0) & (valid > 0).unsqueeze(-1)).to(present.dtype).permute(2, 0, 1)


def valence(probabilities: Tensor) -> Tensor:
    """`p_positive - p_negative`; `[..., C] -> [...]`, in -1..1."""
    return probabilities[..., -1] - probabilities[..., 0]
