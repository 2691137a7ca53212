"""Parts of a matrix that share a scale: the whole of it, a row, or a group of weights in a row.

A quantizer looks at blocks as the last axis of one tensor and need not know how they lie in the matrix.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

#: What shares a scale: the matrix, a row, or so many consecutive weights of a row.
Per = Literal["tensor", "row"] | int


def check_per(per: Per) -> None:
    """Raise ``ValueError`` unless ``per`` is one of those that are defined."""
    if per not in ("tensor", "row") and not (isinstance(per, int) and not isinstance(per, bool) and per >= 1):
        raise ValueError(f"per must be tensor, row, or a number of weights of at least 1, not {per!r}")


@dataclass(frozen=True, eq=False)
class Blocks:
    """The weights of matrices in blocks.

    Attributes
    ----------
    values : Tensor, shape (..., R, C, n)
        n weights of each of R x C blocks. Where a row does not divide into groups, its last group is filled
        up with its last weight, which changes no extreme.
    shape : tuple of int
        (out, in) of a matrix.
    block : tuple of int
        Rows and columns of a block.
    """

    values: Tensor
    shape: tuple[int, int]
    block: tuple[int, int]

    @classmethod
    def of(cls, weight: Tensor, per: Per) -> "Blocks":
        """Divide matrices, shape (..., out, in)."""
        out, width = weight.shape[-2:]
        if per == "tensor":
            return cls(weight.flatten(-2)[..., None, None, :], (out, width), (out, width))
        if per == "row":
            return cls(weight[..., None, :], (out, width), (1, width))
        size = min(int(per), width)
        count = -(-width // size)
        missing = count * size - width
        if missing:
            weight = torch.cat([weight, weight[..., -1:].expand(*weight.shape[:-1], missing)], dim=-1)
        return cls(weight.reshape(*weight.shape[:-1], count, size), (out, width), (1, size))

    @property
    def share(self) -> Tensor | None:
        """1 for a weight and 0 for a filler, shape (C, n); None where there are no fillers."""
        count, size = self.values.shape[-2:]
        if self.block[0] > 1 or count * size == self.shape[1]:
            return None
        place = torch.arange(count * size, device=self.values.device).reshape(count, size)
        return (place < self.shape[1]).to(self.values.dtype)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over the weights of each block in float64, shape (..., R, C, 1)."""
        share = self.share
        if share is not None:
            values = values * share
        return values.sum(dim=-1, keepdim=True, dtype=torch.float64)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the weights of each block in float64, shape (..., R, C, 1)."""
        share = self.share
        count = self.values.shape[-1] if share is None else share.sum(-1, keepdim=True)
        return self.total(values) / count

    def largest(self) -> Tensor:
        """Return the largest magnitude of each block, shape (..., R, C, 1)."""
        return self.values.abs().amax(dim=-1, keepdim=True)

    def restore(self, values: Tensor) -> Tensor:
        """Return values of blocks (..., R, C, n) as they lie in the matrices, shape (..., out, in)."""
        if self.block[0] > 1 or self.values.shape[-3] != self.shape[0]:
            return values.reshape(*values.shape[:-3], *self.shape)
        return values.flatten(-2)[..., : self.shape[1]].contiguous()


def divisor(scale: Tensor) -> Tensor:
    """Return a scale to divide by: 1 where it is 0, so that a block of zeros stays zero."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def symmetric(half: int, like: Tensor) -> Tensor:
    """Return the levels ``k / half``, k from ``-half`` to ``half``, on the device of ``like``."""
    return torch.arange(-half, half + 1, device=like.device, dtype=torch.float32) / half


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Return the index of the nearest of ascending levels, int64; half-way between two, the lower one."""
    middles = (levels[1:].double() + levels[:-1].double()) / 2
    return torch.bucketize(values.double(), middles)
