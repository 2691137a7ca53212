"""Affine levels whose zero point is moved by half-quadratic optimisation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, bits_of_levels, check_weight
from models.quantizers.blocks import Blocks, Per, check_per, divisor
from models.quantizers.quantized import Grid, Quantized

#: Exponent of the norm of the error, weight of the penalty, most steps: those of the library hqq 0.2.8, which
#: no longer lets the penalty grow.
NORM, PENALTY, STEPS = 0.7, 10.0, 20


@FAMILIES.register("hqq")
@dataclass(frozen=True)
class HalfQuadratic(Quantizer):
    """Affine quantization that minimises ``sum |w - Q(w)|^0.7`` over the zero point of each group.

    Twenty steps alternate between the error that a heavy-tailed penalty would leave (a shrinkage of the
    present error) and the zero points that are best for it; a matrix stops when its mean error no longer
    falls.

    Relative error on standard normal weights: ``hqq-4`` 0.087, ``hqq-3`` 0.182, ``hqq-2`` 0.432,
    ``hqq-1.58`` 0.649.

    Parameters
    ----------
    levels : int
        Number of levels, 2 to 256; 3 are 1.58 bits.
    per : {"tensor", "row"} or int
        What shares scale and zero point.
    """

    levels: int
    per: Per = 64

    formula = (
        "(k - z) / u, u = (levels - 1) / (max - min), k = round(w * u + z), z minimises sum |w - Q(w)|^0.7"
    )
    reference = "Badri & Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models"
    adaptive = False
    exceptions = {"idempotent": "the zero point is fitted anew"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not (isinstance(self.levels, int) and 2 <= self.levels <= 256):
            raise ValueError(f"levels must be an integer from 2 to 256, not {self.levels!r}")
        check_per(self.per)

    @property
    def bits(self) -> float:  # type: ignore[override]
        """log2 of the number of levels."""
        return bits_of_levels(self.levels)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in)."""
        blocks = Blocks.of(check_weight(weight), self.per)
        top = self.levels - 1
        unit, zero = start(blocks, self.levels)
        zero = _improved(blocks, unit, zero, top)
        codes = (blocks.values * unit + zero).round_().clamp_(0, top).to(torch.uint8)
        steps = torch.arange(top + 1, device=weight.device, dtype=torch.float32)
        return Grid(blocks.restore(codes), steps, (1 / unit)[..., 0], zero[..., 0], block=blocks.block)


def start(blocks: Blocks, levels: int) -> tuple[Tensor, Tensor]:
    """Return the steps per unit of weight, and the zero points, of levels between the extremes of a block."""
    low, high = blocks.values.amin(-1, keepdim=True), blocks.values.amax(-1, keepdim=True)
    # a constant block is one level of any scale, at its own value
    unit = (levels - 1) / divisor(high - low)
    unit = torch.where((high > low) & torch.isfinite(unit), unit, 1.0)
    zero = -low * unit
    return unit, zero.round() if levels == 2**4 else zero


def _improved(blocks: Blocks, unit: Tensor, zero: Tensor, top: int) -> Tensor:
    """Return the zero points after the steps."""
    values = blocks.values
    count = blocks.shape[0] * blocks.shape[1]
    least = torch.full((*zero.shape[:-3], 1, 1, 1), torch.inf, dtype=torch.float64, device=zero.device)
    going = torch.ones_like(least, dtype=torch.bool)
    for _ in range(STEPS):
        rounded = (values * unit + zero).round_().clamp_(0, top)
        error = values - (rounded - zero) / unit
        size = error.abs()
        mean = blocks.total(size).sum(dim=(-3, -2), keepdim=True) / count
        shrunk = error.sign() * (size - size.pow(NORM - 1) / PENALTY).relu_()
        moved = blocks.mean(rounded - (values - shrunk) * unit).float()
        zero = torch.where(going, moved, zero)  # the step that no longer helps is taken, too, as published
        going &= mean < least
        if not bool(going.any()):
            break
        least = torch.where(going, mean, least)
    return zero


for _name, _levels in (("4", 16), ("3", 8), ("2", 4), ("1.58", 3)):
    QUANTIZERS.add(f"hqq-{_name}", HalfQuadratic(_levels))
