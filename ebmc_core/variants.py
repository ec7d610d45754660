"""The model with one thing changed: what an ablation compares, and the models trained for one condition alone."""

from collections.abc import Callable
from dataclasses import replace

from ebmc_core.data.disturb import Disturbance
from ebmc_core.data.sequences import ordered_subsets, subset_name
from ebmc_core.errors import DataError
from ebmc_core.train_config import TrainConfig

Change = Callable[[TrainConfig], TrainConfig]


def _weights(**off: float) -> Change:
    return lambda config: replace(config, weights=replace(config.weights, **off))


def _model(**fields: object) -> Change:
    return lambda config: replace(config, model={**config.model, **fields})


def _chain(*changes: Change) -> Change:
    def change(config: TrainConfig) -> TrainConfig:
        for each in changes:
            config = each(config)
        return config

    return change


def _only(name: str) -> Change:
    """Trained on one condition: no subsets, no outages; the noise stays."""
    return lambda config: replace(config, disturbance=replace(config.disturbance, only=name, outage=0.0, dropping=0.0))


def _undisturbed(config: TrainConfig) -> TrainConfig:
    calm = Disturbance(complete=1.0, outage=0.0, noise=0.0, jitter=config.disturbance.jitter)
    return replace(config, disturbance=calm)


NO_MSD = _weights(msd=0.0, redundancy=0.0, specific=0.0)
NO_CCE = _chain(_weights(cce=0.0, useful=0.0), _model(complement=False))
NO_EMC = _weights(emc=0.0)
NO_IMTD = _weights(trust=0.0, distil=0.0)
UNIFORM = _chain(_weights(trust=0.0), _model(fusion="uniform"))

VARIANTS: dict[str, Change] = {
    "full": lambda config: config,
    "no-msd": NO_MSD,
    "no-cce": NO_CCE,
    "no-emc": NO_EMC,
    "no-imtd": NO_IMTD,
    "uniform-trust": UNIFORM,
    "bare": _chain(NO_MSD, NO_CCE, NO_EMC, NO_IMTD, UNIFORM),
    "no-dropout": _chain(_undisturbed, UNIFORM),
    "own-experts": _model(experts="own"),
    "both-ways": _model(causal=False),
    **{f"only-{subset_name(subset)}": _only(subset_name(subset)) for subset in ordered_subsets()},
}
"""`no-*`: without that part. `uniform-trust`: all modalities weigh alike. `bare`: none of the paper's parts.
`no-dropout`: trained without missing and noisy modalities, and without trust. `own-experts`: each modality through its
own expert only. `both-ways`: attention sees the future too. `only-*`: trained for that condition alone."""


def varied(config: TrainConfig, variant: str) -> TrainConfig:
    """The configuration with one entry of `VARIANTS` applied. Raises `DataError` for one that is not there."""
    if variant not in VARIANTS:
        raise DataError(f"there is no variant {variant!r}; there are {', '.join(VARIANTS)}")
    return replace(VARIANTS[variant](config), variant=variant)
