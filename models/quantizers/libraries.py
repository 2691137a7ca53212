"""Quantizers of the libraries of the extra ``[quant]``: bitsandbytes, torchao and hqq do the work.

Only what the zoo has no formula of its own for. A library is imported when a quantizer calls it, and not
before; where it is not installed, its rows are not registered, and asking for one says what is missing. What
a row does may change with its library, so the library's version is part of what figures depend on.
"""

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.quantizers.base import (
    FAMILIES,
    QUANTIZERS,
    Quantizer,
    bits_of_levels,
    check_bits,
    check_weight,
)
from models.quantizers.blocks import Blocks, Per, check_per, divisor
from models.quantizers.hqq import HalfQuadratic, start
from models.quantizers.quantized import Additive, Grid, Nested, Quantized
from molecules.errors import MolmisError


def require(quantizer: Quantizer | type[Quantizer], name: str) -> None:
    """Raise ``MolmisError`` where the library that a quantizer or a family calls is not installed."""
    library = quantizer.library
    if library is not None and importlib.util.find_spec(library) is None:
        raise MolmisError(
            f"the quantizer {name!r} calls the library {library}, which is not installed; "
            "install it: pip install 'molmis[quant]'"
        )


class LibraryQuantizer(Quantizer):
    """A quantizer that calls a library."""

    library: ClassVar[str]

    def load(self, module: str) -> Any:
        """Return a module of the library.

        Raises
        ------
        MolmisError
            If the library is not installed.
        """
        require(self, repr(self))
        with _quietly():
            return importlib.import_module(f"{self.library}.{module}")


@contextmanager
def _quietly() -> Iterator[None]:
    """Hold back warnings in the log: libraries tell there of kernels for GPUs that they do not find."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _ascending(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return different values in ascending order, both zeros as one, and the place of every value in them."""
    levels, places = torch.unique(values + 0.0, return_inverse=True)
    return levels, places


def _filled(weight: Tensor, size: int) -> tuple[Blocks, Tensor]:
    """Return groups of n <= ``size`` weights, (..., out, C, n), and the same with zeros up to ``size``."""
    blocks = Blocks.of(weight, size)
    missing = size - blocks.values.shape[-1]
    return blocks, pad(blocks.values, (0, missing)).contiguous()


# --- bitsandbytes ---------------------------------------------------------------------------------------


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
        blocks, filled = _filled(check_weight(weight), self._SIZE)
        functional = self.load("functional")
        packed, state = functional.quantize_4bit(filled, blocksize=self._SIZE, quant_type=self.format)
        levels, places = _ascending(functional.get_4bit_type(self.format, device="cpu"))
        found = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], dim=-1).reshape(filled.shape)
        codes = places.to(torch.uint8)[found.long()][..., : blocks.values.shape[-1]]
        flat = state.absmax.reshape(*filled.shape[:-3], -1)
        offset = flat.mean(-1, keepdim=True)
        runs = -(-flat.shape[-1] // self._RUN)
        rest = pad(flat - offset, (0, runs * self._RUN - flat.shape[-1]))
        table = functional.create_dynamic_map()
        kept, outer = self.blockwise(rest.reshape(*rest.shape[:-1], runs, self._RUN), table)
        scales = kept.flatten(-2)[..., : flat.shape[-1]].reshape(filled.shape[:-1])
        return Nested(
            blocks.restore(codes), levels, scales, table, outer[..., 0], self._RUN, offset, blocks.block
        )


# --- torchao --------------------------------------------------------------------------------------------

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
        blocks, filled = _filled(check_weight(weight), _MX)
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
        exponent, data = library.to_mx(filled, kind, _MX, mode)
        if self.element.startswith("fp4"):
            data = library.unpack_uint4(data)
        values = self._values(library, kind)
        levels, places = _ascending(values)
        codes = places.to(torch.uint8)[data.view(torch.uint8).long()][..., : blocks.values.shape[-1]]
        power = exponent.view(torch.uint8).reshape(filled.shape[:-1]).to(torch.int32) - 127
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
    """NVFP4 by torchao: 4-bit floats, an 8-bit float as scale of 16 weights, and a scale for the matrix."""

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
        blocks, filled = _filled(weight, _NV)
        library = self.load("prototype.mx_formats.nvfp4_tensor")
        whole = divisor(library.per_tensor_amax_to_scale(weight.abs().amax(dim=(-2, -1))).reshape(-1, 1, 1))
        count = blocks.values.shape[-3:-1].numel()
        found, data = library.nvfp4_quantize(filled.reshape(-1, count, _NV), _NV, whole)
        levels, places = _ascending(library.f4_unpacked_to_f32(torch.arange(16, dtype=torch.uint8)))
        data = library.unpack_uint4(data.contiguous()).reshape(filled.shape)
        codes = places.to(torch.uint8)[data.long()][..., : blocks.values.shape[-1]]
        table = torch.arange(127, dtype=torch.uint8).view(torch.float8_e4m3fn).float()  # 127 is no number
        scales = found.view(torch.uint8).reshape(filled.shape[:-1])
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


# --- hqq ------------------------------------------------------------------------------------------------


@FAMILIES.register("hqq-slow")
@dataclass(frozen=True)
class SlowHalfQuadratic(LibraryQuantizer):
    """``HalfQuadratic`` with the slow solver of hqq: a hundred steps with a growing penalty, and no stop.

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


#: Every row that needs a library, by name, whether the library is installed or not.
ROWS: dict[str, LibraryQuantizer] = {
    **{f"bnb-{code}": BlockwiseTable(code) for code in get_args(Code)},
    **{f"bnb-{name}-nested": NestedScales(name) for name in ("nf4", "fp4")},  # type: ignore[arg-type]
    "ao-mxfp8-e5m2": Microscaling("fp8-e5m2"),
    "ao-mxfp6-e2m3": Microscaling("fp6-e2m3"),
    "ao-mxfp6-e3m2": Microscaling("fp6-e3m2"),
    "ao-mxfp4-rceil": Microscaling("fp4-e2m1", "rceil"),
    "ao-nvfp4": NvFp4(),
    **{f"ao-int{bits}": SignedIntegers(bits) for bits in (4, 3, 2)},
    **{f"ao-int{bits}-unclipped": SignedIntegers(bits, "unclipped") for bits in (4, 3, 2)},
    "ao-lsb-2": LeastSquaresBinary(),
    **{f"hqq-slow-{name}": SlowHalfQuadratic(count) for name, count in (("4", 16), ("3", 8), ("2", 4))},
    "hqq-slow-1.58": SlowHalfQuadratic(3),
}

for _name, _member in ROWS.items():
    if importlib.util.find_spec(_member.library) is not None:
        QUANTIZERS.add(_name, _member)
