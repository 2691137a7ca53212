"""Small floating-point formats: a table of values, scaled to each block of weights."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_weight
from models.quantizers.blocks import Blocks, Per, check_per, divisor, nearest
from models.quantizers.quantized import Grid, Quantized

#: Quantiles of a normal law, zero among them: QLoRA, appendix E.
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941),
    *(0.7229568362236023, 1.0),
)
#: Magnitudes of the 4-bit floats of bitsandbytes, in units of the largest.
FP4 = (0.0, 0.0625 / 12, 2 / 12, 3 / 12, 4 / 12, 6 / 12, 8 / 12, 1.0)
#: Magnitudes of E2M1 of OCP Microscaling Formats 1.0.
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)

#: Tables scaled by the largest magnitude of a block, and microscaling formats, scaled by powers of two.
Format = Literal["nf4", "fp4", "fp8-e4m3", "fp8-e5m2", "mxfp4", "mxfp8"]
_BITS = {"nf4": 4.0, "fp4": 4.0, "fp8-e4m3": 8.0, "fp8-e5m2": 8.0, "mxfp4": 4.0, "mxfp8": 8.0}
_BLOCK: dict[str, Per] = {"nf4": 64, "fp4": 64, "mxfp4": 32, "mxfp8": 32}
_SMALLEST = 2.0**-127


@FAMILIES.register("format")
@dataclass(frozen=True)
class FloatFormat(Quantizer):
    """Round to the nearest value of a small floating-point format, scaled to each block.

    ``nf4`` (quantiles of a normal law) and ``fp4``: ``s = max |w|`` of 64 weights. ``fp8-e4m3`` and
    ``fp8-e5m2``: ``s`` takes the largest weight of the matrix to the largest value, 448 or 57,344. ``mxfp4``
    (E2M1) and ``mxfp8`` (E4M3): ``s = 2^(floor(log2 max |w|) - e)`` of 32 weights, e = 2 or 8 the largest
    exponent of the format, stored in 8 bits; larger values are clipped.

    Relative error on standard normal weights: ``nf4`` 0.092, ``fp4`` 0.122, ``fp8-e4m3`` 0.026,
    ``fp8-e5m2`` 0.053, ``mxfp4`` 0.115, ``mxfp8`` 0.029.

    Parameters
    ----------
    format : {"nf4", "fp4", "fp8-e4m3", "fp8-e5m2", "mxfp4", "mxfp8"}
        Which one.
    per : {"tensor", "row"}, int, or None
        What shares an ``s``; None: the block of the format.
    """

    format: Format
    per: Per | None = None

    formula = "s * the nearest value of the format to w / s, s by block"
    reference = (
        "nf4, fp4: Dettmers et al. 2023 (QLoRA), arXiv 2305.14314; fp8: Micikevicius et al. 2022, arXiv "
        "2209.05433; mx: OCP Microscaling Formats 1.0"
    )

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise ValueError(f"format must be one of {', '.join(get_args(Format))}, not {self.format!r}")
        if self.per is not None:
            check_per(self.per)

    @property
    def bits(self) -> float:  # type: ignore[override]
        """Bits of the format, without scales."""
        return _BITS[self.format]

    @property
    def adaptive(self) -> bool:
        """Whether Q(a w) = a Q(w): not for powers of two as scales, except powers of two as a."""
        return True

    @property
    def exceptions(self) -> dict[str, str]:  # type: ignore[override]
        """What is clipped may lie in a smaller power of two."""
        if self.format.startswith("mx"):
            return {"idempotent": "a block whose largest weight was rounded up has a larger scale"}
        return {}

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes count values from the lowest."""
        weight = check_weight(weight)
        levels = torch.tensor(values_of(self.format), dtype=torch.float32, device=weight.device)
        blocks = Blocks.of(weight, self.per if self.per is not None else _BLOCK.get(self.format, "tensor"))
        largest = blocks.largest()
        if self.format.startswith("mx"):
            top = int(torch.frexp(levels[-1]).exponent) - 1
            exponent = torch.frexp(largest).exponent - 1 - top
            scale = torch.ldexp(torch.ones_like(largest), exponent).clamp(min=_SMALLEST)
            scale = torch.where(largest > 0, scale, 1.0)
        else:
            scale = largest / levels[-1]
        codes = nearest(blocks.values / divisor(scale), levels)
        stored = "exponent" if self.format.startswith("mx") else "scale"
        narrow = codes.to(torch.uint8)
        return Grid(blocks.restore(narrow), levels, scale[..., 0], stored=stored, block=blocks.block)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def values_of(name: Format) -> tuple[float, ...]:
    """Return the values of a format, ascending, each once."""
    if name == "nf4":
        return NF4
    if name in ("fp4", "mxfp4"):
        magnitudes = FP4 if name == "fp4" else E2M1
        return tuple(sorted({*magnitudes, *(-m for m in magnitudes[1:])}))
    kind = torch.float8_e5m2 if name == "fp8-e5m2" else torch.float8_e4m3fn
    values = torch.arange(256, dtype=torch.uint8).view(kind).float()
    return tuple(sorted({float(value) + 0.0 for value in values[torch.isfinite(values)]}))


for _format in get_args(Format):
    QUANTIZERS.add(_format, FloatFormat(_format))
