"""Levels that are powers of two, or sums of two of them: multiplication becomes a shift."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_bits, check_weight
from models.quantizers.blocks import Blocks, Per, check_per, divisor, nearest
from models.quantizers.quantized import Grid, Quantized

#: The two sets whose sums are the magnitudes of additive powers of two, by bits (one of which is the sign).
_ADDENDS = {
    3: ((0.0, 2**-1, 2**-2, 2**-3), (0.0,)),
    4: ((0.0, 2**-1, 2**-2, 2**-4), (0.0, 2**-3)),
    5: ((0.0, 2**-1, 2**-3, 2**-5), (0.0, 2**-2, 2**-4, 2**-6)),
}


def _symmetric(magnitudes: list[float]) -> list[float]:
    return sorted({*magnitudes, *(-m for m in magnitudes)} - {-0.0} | {0.0})


@FAMILIES.register("pot")
@dataclass(frozen=True)
class PowersOfTwo(Quantizer):
    """Round to zero or a power of two: the nearest of ``0, s 2^-k`` and their negatives, ``s = max |w|``.

    ``k = 0 .. 2^(b-1) - 2``: with zero ``2^b - 1`` levels, dense around zero (Zhou et al. 2017).

    Relative error on standard normal weights: ``pot-4`` 0.191, ``pot-3`` 0.315.

    Parameters
    ----------
    bits : int
        ``b``, from 2 to 5.
    per : {"tensor", "row"} or int
        What shares an ``s``.
    """

    bits: int
    per: Per = "tensor"

    formula = "the nearest of 0 and +-s * 2^-k, k = 0 .. 2^(bits-1) - 2, s = max |w|"
    reference = "Zhou et al. 2017 (INQ), arXiv 1702.03044"
    adaptive = True

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 5)
        check_per(self.per)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): code 0 is the lowest level."""
        return _nearest(check_weight(weight), self.per, [2.0**-k for k in range(2 ** (self.bits - 1) - 1)])


@FAMILIES.register("apot")
@dataclass(frozen=True)
class AdditivePowersOfTwo(Quantizer):
    """Round to sums of two powers of two, spread more evenly than single ones (Li, Dong, Wang 2020).

    Magnitudes are all sums of one of ``0, 1/2, 1/4, 1/16`` and one of ``0, 1/8`` at 4 bits (other sets at 3
    and 5), divided by the largest; ``s = max |w|`` (the paper learns a clipping point instead).

    Relative error on standard normal weights: ``apot-5`` 0.079, ``apot-4`` 0.138.

    Parameters
    ----------
    bits : int
        3, 4 or 5; one of them is the sign.
    per : {"tensor", "row"} or int
        What shares an ``s``.
    """

    bits: int
    per: Per = "tensor"

    formula = "the nearest of +-s * (p + q) / max (p + q), p and q from two sets of powers of two and 0"
    reference = "Li, Dong, Wang 2020 (APoT), arXiv 1909.13144"
    adaptive = True

    def __post_init__(self) -> None:
        check_bits(self.bits, 3, 5)
        check_per(self.per)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): code 0 is the lowest level."""
        first, second = _ADDENDS[self.bits]
        sums = [p + q for p in first for q in second]
        return _nearest(check_weight(weight), self.per, [value / max(sums) for value in sums])


def _nearest(weight: Tensor, per: Per, magnitudes: list[float]) -> Quantized:
    levels = torch.tensor(_symmetric(magnitudes), dtype=torch.float32, device=weight.device)
    blocks = Blocks.of(weight, per)
    scale = blocks.largest()
    codes = nearest(blocks.values / divisor(scale), levels).to(torch.uint8)
    return Grid(blocks.restore(codes), levels, scale[..., 0], block=blocks.block)


for _bits in (4, 3):
    QUANTIZERS.add(f"pot-{_bits}", PowersOfTwo(_bits))
for _bits in (5, 4):  # at 3 bits the levels are those of pot-3
    QUANTIZERS.add(f"apot-{_bits}", AdditivePowersOfTwo(_bits))
