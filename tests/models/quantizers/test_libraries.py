"""The zoo against the libraries of the extra ``[quant]``, weight by weight; skipped where they are absent."""

import pytest
import torch

from models.quantizers import QUANTIZERS
from models.quantizers.affine import Affine
from models.quantizers.hqq import HalfQuadratic

#: Relative difference of the weights: rounding in another order, no more.
CLOSE = 1e-6


@pytest.fixture(scope="module")
def weight() -> torch.Tensor:
    drawn = torch.randn(96, 128, generator=torch.Generator().manual_seed(0))
    drawn[:8] *= 5  # rows and groups of other sizes
    return drawn / 10


def difference(name, weight: torch.Tensor, theirs: torch.Tensor) -> float:
    quantizer = QUANTIZERS[name] if isinstance(name, str) else name
    ours = quantizer.quantize(weight).dequantize()
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("name", ["nf4", "fp4"])
def test_four_bit_tables_are_those_of_bitsandbytes(name, weight):
    functional = pytest.importorskip("bitsandbytes.functional", reason="needs the extra [quant]")
    codes, state = functional.quantize_4bit(weight.clone(), blocksize=64, quant_type=name)
    theirs = functional.dequantize_4bit(codes, state, quant_type=name)
    assert difference(name, weight, theirs) < CLOSE


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_affine_by_row_is_that_of_torchao(bits, weight):
    ao = pytest.importorskip("torchao.quantization.quant_primitives", reason="needs the extra [quant]")
    block, top = (1, weight.shape[1]), 2**bits - 1
    scale, zero = ao.choose_qparams_affine(
        weight, ao.MappingType.ASYMMETRIC, block, torch.uint8, 0, top, eps=1e-9
    )
    codes = ao.quantize_affine(weight, block, scale, zero, torch.uint8, 0, top)
    theirs = ao.dequantize_affine(codes, block, scale, zero, torch.uint8, 0, top)
    assert difference(Affine(bits, per="row"), weight, theirs) < CLOSE


@pytest.mark.parametrize(("name", "kind"), [("mxfp4", "float4_e2m1fn_x2"), ("mxfp8", "float8_e4m3fn")])
def test_microscaling_formats_are_those_of_torchao(name, kind, weight):
    mx = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor", reason="needs the extra [quant]")
    theirs = mx.MXTensor.to_mx(weight, getattr(torch, kind), 32).dequantize(torch.float32)
    # halves between two values go to the even one there, to the lower one here: hardly any weight
    assert difference(name, weight, theirs) < 1e-3


@pytest.mark.parametrize(("name", "bits"), [("sign", 1), ("binary-2", 2), ("binary-3", 3), ("binary-4", 4)])
def test_signs_and_their_sums_are_those_of_parq(name, bits, weight):
    parq = pytest.importorskip("torchao.prototype.parq.quant", reason="needs the extra [quant]")
    theirs, _ = parq.LSBQuantizer(optimal=False).quantize(weight.clone(), bits)
    assert difference(name, weight, theirs) < CLOSE


@pytest.mark.parametrize("levels", [3, 4, 8, 16])
def test_half_quadratic_is_that_of_hqq(levels, weight):
    hqq = pytest.importorskip("hqq.core.quantize", reason="needs the extra [quant]")
    bits = {3: 1.58, 4: 2, 8: 3, 16: 4}[levels]
    options = {"nbits": bits, "group_size": 64, "axis": 1, "optimize": True, "bitpack": False}
    options |= {"round_zero": levels == 16, "device": "cpu", "compute_dtype": torch.float32}
    codes, state = hqq.Quantizer.quantize(weight.clone(), **options)
    theirs = hqq.Quantizer.dequantize(codes, state).reshape(weight.shape)
    ours = HalfQuadratic(levels).quantize(weight).dequantize()
    errors = [float((values - weight).norm() / weight.norm()) for values in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], abs=1e-3)
    assert float((ours - theirs).norm() / theirs.norm()) < 0.02
