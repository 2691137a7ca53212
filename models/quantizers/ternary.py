"""Three levels, of which zero takes a chosen share of the weights."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import (
    FAMILIES,
    QUANTIZERS,
    Quantizer,
    Scale,
    bits_of_levels,
    check_scale,
    check_weight,
    unit_scale,
)
from models.quantizers.order_statistic import exceeds, order_statistic
from models.quantizers.quantized import Grid, Quantized


@FAMILIES.register("ternary")
@dataclass(frozen=True)
class Ternary(Quantizer):
    """Keep the sign of the largest weights: ``Q(w) = s sgn(w) [|w| > t]``; log2(3) = 1.58 bits.

    ``t`` is the ``sparsity``-quantile of ``|w|`` in the matrix (linear interpolation, as ``numpy.quantile``)
    and ``s`` the mean of the kept ``|w|``, 0 if none is kept. That ``s`` is the least-squares scale for a
    given threshold (Li & Liu 2016, ternary weight networks). A threshold at a quantile, so that the zeros are
    given as a share, is our reading of the "1.58b" quantizers that arXiv 2502.06567 names by that share.
    Without ties ``floor(sparsity (n - 1)) + 1`` of the ``n`` weights become zero; weights tied at the
    threshold all do.

    Relative error on standard normal weights: ``ternary-33`` 0.456, ``ternary-33-unscaled`` 0.462,
    ``ternary-50`` 0.439, ``ternary-50-unscaled`` 0.480, ``ternary-75`` 0.569, ``ternary-75-unscaled``
    0.655, ``ternary-90`` 0.756, ``ternary-90-unscaled`` 0.829.

    Parameters
    ----------
    sparsity : float
        Share of the weights set to zero, in [0, 1).
    scale : {"adaptive", "none"}
        ``none`` fixes the levels at -1, 0 and +1; the threshold stays the quantile.
    """

    sparsity: float
    scale: Scale = "adaptive"

    formula = "s * sgn(w) * [|w| > t], t = sparsity-quantile of |w|, s = mean of the kept |w|"
    reference = "Li & Liu 2016 (ternary weight networks), with a quantile as threshold (arXiv 2502.06567)"
    bits = bits_of_levels(3)

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"sparsity must be in [0, 1), not {self.sparsity}")
        check_scale(self.scale)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes 0, 1, 2 stand for -s, 0 and +s."""
        weight = check_weight(weight)
        threshold = self._threshold(weight.abs())
        above, below = exceeds(weight, threshold), exceeds(-threshold, weight)
        codes = above + 1 - below
        levels = weight.new_tensor([-1.0, 0.0, 1.0])
        if self.scale == "none":
            return Grid(codes, levels, unit_scale(weight), stored="nothing")
        kept = codes.float().sub_(1).mul_(weight)  # their magnitudes, zero elsewhere
        total = kept.sum(dim=(-2, -1), keepdim=True, dtype=torch.float64)
        count = (above + below).sum(dim=(-2, -1), keepdim=True)
        return Grid(codes, levels, (total / count.clamp(min=1)).float())

    def _threshold(self, magnitude: Tensor) -> Tensor:
        """Return the largest magnitude of each matrix that is not above its quantile, shape (..., 1, 1).

        The quantile lies between two neighbours in order, ``a <= t < b`` (or ``a = t = b``), and no weight
        lies strictly between them. So ``|w| > t`` exactly where ``|w| > a``, and ``a`` is a float32 number:
        nothing is rounded, and the share of zeros is exact. It also needs only one order statistic.
        """
        flat = magnitude.flatten(-2)
        return order_statistic(flat, math.floor(self.sparsity * (flat.shape[-1] - 1)))[..., None]


for _percent in (33, 50, 75, 90):
    QUANTIZERS.add(f"ternary-{_percent}", Ternary(_percent / 100))
    QUANTIZERS.add(f"ternary-{_percent}-unscaled", Ternary(_percent / 100, scale="none"))
