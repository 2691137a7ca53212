"""The slow solver of hqq, which is there where hqq is installed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, bits_of_levels, check_weight
from models.quantizers.blocks import Blocks, Per
from models.quantizers.hqq import HalfQuadratic, start
from models.quantizers.library import LibraryQuantizer, offer
from models.quantizers.quantized import Grid, Quantized


@FAMILIES.register("hqq-slow")
@dataclass(frozen=True)
class SlowHalfQuadratic(LibraryQuantizer):
    """``HalfQuadratic`` with the slow solver of hqq: a hundred steps with a growing penalty, and no stop.

    Relative error on standard normal weights: ``hqq-slow-4`` 0.086, ``hqq-slow-3`` 0.181, ``hqq-slow-2``
    0.428, ``hqq-slow-1.58`` 0.642.

    Parameters
    ----------
    levels : int
        Number of levels, 2 to 256; 3 are 1.58 bits.
    per : {"tensor", "row"} or int
        What shares scale and zero point.
    """

    levels: int
    per: Per = 64

    library = "hqq"
    formula = HalfQuadratic.formula
    reference = HalfQuadratic.reference
    adaptive = False
    exceptions = HalfQuadratic.exceptions

    def __post_init__(self) -> None:
        HalfQuadratic(self.levels, self.per)  # the same are allowed

    @property
    def bits(self) -> float:  # type: ignore[override]
        """log2 of the number of levels."""
        return bits_of_levels(self.levels)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in)."""
        blocks = Blocks.of(check_weight(weight), self.per)
        unit, zero = start(blocks, self.levels)
        flat = [part.reshape(-1, part.shape[-1]) for part in (blocks.values, unit, zero)]
        solver = self.load("core.optimize").optimize_weights_proximal_slow
        whole, unit, zero = solver(*flat, [0, self.levels - 1], axis=1, device="cpu")
        codes = whole.to(torch.uint8).reshape(blocks.values.shape)
        scale, shift = (part.reshape(blocks.values.shape[:-1]) for part in (1 / unit, zero.clone()))
        steps = torch.arange(self.levels, dtype=torch.float32)
        return Grid(blocks.restore(codes), steps, scale, shift, block=blocks.block)


for _name, _count in (("4", 16), ("3", 8), ("2", 4), ("1.58", 3)):
    offer(f"hqq-slow-{_name}", SlowHalfQuadratic(_count))
