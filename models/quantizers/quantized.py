"""What quantizers return: integer codes, and how weights follow from them.

Every class says the same of itself: which integers its codes are (``alphabet``), which numbers each matrix
stores beside its codes (``side``), and how the float32 weights follow (``dequantize``). Sizes, entropies,
candidates and files are made from these three alone, so that a new class needs nothing else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from molecules.registry import Registry

#: Classes of quantized weights by the name that stands in files.
KINDS: Registry[type["Quantized"]] = Registry("kind of quantized weights", "models.quantizers")

#: What every matrix stores beside its codes on a grid: scales in float32, scales as 8-bit exponents of two,
#: or nothing.
Stored = Literal["scale", "exponent", "nothing"]


@dataclass(frozen=True, eq=False)
class Quantized(ABC):
    """Quantized weights: of one matrix, or of a bank of matrices of one shape with leading axes (...).

    Subclasses are frozen dataclasses whose fields are tensors with the leading axes of the codes, or what is
    the same for all matrices.

    Attributes
    ----------
    codes : Tensor of int, leading axes (...) and the shape of the codes of a matrix
        From 0 to ``alphabet - 1``. Two quantized matrices are the same candidate if and only if their codes
        are equal: what else they store is not a choice among quantized weights.
    """

    codes: Tensor

    #: Fields without leading axes, the same for all matrices.
    shared: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def alphabet(self) -> int | None:
        """Number of values that a code can take; None for float32 bit patterns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (out, in) of the weights of a matrix: that of its codes, where each stands for one weight."""
        return self.codes.shape[-2], self.codes.shape[-1]

    @property
    def weights(self) -> int:
        """Number of weights of a matrix."""
        return self.shape[0] * self.shape[1]

    @property
    def lead(self) -> torch.Size:
        """Leading axes."""
        return self.codes.shape[:-2]

    @property
    def side(self) -> dict[str, Tensor]:
        """What every matrix stores beside its codes, by name; leading axes as the codes, dtype as stored."""
        return {}

    @abstractmethod
    def dequantize(self) -> Tensor:
        """Return the float32 weights that the codes stand for, shape (..., out, in)."""

    def side_bytes(self) -> Tensor:
        """Return the bytes that each matrix stores beside its codes, int64 of shape (...,)."""
        count = len(self.lead)
        each = sum(p.shape[count:].numel() * p.element_size() for p in self.side.values())
        return torch.full(self.lead, each, dtype=torch.int64, device=self.codes.device)

    def of_each(self) -> dict[str, Tensor]:
        """Return the fields that every matrix has of its own, by name: tensors with the leading axes."""
        found = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in self.shared
        }
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}

    def at(self, index: Any) -> Self:
        """Return some of the matrices: ``index`` is applied to the leading axes of every tensor."""
        return replace(self, **{name: value[index] for name, value in self.of_each().items()})


@KINDS.register("float32")
@dataclass(frozen=True, eq=False)
class Floats(Quantized):
    """Weights kept as float32: codes are their bit patterns, int32 of shape (..., out, in)."""

    @property
    def alphabet(self) -> None:
        """None: bit patterns."""
        return

    def dequantize(self) -> Tensor:
        """Return the weights, bit by bit as they were."""
        return self.codes.view(torch.float32)


@KINDS.register("grid")
@dataclass(frozen=True, eq=False)
class Grid(Quantized):
    """Levels that all matrices have in common, with scales (and zero points) of each matrix or parts of it.

    A weight is ``(levels[code] - zero) * scale``. A matrix is divided into blocks of equal size, each with a
    scale of its own: scales of shape (1, 1) are one a matrix, (out, 1) one a row, (out, in / g) one a group
    of g weights in a row; the last block of an axis may be smaller.

    Attributes
    ----------
    codes : Tensor of int, shape (..., out, in)
        Index into ``levels``.
    levels : Tensor of float32, shape (L,)
        Ascending, each once.
    scale : Tensor of float32, shape (..., blocks of rows, blocks of columns)
        What the levels are multiplied with.
    zero : Tensor of float32, shape of ``scale``, or None
        What is subtracted from a level first; None: nothing.
    stored : {"scale", "exponent", "nothing"}
        Whether scales are stored in float32, as 8-bit exponents (all are powers of two, from 2^-127 on), or
        not at all (all are one).
    block : tuple of int or None
        Rows and columns of a block; None: as few as the number of scales along each axis asks for.
    """

    levels: Tensor
    scale: Tensor
    zero: Tensor | None = None
    stored: Stored = "scale"
    block: tuple[int, int] | None = None

    shared = frozenset({"levels"})

    @property
    def alphabet(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def side(self) -> dict[str, Tensor]:
        """Scales as they are stored, and zero points in float32."""
        parts: dict[str, Tensor] = {}
        if self.stored == "scale":
            parts["scale"] = self.scale
        elif self.stored == "exponent":
            parts["scale"] = exponents(self.scale)
        if self.zero is not None:
            parts["zero"] = self.zero
        return parts

    def dequantize(self) -> Tensor:
        """Return ``(levels[codes] - zero) * scale``."""
        values = _looked_up(self.levels, self.codes)
        if values.dtype != torch.float32 or values.requires_grad:  # whatever others give
            values = values.detach().to(torch.float32)
        if self.zero is not None:
            values -= self._spread(self.zero)
        values *= self._spread(self.scale)
        return values

    def _spread(self, values: Tensor) -> Tensor:
        return spread_blocks(values, self.shape, self.block)


@KINDS.register("codebook")
@dataclass(frozen=True, eq=False)
class Codebook(Quantized):
    """Levels of each matrix's own.

    Attributes
    ----------
    codes : Tensor of int, shape (..., out, in)
        Index into the levels of the matrix.
    levels : Tensor of float32, shape (..., L)
        Ascending; a matrix that needs fewer repeats its last one.
    """

    levels: Tensor

    @property
    def alphabet(self) -> int:
        """Number of levels of a matrix."""
        return self.levels.shape[-1]

    @property
    def side(self) -> dict[str, Tensor]:
        """The levels."""
        return {"levels": self.levels}

    def dequantize(self) -> Tensor:
        """Return the levels that the codes point at."""
        flat = self.codes.long().flatten(-2)
        return self.levels.gather(-1, flat).reshape(self.codes.shape)


@KINDS.register("values")
@dataclass(frozen=True, eq=False)
class Values(Quantized):
    """Values that follow from no name: a code is an index into all values of all matrices of a call.

    So equal codes are equal weights. Each matrix stores the values that it uses.

    Attributes
    ----------
    codes : Tensor of int, shape (..., out, in)
        Index into ``levels``.
    levels : Tensor of float32, shape (L,)
        Ascending, each once: of all matrices.
    """

    levels: Tensor

    shared = frozenset({"levels"})

    @property
    def alphabet(self) -> int:
        """Number of values of all matrices together."""
        return len(self.levels)

    def dequantize(self) -> Tensor:
        """Return the values."""
        return _looked_up(self.levels, self.codes)

    def own(self) -> list[Codebook]:
        """Return every matrix with the values that it uses, and codes that point at these."""
        found = []
        for codes in self.codes.reshape(-1, *self.shape):
            used, places = torch.unique(codes.long(), return_inverse=True)
            found.append(Codebook(places.to(code_dtype(len(used))), self.levels[used]))
        return found

    def side_bytes(self) -> Tensor:
        """Return four bytes for every value that a matrix uses."""
        counts = [len(matrix.levels) for matrix in self.own()]
        return 4 * torch.tensor(counts, dtype=torch.int64).reshape(self.lead)


def _looked_up(levels: Tensor, codes: Tensor) -> Tensor:
    """Return ``levels[codes]``, as new numbers.

    Levels at equal distances are computed, in a third of the time, where that gives the very same numbers.
    The others are looked up; by 64-bit integers, which indices would be, that takes six times as long.
    """
    if (equal := _equally_spaced(levels)) is not None:
        shift, divisor = equal
        values = codes.to(torch.float32, copy=True)
        if shift:
            values += shift
        return values if divisor == 1 else values.div_(divisor)
    return levels.index_select(0, codes.flatten().int()).view(codes.shape)


def _equally_spaced(levels: Tensor) -> tuple[float, float] | None:
    """Return a shift and a divisor by which levels are ``(code + shift) / divisor``, bit by bit, or None."""
    if levels.device.type != "cpu" or levels.dtype != torch.float32 or not 2 <= len(levels) <= 256:
        return None
    given = levels.detach().numpy()
    step = float(given[1]) - float(given[0])
    if not 1e-6 < step <= 2:
        return None
    divisor = round(2 / step) / 2  # halves: levels of sign are -1 and 1
    shift = round(2 * float(given[0]) * divisor) / 2
    computed = (np.arange(len(given), dtype=np.float32) + np.float32(shift)) / np.float32(divisor)
    return (shift, divisor) if computed.tobytes() == given.tobytes() else None


def spread_blocks(values: Tensor, shape: tuple[int, int], block: tuple[int, int] | None) -> Tensor:
    """Return one value for every weight, from one for every block; broadcastable to (..., out, in).

    Parameters
    ----------
    values : Tensor, shape (..., blocks of rows, blocks of columns)
        Of every block.
    shape : tuple of int
        (out, in).
    block : tuple of int or None
        Rows and columns of a block; None: the least that gives so many blocks.

    Raises
    ------
    ValueError
        If so many blocks of that size do not cover a matrix, or reach beyond it: files come from anywhere,
        and nothing larger than the matrix is made.
    """
    for axis, size in zip((-2, -1), shape, strict=True):
        count = values.shape[axis]
        if count in (1, size):  # broadcasting does it
            continue
        each = block[axis] if block else -(-size // max(count, 1))
        if each < 1 or count != -(-size // each):
            raise ValueError(f"{tuple(values.shape[-2:])} scales for blocks of {block} in {shape}")
        values = values.repeat_interleave(each, dim=axis).narrow(axis, 0, size)
    return values


def exponents(scale: Tensor) -> Tensor:
    """Return powers of two as stored, uint8: the exponent plus 127 (E8M0 of OCP MX 1.0); 0 for 2^-127."""
    return (torch.frexp(scale).exponent + 126).clamp(0, 254).to(torch.uint8)


def code_dtype(alphabet: int) -> torch.dtype:
    """Return the smallest integers that hold the codes of an alphabet."""
    if alphabet <= 2**8:
        return torch.uint8
    return torch.int16 if alphabet <= 2**15 else torch.int32
