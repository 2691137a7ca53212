"""Quantizers by bitsandbytes, which are there where it is installed."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.quantizers.base import FAMILIES, check_weight
from models.quantizers.blocks import Blocks, Per, check_per
from models.quantizers.composed import Nested
from models.quantizers.library import LibraryQuantizer, ascending, filled, offer
from models.quantizers.quantized import Grid, Quantized


class BitsAndBytes(LibraryQuantizer):
    """What the quantizers by bitsandbytes have in common."""

    library = "bitsandbytes"

    def blockwise(self, values: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return the index of the value of ``table`` nearest to each weight, and the scales of the blocks.

        Parameters
        ----------
        values : Tensor, shape (..., n)
            Blocks, each scaled by its largest magnitude.
        table : Tensor, shape (L,)
            Ascending values in [-1, 1], at most 256.
        """
        size = values.shape[-1]
        code = torch.cat([table, table[-1:].expand(256 - len(table))])  # the library's tables have 256
        found, state = self.load("functional").quantize_blockwise(
            values.reshape(-1, size).contiguous(), code=code, blocksize=size
        )
        codes = found.clamp(max=len(table) - 1).reshape(values.shape)
        return codes, state.absmax.reshape(*values.shape[:-1], 1)


#: Tables of values by the number of bits: the exponent takes more bits the smaller a value is; and quantiles
#: of the largest of a block of 64 normal weights.
Code = Literal["dynamic8", "dynamic4", "af4"]


@FAMILIES.register("bnb")
@dataclass(frozen=True)
class BlockwiseTable(BitsAndBytes):
    """Round to the nearest value of a table, scaled to each block, by bitsandbytes.

    ``dynamic8`` and ``dynamic4``: values ``+-10^-e f``, whose fraction f has the more bits the smaller e is;
    dense around zero, and nowhere empty up to 1. ``af4``: sixteen values of least expected absolute error for
    the 64 weights of a block, if these are normal.

    Relative error on standard normal weights: ``bnb-dynamic8`` 0.010, ``bnb-dynamic4`` 0.140, ``bnb-af4``
    0.096.

    Parameters
    ----------
    code : {"dynamic8", "dynamic4", "af4"}
        Which table.
    per : {"tensor", "row"} or int
        What shares a scale; 64 weights with ``af4``.
    """

    code: Code
    per: Per = 64

    formula = "s * the nearest value of the table to w / s, s = max |w| of a block"
    reference = (
        "dynamic: Dettmers et al. 2022, arXiv 2110.02861, and Dettmers & Zettlemoyer 2023, arXiv 2212.09720; "
        "af4: Yoshida 2023, arXiv 2306.06965"
    )
    adaptive = True

    def __post_init__(self) -> None:
        if self.code not in get_args(Code):
            raise ValueError(f"code must be one of {', '.join(get_args(Code))}, not {self.code!r}")
        check_per(self.per)
        if self.code == "af4" and self.per != 64:
            raise ValueError(f"per must be 64 with af4, which is made for blocks of 64, not {self.per!r}")

    @property
    def bits(self) -> float:  # type: ignore[override]
        """Bits of the table, without scales."""
        return float(self.code[-1])

    @property
    def exceptions(self) -> dict[str, str]:  # type: ignore[override]
        """The dynamic tables hold 1 and not -1."""
        if self.code == "af4":
            return {}
        return {"idempotent": "the lowest value is above -1, so a block with a large negative weight shrinks"}

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes count values from the lowest."""
        blocks = Blocks.of(check_weight(weight), self.per)
        functional = self.load("functional")
        if self.code == "af4":
            table = functional.get_4bit_type("af4", device="cpu")
        else:
            table = functional.create_dynamic_map(True, int(self.bits) - 1, int(self.bits))
        levels = table.unique()
        codes, scale = self.blockwise(blocks.values, levels)
        return Grid(blocks.restore(codes), levels, scale[..., 0], block=blocks.block)


@FAMILIES.register("bnb-nested")
@dataclass(frozen=True)
class NestedScales(BitsAndBytes):
    """``nf4`` or ``fp4`` whose scales are quantized, too ("double quantization"), by bitsandbytes.

    The scales of 64 weights, less their mean, are rounded to the dynamic 8-bit table, 256 of them with a
    scale of their own.

    Relative error on standard normal weights: ``bnb-nf4-nested`` 0.092, ``bnb-fp4-nested`` 0.122.

    Parameters
    ----------
    format : {"nf4", "fp4"}
        Of the weights.
    """

    format: Literal["nf4", "fp4"]

    formula = (
        "(m + Q(s - m)) * the nearest value of the format to w / s, s = max |w| of 64 weights, m = mean of s"
    )
    reference = "Dettmers et al. 2023 (QLoRA), arXiv 2305.14314, section 3"
    bits = 4.0
    adaptive = True
    exceptions = {"idempotent": "the scales of quantized weights are others"}  # noqa: RUF012

    #: Weights that share a scale, and scales that share one.
    _SIZE, _RUN = 64, 256

    def __post_init__(self) -> None:
        if self.format not in ("nf4", "fp4"):
            raise ValueError(f"format must be nf4 or fp4, not {self.format!r}")

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes count values from the lowest."""
        blocks, groups = filled(check_weight(weight), self._SIZE)
        functional = self.load("functional")
        packed, state = functional.quantize_4bit(groups, blocksize=self._SIZE, quant_type=self.format)
        levels, places = ascending(functional.get_4bit_type(self.format, device="cpu"))
        found = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], dim=-1).reshape(groups.shape)
        codes = places.to(torch.uint8)[found.long()][..., : blocks.values.shape[-1]]
        flat = state.absmax.reshape(*groups.shape[:-3], -1)
        offset = flat.mean(-1, keepdim=True)
        runs = -(-flat.shape[-1] // self._RUN)
        rest = pad(flat - offset, (0, runs * self._RUN - flat.shape[-1]))
        table = functional.create_dynamic_map()
        kept, outer = self.blockwise(rest.reshape(*rest.shape[:-1], runs, self._RUN), table)
        scales = kept.flatten(-2)[..., : flat.shape[-1]].reshape(groups.shape[:-1])
        return Nested(
            blocks.restore(codes), levels, scales, table, outer[..., 0], self._RUN, offset, blocks.block
        )


for _code in get_args(Code):
    offer(f"bnb-{_code}", BlockwiseTable(_code))
offer("bnb-nf4-nested", NestedScales("nf4"))
offer("bnb-fp4-nested", NestedScales("fp4"))
