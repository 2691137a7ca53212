"""Sums of signs: each bit takes the sign of what the bits before it have left."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_bits, check_weight
from models.quantizers.composed import Additive
from models.quantizers.quantized import Quantized


@FAMILIES.register("binary")
@dataclass(frozen=True)
class ResidualBinary(Quantizer):
    """Greedy multi-bit binary: ``Q(w) = sum of a_i sgn(r_i)``, ``r_0 = w``, ``r_(i+1) = r_i - a_i sgn(r_i)``.

    ``a_i = mean |r_i|`` of the matrix, the least-squares scale of the sign of what is left; ``sgn(0) = +1``.
    One bit is ``sign``.

    Relative error on standard normal weights: ``binary-4`` 0.183, ``binary-3`` 0.243, ``binary-2`` 0.363.

    Parameters
    ----------
    bits : int
        Number of terms, from 1 to 8.
    """

    bits: int

    formula = "sum over i < bits of a_i * sgn(r_i), r_0 = w, a_i = mean |r_i|, r_(i+1) = r_i - a_i * sgn(r_i)"
    reference = "Lin, Zhao, Pan 2017 (ABC-Net), arXiv 1711.11294; greedy as in Guo et al. 2017"
    adaptive = True
    exceptions = {  # noqa: RUF012
        "idempotent": "coefficients fitted to the sums are others than those that made them"
    }

    def __post_init__(self) -> None:
        check_bits(self.bits, 1, 8)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in); bit i of a code: sign of term i."""
        rest = check_weight(weight).clone()
        codes = torch.zeros(rest.shape, dtype=torch.uint8, device=rest.device)
        coefficients = []
        for place in range(self.bits):
            positive = rest >= 0
            size = rest.abs().mean(dim=(-2, -1), keepdim=True, dtype=torch.float64).float()
            rest.sub_(torch.where(positive, size, -size))
            codes |= positive.to(torch.uint8) << place
            coefficients.append(size[..., 0, 0])
        return Additive(codes, torch.stack(coefficients, dim=-1))


for _bits in (4, 3, 2):
    QUANTIZERS.add(f"binary-{_bits}", ResidualBinary(_bits))
