"""A grid after a random rotation of the inputs, which spreads large weights over many."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_bits, check_seed, check_weight
from models.quantizers.blocks import Per, check_per
from models.quantizers.quantized import KINDS, Grid, Quantized
from models.quantizers.uniform import Uniform


@KINDS.register("rotated")
@dataclass(frozen=True, eq=False)
class Rotated(Grid):
    """A grid of rotated weights.

    Attributes
    ----------
    columns : int
        Length ``in`` of a row; rows of codes are filled up to a power of two.
    seed : int
        Of the signs.
    """

    columns: int = 0
    seed: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (out, in)."""
        return self.codes.shape[-2], self.columns

    def dequantize(self) -> Tensor:
        """Return the weights, rotated back."""
        width = self.codes.shape[-1]
        if width & (width - 1) or not 0 < self.columns <= width:
            raise ValueError(f"{self.columns} weights of a row in {width} codes, which is no power of two")
        grid = Grid(self.codes, self.levels, self.scale, self.zero, self.stored, self.block)
        signs = _signs(width, self.seed, self.codes.device)
        return (_hadamard(grid.dequantize()) * signs)[..., : self.columns].contiguous()


@FAMILIES.register("hadamard")
@dataclass(frozen=True)
class HadamardRotated(Quantizer):
    """``Uniform`` of ``W D H``: random signs D on the inputs, then an orthogonal Hadamard matrix H.

    Rows are filled up with zeros to a power of two. The seed stands in the name, so the rotation is not
    stored.

    Relative error on standard normal weights: ``hadamard-4`` 0.186, ``hadamard-3`` 0.431, ``hadamard-2``
    0.961.

    Parameters
    ----------
    bits : int
        From 2 to 8.
    per : {"tensor", "row"} or int
        What shares a scale, after the rotation.
    seed : int
        Of the signs.
    """

    bits: int
    per: Per = "tensor"
    seed: int = 0

    formula = "uniform(W D H) H D, D random signs, H the orthogonal Hadamard matrix"
    reference = "Tseng et al. 2024 (QuIP#), arXiv 2402.04396; Ashkboos et al. 2024 (QuaRot), arXiv 2404.00456"
    adaptive = True
    exceptions = {  # noqa: RUF012
        "idempotent": "rotating back and forth is rounded, and filled-up rows lose what they held beyond in",
        "levels": "filled-up rows hold more codes than weights",
    }

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 8)
        check_per(self.per)
        check_seed(self.seed)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in), in the rotated basis."""
        weight = check_weight(weight)
        columns = weight.shape[-1]
        width = 1 << (columns - 1).bit_length()
        padded = torch.nn.functional.pad(weight, (0, width - columns))
        grid = Uniform(self.bits, per=self.per).quantize(
            _hadamard(padded * _signs(width, self.seed, weight.device))
        )
        if not isinstance(grid, Grid):
            raise TypeError(f"a uniform grid was expected, not {type(grid).__name__}")
        return Rotated(grid.codes, grid.levels, grid.scale, block=grid.block, columns=columns, seed=self.seed)


def _signs(width: int, seed: int, device: torch.device) -> Tensor:
    drawn = torch.randint(0, 2, (width,), generator=torch.Generator().manual_seed(seed))
    return (drawn * 2 - 1).float().to(device)


def _hadamard(values: Tensor) -> Tensor:
    """Multiply the last axis, a power of two, with the orthogonal Hadamard matrix (its own inverse)."""
    shape, width = values.shape, values.shape[-1]
    half = 1
    while half < width:
        pairs = values.reshape(*shape[:-1], width // (2 * half), 2, half)
        first, second = pairs[..., 0, :], pairs[..., 1, :]
        values = torch.stack([first + second, first - second], dim=-2).reshape(shape)
        half *= 2
    return values / math.sqrt(width)


for _bits in (4, 3, 2):
    QUANTIZERS.add(f"hadamard-{_bits}", HadamardRotated(_bits))
