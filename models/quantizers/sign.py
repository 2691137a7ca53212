"""One bit a weight: its sign."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import (
    FAMILIES,
    QUANTIZERS,
    Quantizer,
    Scale,
    check_scale,
    check_weight,
    unit_scale,
)
from models.quantizers.order_statistic import exceeds
from models.quantizers.quantized import Grid, Quantized


@FAMILIES.register("sign")
@dataclass(frozen=True)
class Sign(Quantizer):
    """Keep the sign: ``Q(w) = s sgn(w)``, ``s = mean |w|``, ``sgn(0) = +1``; 1 bit.

    ``s`` is the scale that minimises ``||w - s sgn(w)||`` (Rastegari et al. 2016). One ``s`` a matrix is our
    reading of the "Sign" quantizer of arXiv 2502.06567.

    Relative error on standard normal weights: ``sign`` 0.604, ``sign-unscaled`` 0.636.

    Parameters
    ----------
    scale : {"adaptive", "none"}
        ``none`` fixes the two levels at -1 and +1 (as in BinaryConnect, Courbariaux et al. 2015).
    """

    scale: Scale = "adaptive"

    formula = "s * sgn(w), s = mean |w|, sgn(0) = +1"
    reference = "Rastegari et al. 2016 (XNOR-Net); without scale: Courbariaux et al. 2015 (BinaryConnect)"
    bits = 1.0

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes 0 and 1 stand for -s and +s."""
        weight = check_weight(weight)
        codes = 1 - exceeds(weight.new_zeros(()), weight)  # both zeros are positive
        levels = weight.new_tensor([-1.0, 1.0])
        if self.scale == "none":
            return Grid(codes, levels, unit_scale(weight), stored="nothing")
        # float64, since the sum over a matrix of large float32 numbers need not be a float32 number
        scale = weight.abs().mean(dim=(-2, -1), keepdim=True, dtype=torch.float64).float()
        return Grid(codes, levels, scale)


QUANTIZERS.add("sign", Sign())
QUANTIZERS.add("sign-unscaled", Sign(scale="none"))
