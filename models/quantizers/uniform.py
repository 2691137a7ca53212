"""Equally spaced levels, symmetric around zero."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import (
    FAMILIES,
    QUANTIZERS,
    Quantizer,
    Scale,
    check_bits,
    check_scale,
    check_weight,
    unit_scale,
)
from models.quantizers.blocks import Blocks, Per, check_per, divisor, symmetric
from models.quantizers.quantized import Grid, Quantized


@FAMILIES.register("uniform")
@dataclass(frozen=True)
class Uniform(Quantizer):
    """Round to the nearest of ``2^b - 1`` equally spaced levels: ``Q(w) = s k / q``, ``b`` bits.

    ``q = 2^(b-1) - 1``, ``k = round(w q / s)`` from ``-q`` to ``q``, and ``s = max |w|`` of the matrix
    (symmetric absmax quantization, Jacob et al. 2018, Krishnamoorthi 2018). A weight half-way between two
    levels goes to the one of even ``k``. The grid is symmetric, so it holds zero and has an odd number of
    levels: 3 at 2 bits. That count, and one ``s`` a matrix, are our reading of the "k bits" quantizers of
    arXiv 2502.06567.

    Relative error on standard normal weights: ``uniform-8`` 0.010, ``uniform-8-unscaled`` 0.391,
    ``uniform-6`` 0.040, ``uniform-6-unscaled`` 0.391, ``uniform-5`` 0.083, ``uniform-5-unscaled`` 0.391,
    ``uniform-4`` 0.177, ``uniform-4-unscaled`` 0.393, ``uniform-3`` 0.417, ``uniform-3-unscaled`` 0.399,
    ``uniform-2`` 0.952, ``uniform-2-unscaled`` 0.458, ``uniform-4-row`` 0.119, ``uniform-4-group32`` 0.096,
    ``uniform-3-row`` 0.276, ``uniform-3-group32`` 0.226, ``uniform-2-row`` 0.773, ``uniform-2-group32``
    0.655.

    Parameters
    ----------
    bits : int
        ``b``, from 2 to 8. (One bit has no symmetric grid with zero in it: see ``Sign``.)
    scale : {"adaptive", "none"}
        ``none`` clips the weights to [-1, 1] and rounds them on the fixed grid ``k / q``.
    per : {"tensor", "row"} or int
        What shares an ``s``: the matrix, a row, or a group of so many weights of a row.
    """

    bits: int
    scale: Scale = "adaptive"
    per: Per = "tensor"

    formula = "s * k / q, q = 2^(bits-1) - 1, k = round(w * q / s), s = max |w|"
    reference = "symmetric absmax quantization: Jacob et al. 2018; Krishnamoorthi 2018"

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 8)
        check_scale(self.scale)
        check_per(self.per)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): code ``k + q`` stands for ``k / q``."""
        weight = check_weight(weight)
        half = 2 ** (self.bits - 1) - 1
        levels = symmetric(half, weight)
        if self.scale == "none":
            codes = (weight.clamp(-1, 1) * half).round_()
            return Grid((codes + half).to(torch.uint8), levels, unit_scale(weight), stored="nothing")
        blocks = Blocks.of(weight, self.per)
        scale = blocks.largest()
        # first the division, so that nothing overflows; a zero block is divided by one and stays zero
        codes = (blocks.values / divisor(scale)).mul_(half).round_().add_(half).to(torch.uint8)
        return Grid(blocks.restore(codes), levels, scale[..., 0], block=blocks.block)


for _bits in (8, 6, 5, 4, 3, 2):
    QUANTIZERS.add(f"uniform-{_bits}", Uniform(_bits))
    QUANTIZERS.add(f"uniform-{_bits}-unscaled", Uniform(_bits, scale="none"))
for _bits in (4, 3, 2):
    QUANTIZERS.add(f"uniform-{_bits}-row", Uniform(_bits, per="row"))
    QUANTIZERS.add(f"uniform-{_bits}-group32", Uniform(_bits, per=32))
