"""The model in half precision, with what must stay exact in float32.

Features are standardised before they become half (a raw pitch or energy may not fit), and probabilities, score and
interval are worked out in float32, so that what is published adds up. Inputs and outputs of the graph are float32.
"""

from torch import Tensor, nn

from ebmc_core.model import EBMC, Calibration, Fused, Inputs, NewestWindow, Representation, Standardise
from ebmc_core.novelty import Novelty


class HalfStandardise(nn.Module):
    """Standardise in float32, give the result in half."""

    def __init__(self, inner: Standardise) -> None:
        super().__init__()
        self.inner = inner.float()

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """values `[B, L, d]` float32, present `[B, L]`."""
        return self.inner(values, present).half()


class FloatNovelty(nn.Module):
    """Sums of squares over a thousand features, and logarithms of them, in float32; the result in half."""

    def __init__(self, inner: Novelty) -> None:
        super().__init__()
        self.inner = inner.float()

    def forward(self, standard: Tensor) -> tuple[Tensor, Tensor]:
        """As `Novelty.forward`."""
        novelty, excess = self.inner(standard.float())
        return novelty.half(), excess.half()


class FloatCalibration(nn.Module):
    """Calibrate in float32 what the model found in half."""

    def __init__(self, inner: Calibration) -> None:
        super().__init__()
        self.inner = inner.float()

    def forward(self, inner: Representation, present: Tensor) -> Fused:
        """As `Calibration.forward`."""
        return self.inner(Representation(*(part.float() for part in inner)), present.float())


class HalfWindow(nn.Module):
    """`NewestWindow` of a model in half precision; takes and gives float32."""

    def __init__(self, model: EBMC) -> None:
        super().__init__()
        model = model.half()
        standardise = [HalfStandardise(layer) for layer in model.standardise]  # pyright: ignore[reportArgumentType]
        model.standardise = nn.ModuleList(standardise)
        novelty = [FloatNovelty(layer) for layer in model.novelty]  # pyright: ignore[reportArgumentType]
        model.novelty = nn.ModuleList(novelty)
        model.calibration = FloatCalibration(model.calibration)  # pyright: ignore[reportAttributeAccessIssue]
        self.window = NewestWindow(model)

    def forward(self, values: list[Tensor], present: Tensor, quality: Tensor, age: Tensor, valid: Tensor) -> Fused:
        """As `NewestWindow.forward`. The model is spoiled for float32 use: hand over a copy."""
        inputs = Inputs(values, present.half(), quality.half(), age.half().clamp(max=1e4), valid.half())
        return self.window(*inputs)


def window_module(model: EBMC, precision: str) -> nn.Module:
    """What is exported: the newest window of a model (already a copy), in `float32` or `float16`."""
    return (HalfWindow(model) if precision == "float16" else NewestWindow(model)).eval()
