"""The losses of EBMC, one function a mechanism, masked by what was there. They live outside the model's forward.

The task, MSD (Eq. 1-5), CCE (Eq. 6-7) and IMTD (Eq. 13-16), each as section 9.4 of the method rebuilds it. EMC
(Eq. 8-12) has running statistics and a file of its own: `energy.py`.

Axes: `M` modalities, `B` streams, `L` windows, `N` any set of positions, `C` classes, `P`, `D` widths.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ebmc_core.model import valence

TINY = 1e-6


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values where mask is 1, and 0 (with a gradient of 0) where the mask is empty."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def classify(logits: Tensor, labels: Tensor, mask: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross entropy of logits `[..., C]` with class numbers `[...]`, over the positions of mask `[...]`."""
    losses = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none", label_smoothing=smoothing)
    return masked_mean(losses, mask.flatten())


def spread(logits: Tensor, log_variance: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Gaussian negative log likelihood of the valence -1, 0, 1 around the model's own score, without its constant.

    The score is held still: this teaches the variance, the cross entropy teaches the score. logits `[B, L, C]`.
    """
    error = labels - 1 - valence(torch.softmax(logits, dim=-1)).detach()
    return masked_mean(0.5 * (log_variance + error.square() * torch.exp(-log_variance)), mask)


def invariance(shared: Tensor, present: Tensor, negatives: Tensor, temperature: float = 0.1) -> Tensor:
    """Symmetric masked InfoNCE of the shared parts (Eq. 1-2 as in 9.4.3): the same sample seen by two modalities.

    shared: `[M, N, P]`, present: `[M, N]`, negatives: bool `[N, N]`, true where the column's sample may repel the
    row's. Aligned parts give less than random ones (the published code rewards the opposite).
    """
    directions = F.normalize(shared.float(), dim=-1)
    itself = torch.eye(shared.shape[1], dtype=torch.bool, device=shared.device)
    total, count = shared.new_zeros(()), shared.new_zeros(())
    for one in range(len(shared)):
        for other in range(len(shared)):
            if one == other:
                continue
            similar = directions[one] @ directions[other].T / temperature  # [N, N]
            usable = (negatives & (present[other] > 0)) | itself
            loss = similar.masked_fill(~usable, -math.inf).logsumexp(-1) - similar.diagonal()
            both = present[one] * present[other]
            total, count = total + (loss * both).sum(), count + both.sum()
    return total / count.clamp(min=1)


def redundancy(shared: Tensor, specific: Tensor, present: Tensor) -> Tensor:
    """Squared cosine between the specific parts of two modalities, and between both parts of one (Eq. 3 and 9.4.3).

    shared, specific: `[M, ..., P]`; present: `[M, ...]`.
    """
    total = masked_mean(F.cosine_similarity(shared, specific, dim=-1).square(), present)
    for one in range(len(specific)):
        for other in range(one):
            cosine = F.cosine_similarity(specific[one], specific[other], dim=-1)
            total = total + masked_mean(cosine.square(), present[one] * present[other]) / len(specific)
    return total


def reconstruct(filled: Tensor, own: Tensor, hidden: Tensor) -> Tensor:
    """CCE (Eq. 7 as in 9.4.4): what was imputed for a hidden modality against what it really was, held still.

    filled, own: `[M, B, L, D]`; hidden: `[M, B, L]`, 1 where the modality was there and was hidden from the generator.
    """
    return masked_mean((filled - own.detach()).square().mean(-1), hidden)


def entropy(probabilities: Tensor) -> Tensor:
    """`u_m` of Eq. 8, the teacher's doubt in nats; `[..., C] -> [...]`."""
    return -torch.xlogy(probabilities, probabilities).sum(-1)


def balance(router: Tensor, present: Tensor) -> Tensor:
    """Load balance: 0 when a modality's windows use all experts alike on average; router `[M, B, L, E]`."""
    weights = present.flatten(1).unsqueeze(-1)  # [M, N, 1]
    use = (router.flatten(1, 2) * weights).sum(1) / weights.sum(1).clamp(min=1)  # [M, E]
    seen = (weights.sum(1) > 0).to(use.dtype)
    return ((use * router.shape[-1] - 1).square() * seen).mean()


def teacher_trust(
    probabilities: Tensor, labels: Tensor, present: Tensor, quality: Tensor, clarity: Tensor | None = None
) -> Tensor:
    """The trust each modality deserved (Eq. 13-15 as in 9.4.6), `[M, B, L]`, over those present; no gradient.

    Confidence `exp(-sd)` times reliability `1 / log(e + var)` of the teacher's valence, times the probability that it
    gave to the truth: a teacher that is sure and wrong deserves little. probabilities: calibrated, `[M, B, L, C]`.
    The root of the measured quality `[M, B, L]` is a factor of its own, for the disturbances that are in no training
    set: without it, a voice over noise of 10 dB was trusted as much as one in a quiet room. So is the clarity
    `[M, B, L]`, for noise that no quality noticed: the head can see it in the novelty of the feature alone.
    """
    values = torch.arange(-1.0, 2.0, device=probabilities.device)
    variance = (probabilities * values.square()).sum(-1) - valence(probabilities).square()
    variance = variance.clamp(min=0)
    confident = torch.exp(-variance.sqrt()) / torch.log(math.e + variance)
    right = probabilities.gather(-1, labels.expand(len(probabilities), *labels.shape).unsqueeze(-1)).squeeze(-1)
    worth = confident * (right + 0.02) * quality.clamp(0.02, 1).sqrt() * present
    if clarity is not None:
        worth = worth * clarity.clamp(0.02, 1)
    return (worth / worth.sum(0, keepdim=True).clamp(min=TINY)).detach()


def follow_trust(trust: Tensor, target: Tensor) -> Tensor:
    """`KL(target || trust)` of two distributions over modalities `[M, B, L]`, over windows with two or more of them."""
    several = (target > 0).sum(0) > 1
    divergence = torch.xlogy(target, target) - target * torch.log(trust.clamp(min=TINY))
    return masked_mean(divergence.sum(0), several.to(trust.dtype))


def distil(logits: Tensor, probabilities: Tensor, trust: Tensor) -> Tensor:
    """Trust-weighted `KL(teacher_m || fused)` (Eq. 16 with the direction of 9.4.6).

    logits: fused `[B, L, C]`; probabilities: the teachers' `[M, B, L, C]`; trust: their target trust `[M, B, L]`.
    """
    fused = torch.log_softmax(logits, dim=-1)
    divergence = (torch.xlogy(probabilities, probabilities) - probabilities * fused).sum(-1)  # [M, B, L]
    return masked_mean((divergence * trust).sum(0), (trust.sum(0) > 0).to(logits.dtype))
