"""Quantized weights that are put together from several parts: scales of scales, sums of signs, vectors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.quantized import KINDS, Quantized, spread_blocks


@KINDS.register("nested")
@dataclass(frozen=True, eq=False)
class Nested(Quantized):
    """Levels that all matrices have in common, with scales that are quantized themselves.

    A weight is ``levels[code] * scale``, the scale of its block is ``table[scales] * outer + offset``.

    Attributes
    ----------
    codes : Tensor of int, shape (..., out, in)
        Index into ``levels``.
    levels : Tensor of float32, shape (L,)
        Ascending, each once.
    scales : Tensor of uint8, shape (..., blocks of rows, blocks of columns)
        Index into ``table``.
    table : Tensor of float32, shape (T,)
        Values of scales, the same for all matrices.
    outer : Tensor of float32, shape (..., k)
        What the scales of a matrix, row by row, are multiplied with: ``run`` of them with each.
    run : int
        How many scales share an ``outer``.
    offset : Tensor of float32, shape (..., 1), or None
        What is added to every scale of a matrix.
    block : tuple of int or None
        Rows and columns of a block, as in :class:`Grid`.
    """

    levels: Tensor
    scales: Tensor
    table: Tensor
    outer: Tensor
    run: int
    offset: Tensor | None = None
    block: tuple[int, int] | None = None

    shared = frozenset({"levels", "table"})

    @property
    def alphabet(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def side(self) -> dict[str, Tensor]:
        """Codes of the scales, and what these are multiplied with and raised by."""
        parts = {"scales": self.scales, "outer": self.outer}
        return parts if self.offset is None else {**parts, "offset": self.offset}

    def dequantize(self) -> Tensor:
        """Return the levels, times the scales of the blocks."""
        values = self.table[self.scales.long()].flatten(-2)
        if not 1 <= self.run <= values.shape[-1] or self.outer.shape[-1] != -(-values.shape[-1] // self.run):
            raise ValueError(
                f"{self.outer.shape[-1]} scales of {self.run} scales each for {values.shape[-1]}"
            )
        scale = values * self.outer.repeat_interleave(self.run, dim=-1)[..., : values.shape[-1]]
        if self.offset is not None:
            scale = scale + self.offset
        spread = spread_blocks(scale.reshape(self.scales.shape), self.shape, self.block)
        return self.levels[self.codes.long()] * spread


@KINDS.register("additive")
@dataclass(frozen=True, eq=False)
class Additive(Quantized):
    """Sums of signed coefficients of each matrix: a weight is the sum over i of ``a_i`` times +1 or -1.

    Attributes
    ----------
    codes : Tensor of int, shape (..., out, in)
        Bit i is set where the sign of coefficient i is +.
    coefficients : Tensor of float32, shape (..., k)
        ``a_i``.
    """

    coefficients: Tensor

    @property
    def alphabet(self) -> int:
        """2^k."""
        return int(2 ** self.coefficients.shape[-1])

    @property
    def side(self) -> dict[str, Tensor]:
        """The coefficients."""
        return {"coefficients": self.coefficients}

    def dequantize(self) -> Tensor:
        """Return the sums, added in the order of the coefficients."""
        codes = self.codes.long()
        total = torch.zeros(codes.shape, dtype=torch.float32, device=codes.device)
        for place in range(self.coefficients.shape[-1]):
            sign = (codes >> place & 1) * 2 - 1
            total += sign * self.coefficients[..., place, None, None]
        return total


@KINDS.register("vectors")
@dataclass(frozen=True, eq=False)
class Vectors(Quantized):
    """Pieces of rows, each replaced by a vector of the matrix's own codebook.

    Attributes
    ----------
    codes : Tensor of int, shape (..., out, pieces of a row)
        Index into the codebook of the matrix.
    codebook : Tensor of float32, shape (..., K, d)
        Vectors; a matrix that needs fewer repeats its last one.
    columns : int
        Length ``in`` of a row: the last piece may stand for fewer than d weights.
    """

    codebook: Tensor
    columns: int

    @property
    def alphabet(self) -> int:
        """Number of vectors K."""
        return self.codebook.shape[-2]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (out, in)."""
        return self.codes.shape[-2], self.columns

    @property
    def side(self) -> dict[str, Tensor]:
        """The codebook."""
        return {"codebook": self.codebook}

    def dequantize(self) -> Tensor:
        """Return the rows put together from their pieces."""
        out, count = self.codes.shape[-2:]
        length = self.codebook.shape[-1]
        flat = self.codes.long().flatten(-2)[..., None].expand(*self.lead, out * count, length)
        return self.codebook.gather(-2, flat).reshape(*self.lead, out, count * length)[..., : self.columns]
