"""Quantizers by torchao, which are there where it is installed."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.quantizers.base import FAMILIES, check_bits, check_weight
from models.quantizers.blocks import Blocks, Per, check_per, divisor
from models.quantizers.composed import Additive, Nested
from models.quantizers.library import LibraryQuantizer, ascending, filled, offer
from models.quantizers.quantized import Grid, Quantized

#: Elements of OCP Microscaling Formats 1.0, and how the power of two of a block is found.
Element = Literal["fp4-e2m1", "fp6-e2m3", "fp6-e3m2", "fp8-e4m3", "fp8-e5m2"]
Scaling = Literal["floor", "even", "ceil", "rceil"]
#: Weights in a block of the microscaling formats and of NVFP4.
_MX, _NV = 32, 16


class TorchAo(LibraryQuantizer):
    """What the quantizers by torchao have in common."""

    library = "torchao"


@FAMILIES.register("ao-mx")
@dataclass(frozen=True)
class Microscaling(TorchAo):
    """Microscaling formats, one power of two for 32 weights, by torchao.

    ``floor``: the power of two below the largest weight, as the format says. ``even``: of the largest weight
    rounded to the element's precision. ``ceil``: the power of two above. ``rceil``: the smallest that clips
    nothing.

    Relative error on standard normal weights: ``ao-mxfp8-e5m2`` 0.054, ``ao-mxfp6-e2m3`` 0.029,
    ``ao-mxfp6-e3m2`` 0.054, ``ao-mxfp4-rceil`` 0.115.

    Parameters
    ----------
    element : {"fp4-e2m1", "fp6-e2m3", "fp6-e3m2", "fp8-e4m3", "fp8-e5m2"}
        Format of a weight: bits of exponent and mantissa.
    scaling : {"floor", "even", "ceil", "rceil"}
        How the power of two is found.
    """

    element: Element
    scaling: Scaling = "floor"

    formula = "s * the nearest value of the element to w / s, s a power of two by 32 weights"
    reference = "OCP Microscaling Formats 1.0; Rouhani et al. 2023, arXiv 2310.10537"
    adaptive = True

    def __post_init__(self) -> None:
        for name, kind in (("element", Element), ("scaling", Scaling)):
            if getattr(self, name) not in get_args(kind):
                allowed = ", ".join(get_args(kind))
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")

    @property
    def bits(self) -> float:  # type: ignore[override]
        """Bits of the element, without scales."""
        return float(self.element[2])

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes count values from the lowest."""
        blocks, groups = filled(check_weight(weight), _MX)
        library, config = (
            self.load("prototype.mx_formats.mx_tensor"),
            self.load("prototype.mx_formats.config"),
        )
        kind = {
            "fp4-e2m1": torch.float4_e2m1fn_x2,
            "fp6-e2m3": library.DTYPE_FP6_E2M3,
            "fp6-e3m2": library.DTYPE_FP6_E3M2,
            "fp8-e4m3": torch.float8_e4m3fn,
            "fp8-e5m2": torch.float8_e5m2,
        }[self.element]
        mode = config.ScaleCalculationMode[self.scaling.upper()]
        exponent, data = library.to_mx(groups, kind, _MX, mode)
        if self.element.startswith("fp4"):
            data = library.unpack_uint4(data)
        values = self._values(library, kind)
        levels, places = ascending(values)
        codes = places.to(torch.uint8)[data.view(torch.uint8).long()][..., : blocks.values.shape[-1]]
        power = exponent.view(torch.uint8).reshape(groups.shape[:-1]).to(torch.int32) - 127
        scale = torch.ldexp(torch.ones_like(power, dtype=torch.float32), power)
        return Grid(blocks.restore(codes), levels, scale, stored="exponent", block=blocks.block)

    def _values(self, library: Any, kind: Any) -> Tensor:
        """Return the value of every bit pattern of the element; 0 for those that are no number."""
        patterns = torch.arange(2 ** int(self.bits), dtype=torch.int32).to(torch.uint8)
        if self.element.startswith("fp8"):
            values: Tensor = patterns.view(kind).float()
            return torch.where(torch.isfinite(values), values, 0.0)
        name = self.element.removeprefix("fp").replace("-", "_") if self.element != "fp4-e2m1" else "4"
        decoded: Tensor = getattr(library, f"f{name}_unpacked_to_f32")(patterns)
        return decoded


@FAMILIES.register("ao-nvfp4")
@dataclass(frozen=True)
class NvFp4(TorchAo):
    """NVFP4 by torchao: 4-bit floats, an 8-bit float as scale of 16 weights, and a scale for the matrix.

    Relative error on standard normal weights: ``ao-nvfp4`` 0.095.
    """

    formula = (
        "t * u * the nearest of 0, +-0.5, 1, 1.5, 2, 3, 4, 6 to w / (t * u), t = max |w| / 2688, "
        "u = (max |w| of 16 weights) / (6 * t) as E4M3"
    )
    reference = "NVIDIA 2025, Pretraining Large Language Models with NVFP4, arXiv 2509.25149"
    bits = 4.0
    adaptive = True

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes count values from the lowest."""
        weight = check_weight(weight)
        blocks, groups = filled(weight, _NV)
        library = self.load("prototype.mx_formats.nvfp4_tensor")
        whole = divisor(library.per_tensor_amax_to_scale(weight.abs().amax(dim=(-2, -1))).reshape(-1, 1, 1))
        count = blocks.values.shape[-3:-1].numel()
        found, data = library.nvfp4_quantize(groups.reshape(-1, count, _NV), _NV, whole)
        levels, places = ascending(library.f4_unpacked_to_f32(torch.arange(16, dtype=torch.uint8)))
        data = library.unpack_uint4(data.contiguous()).reshape(groups.shape)
        codes = places.to(torch.uint8)[data.long()][..., : blocks.values.shape[-1]]
        table = torch.arange(127, dtype=torch.uint8).view(torch.float8_e4m3fn).float()  # 127 is no number
        scales = found.view(torch.uint8).reshape(groups.shape[:-1])
        outer = whole.reshape(*weight.shape[:-2], 1)
        return Nested(blocks.restore(codes), levels, scales, table, outer, count, None, blocks.block)


#: Whether the largest weight may be clipped by half a step.
Mapping = Literal["symmetric", "unclipped"]


@FAMILIES.register("ao-int")
@dataclass(frozen=True)
class SignedIntegers(TorchAo):
    """All ``2^b`` signed integers with one scale and no zero point, as torchao's weight-only configurations.

    ``Q(w) = s k``, ``k = round(w / s)`` clipped to ``-2^(b-1) .. 2^(b-1) - 1``. ``symmetric``: ``s = max |w|
    / (2^(b-1) - 1/2)``, so a largest weight that is positive is clipped by half a step. ``unclipped``: the
    smallest ``s`` that clips nothing.

    Relative error on standard normal weights: ``ao-int4`` 0.113, ``ao-int3`` 0.241, ``ao-int2`` 0.561,
    ``ao-int4-unclipped`` 0.114, ``ao-int3-unclipped`` 0.257, ``ao-int2-unclipped`` 0.727.

    Parameters
    ----------
    bits : int
        ``b``, from 2 to 8. (At one bit torchao leaves a single level.)
    mapping : {"symmetric", "unclipped"}
        How ``s`` is found.
    per : {"tensor", "row"} or int
        What shares an ``s``.
    """

    bits: int
    mapping: Mapping = "symmetric"
    per: Per = "row"

    formula = (
        "s * k, k = round(w / s) clipped to -2^(bits-1) .. 2^(bits-1) - 1; symmetric: s = max |w| / "
        "(2^(bits-1) - 1/2); unclipped: s = max(-min(w) / 2^(bits-1), max(w) / (2^(bits-1) - 1))"
    )
    reference = "torchao, MappingType.SYMMETRIC and SYMMETRIC_NO_CLIPPING_ERR"
    adaptive = True

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 8)
        if self.mapping not in get_args(Mapping):
            raise ValueError(f"mapping must be one of {', '.join(get_args(Mapping))}, not {self.mapping!r}")
        check_per(self.per)

    @property
    def exceptions(self) -> dict[str, str]:  # type: ignore[override]
        """A largest weight that was clipped makes the next step smaller."""
        if self.mapping == "unclipped":
            return {}
        return {"idempotent": "the largest weight is clipped, so the step shrinks"}

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes count integers from the lowest."""
        blocks = Blocks.of(check_weight(weight), self.per)
        library = self.load("quantization.quant_primitives")
        count = blocks.values.shape[-1]
        # blocks of one weight are no blocks to the library (0.18), so a zero stands beside it
        values = pad(blocks.values, (0, int(count == 1))).flatten(0, -2)
        block, low, high = (1, values.shape[-1]), -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        kind = "SYMMETRIC" if self.mapping == "symmetric" else "SYMMETRIC_NO_CLIPPING_ERR"
        scale, zero = library.choose_qparams_affine(
            values, library.MappingType[kind], block, torch.int8, low, high
        )
        whole = library.quantize_affine(values, block, scale, zero, torch.int8, low, high)
        codes = (whole[:, :count].to(torch.int16) - low).to(torch.uint8).reshape(blocks.values.shape)
        levels = torch.arange(low, high + 1, dtype=torch.float32)
        scale = scale.reshape(blocks.values.shape[:-1])
        return Grid(blocks.restore(codes), levels, scale, block=blocks.block)


@FAMILIES.register("ao-lsb")
@dataclass(frozen=True)
class LeastSquaresBinary(TorchAo):
    """Two signs with the coefficients of least squared error, ``a sgn(w) + b sgn(r)``, by torchao.

    ``r = w - a sgn(w)``. Unlike ``binary``, which finds ``a`` first. The library takes a step of Python
    for every weight: slow.

    Relative error on standard normal weights: ``ao-lsb-2`` 0.346.
    """

    formula = "a * sgn(w) + b * sgn(w - a * sgn(w)), a and b minimise sum (w - Q(w))^2"
    reference = "Pouransari et al. 2020 (least squares binary quantization), arXiv 2001.02786"
    bits = 2.0
    adaptive = True
    exceptions = {"large": "the library takes a step of Python for every weight"}  # noqa: RUF012

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in), one after the other."""
        weight = check_weight(weight)
        quantizer = self.load("prototype.parq.quant").LSBQuantizer(optimal=True)
        found = weight.new_zeros((weight.shape[:-2].numel(), 2))
        for place, matrix in enumerate(weight.reshape(-1, *weight.shape[-2:])):
            if bool(matrix.any()):  # the library finds no solution for zeros alone
                # with an axis given (0.18) it ends on others than the least squares, so matrix by matrix
                _, values = quantizer.quantize(matrix, 2)
                low, high = values.sort().values[2:]
                found[place] = torch.stack([(high + low) / 2, (high - low) / 2])
        coefficients = found.reshape(*weight.shape[:-2], 2)
        first = coefficients[..., :1, None]
        positive = weight >= 0
        rest = torch.where(positive, weight - first, weight + first)
        codes = positive.to(torch.uint8) | (rest >= 0).to(torch.uint8) << 1
        return Additive(codes, coefficients)


offer("ao-mxfp8-e5m2", Microscaling("fp8-e5m2"))
offer("ao-mxfp6-e2m3", Microscaling("fp6-e2m3"))
offer("ao-mxfp6-e3m2", Microscaling("fp6-e3m2"))
offer("ao-mxfp4-rceil", Microscaling("fp4-e2m1", "rceil"))
offer("ao-nvfp4", NvFp4())
for _bits in (4, 3, 2):
    offer(f"ao-int{_bits}", SignedIntegers(_bits))
for _bits in (4, 3, 2):
    offer(f"ao-int{_bits}-unclipped", SignedIntegers(_bits, "unclipped"))
offer("ao-lsb-2", LeastSquaresBinary())
