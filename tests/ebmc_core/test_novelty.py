"""What counts as novel: noise outside and outliers inside the directions in which training features vary."""

import torch

from ebmc_core.novelty import FAR, Novelty


def fitted() -> tuple[Novelty, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2000, 4, generator=generator) @ torch.randn(4, 20, generator=generator)
    rows = rows + 0.1 * torch.randn(rows.shape, generator=generator)
    layer = Novelty(20)
    layer.fit(rows / rows.std(0))
    return layer, rows / rows.std(0)


def test_training_features_are_usual() -> None:
    layer, rows = fitted()
    novelty, excess = layer(rows)
    torch.testing.assert_close(novelty.mean(0), torch.zeros(2), atol=0.05, rtol=0)
    assert (excess > 0).float().mean() < 0.21  # beyond nine in ten, inside or outside


def test_noise_and_outliers_are_not() -> None:
    layer, rows = fitted()
    generator = torch.Generator().manual_seed(1)
    excess = [layer(rows + s * torch.randn(rows.shape, generator=generator))[1].mean() for s in (0.0, 0.3, 1.0)]
    assert excess[0] < excess[1] < excess[2]
    assert layer(4 * rows)[1].mean() > 1


def test_the_most_extreme_feature_stays_bounded() -> None:
    layer, _ = fitted()
    novelty, excess = layer(torch.full((1, 20), 1e6))
    assert torch.isfinite(excess).all()
    assert novelty.abs().max() <= FAR
