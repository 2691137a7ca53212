"""A modifier: the last layer at 8 bits, whatever the others are."""

from dataclasses import dataclass

from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Calibration, Layer, Quantizer
from models.quantizers.quantized import Quantized
from models.quantizers.sign import Sign
from models.quantizers.ternary import Ternary
from models.quantizers.uniform import Uniform

_LAST = Uniform(8)


@FAMILIES.register("last8")
@dataclass(frozen=True)
class LastAtEight(Quantizer):
    """Another quantizer for all layers but the last, which gets ``uniform-8``.

    Relative error on standard normal weights: ``ternary-50-last8`` 0.439, ``sign-last8`` 0.604.

    Parameters
    ----------
    of : Quantizer
        The other one; by name, such as ``last8:of=ternary-50``.
    """

    of: Quantizer

    formula = "Q(w) of another quantizer; uniform at 8 bits in the last layer"
    reference = "as in arXiv 2512.15335"

    @property
    def bits(self) -> float:  # type: ignore[override]
        """Those of the other quantizer: of all layers but the last."""
        return self.of.bits

    @property
    def adaptive(self) -> bool:
        """As the other quantizer is."""
        return self.of.adaptive

    @property
    def calibration(self) -> Calibration:  # type: ignore[override]
        """Records that the other quantizer looks at."""
        return self.of.calibration

    @property
    def exceptions(self) -> dict[str, str]:  # type: ignore[override]
        """Those of the other quantizer."""
        return self.of.exceptions

    def identity(self) -> str:
        """Return the identities of both."""
        return f"{super().identity()} of {self.of.identity()} and {_LAST.identity()}"

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize as the other quantizer does."""
        return self.of.quantize(weight)

    def quantize_layer(self, weight: Tensor, layer: Layer) -> Quantized:
        """Quantize a layer by its place."""
        return _LAST.quantize(weight) if layer.last else self.of.quantize_layer(weight, layer)


QUANTIZERS.add("ternary-50-last8", LastAtEight(Ternary(0.5)))
QUANTIZERS.add("sign-last8", LastAtEight(Sign()))
