"""Rounding up or down at random, so that weights are right on average."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_bits, check_seed, check_weight
from models.quantizers.blocks import Blocks, Per, check_per, divisor, symmetric
from models.quantizers.quantized import Grid, Quantized


@FAMILIES.register("stochastic")
@dataclass(frozen=True)
class Stochastic(Quantizer):
    """``Uniform`` with ``k = floor(w q / s + u)``, ``u`` uniform on [0, 1): right on average.

    The noise depends on the seed and on the place in the matrix alone: every matrix of a shape gets the same.

    Relative error on standard normal weights: ``stochastic-4`` 0.244, ``stochastic-3`` 0.569,
    ``stochastic-2`` 1.235.

    Parameters
    ----------
    bits : int
        From 2 to 8.
    seed : int
        Of the noise.
    per : {"tensor", "row"} or int
        What shares an ``s``.
    """

    bits: int
    seed: int = 0
    per: Per = "tensor"

    formula = "s * k / q, q = 2^(bits-1) - 1, k = floor(w * q / s + u), u uniform on [0, 1), s = max |w|"
    reference = "Gupta et al. 2015, arXiv 1502.02551"
    adaptive = True

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 8)
        check_per(self.per)
        check_seed(self.seed)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): code ``k + q`` stands for ``k / q``."""
        weight = check_weight(weight)
        noise = torch.rand(weight.shape[-2:], generator=torch.Generator().manual_seed(self.seed))
        blocks = Blocks.of(weight, self.per)
        noise = Blocks.of(noise.to(weight.device), self.per).values
        half = 2 ** (self.bits - 1) - 1
        scale = blocks.largest()
        steps = (blocks.values / divisor(scale)).mul_(half)
        whole = steps.round()
        # what lies on a level stays there, whatever the noise and the last bit of a division
        steps = torch.where((steps - whole).abs() < 1e-4, whole, (steps + noise).floor_())
        codes = steps.clamp_(-half, half).add_(half).to(torch.uint8)
        return Grid(blocks.restore(codes), symmetric(half, weight), scale[..., 0], block=blocks.block)


for _bits in (4, 3, 2):
    QUANTIZERS.add(f"stochastic-{_bits}", Stochastic(_bits))
