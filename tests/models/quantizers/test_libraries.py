"""The zoo against the libraries of the extra ``[quant]``, weight by weight; skipped where they are absent."""

import importlib.util
import subprocess
import sys
from typing import get_args

import pytest
import torch

from models.quantizers import QUANTIZERS
from models.quantizers.affine import Affine
from models.quantizers.base import FAMILIES
from models.quantizers.composed import Nested
from models.quantizers.hqq import HalfQuadratic
from models.quantizers.library import ROWS
from models.quantizers.library_torchao import Element, Microscaling, Scaling
from models.quantizers.measures import relative_error
from models.quantizers.packing import packed_bytes
from models.quantizers.stored import facts_of, kind_of, restored
from models.quantizers.zoo import canonical_name, resolve, zoo_names
from molecules.errors import MolmisError

#: Relative difference of the weights: rounding in another order, no more.
CLOSE = 1e-6

needs = {
    library: pytest.mark.skipif(importlib.util.find_spec(library) is None, reason="needs the extra [quant]")
    for library in ("bitsandbytes", "torchao", "hqq")
}


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


# --- figures measured with the libraries beforehand, on a layer as torch initialises it -----------------


@pytest.fixture(scope="module")
def layer() -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Linear(128, 128).weight.detach()


def by_torchao(bits: int, mapping: str):
    def values(weight):
        from torchao.quantization import quant_primitives as ao

        block, low, high = (1, weight.shape[1]), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        scale, zero = ao.choose_qparams_affine(weight, ao.MappingType[mapping], block, torch.int8, low, high)
        codes = ao.quantize_affine(weight, block, scale, zero, torch.int8, low, high)
        return ao.dequantize_affine(codes, block, scale, zero, torch.int8, low, high)

    return values


def by_microscaling(kind: str):
    def values(weight):
        from torchao.prototype.mx_formats.mx_tensor import MXTensor

        return MXTensor.to_mx(weight, getattr(torch, kind, kind), 32).dequantize(torch.float32)

    return values


def by_parq(quantizer: str, bits: int, **options):
    def values(weight):
        from torchao.prototype.parq import quant

        return getattr(quant, quantizer)(**options).quantize(weight.clone(), bits)[0]

    return values


def by_hqq(bits: float):
    def values(weight):
        from hqq.core.quantize import Quantizer

        options = {"nbits": bits, "group_size": 64, "axis": 1, "bitpack": False, "round_zero": bits == 4}
        codes, state = Quantizer.quantize(
            weight.clone(), **options, device="cpu", compute_dtype=torch.float32
        )
        return Quantizer.dequantize(codes, state).reshape(weight.shape)

    return values


def by_bitsandbytes(name: str, nested: bool = False):
    def values(weight):
        from bitsandbytes import functional

        codes, state = functional.quantize_4bit(
            weight.clone(), blocksize=64, quant_type=name, compress_statistics=nested
        )
        return functional.dequantize_4bit(codes, state, quant_type=name)

    return values


#: Ours, or the row that calls the library; the library called by itself; and the figure. Half a unit of the
#: last digit is within the tolerance.
FIGURES = [
    *(
        ("torchao", f"ao-int{b}", by_torchao(b, "SYMMETRIC"), f)
        for b, f in ((2, 0.335), (3, 0.143), (4, 0.067))
    ),
    *(
        ("torchao", Affine(b, "row"), by_torchao(b, "SYMMETRIC"), f)
        for b, f in ((2, 0.335), (3, 0.143), (4, 0.067))
    ),
    *(
        ("torchao", f"ao-int{b}-unclipped", by_torchao(b, "SYMMETRIC_NO_CLIPPING_ERR"), f)
        for b, f in ((2, 0.488), (3, 0.164), (4, 0.070))
    ),
    *(
        ("hqq", HalfQuadratic(levels), by_hqq(bits), figure)
        for levels, bits, figure in (
            (2, 1, 0.917),
            (3, 1.58, 0.458),
            (4, 2, 0.306),
            (8, 3, 0.131),
            (16, 4, 0.062),
        )
    ),
    ("torchao", "sign", by_parq("LSBQuantizer", 1), 0.502),
    *(
        ("torchao", f"binary-{b}", by_parq("LSBQuantizer", b), f)
        for b, f in ((2, 0.250), (3, 0.125), (4, 0.063))
    ),
    ("torchao", "ao-lsb-2", by_parq("LSBQuantizer", 2, optimal=True), 0.250),
    ("torchao", "ternary-optimal", by_parq("TernaryUnifQuantizer", 0), 0.335),
    ("bitsandbytes", "nf4", by_bitsandbytes("nf4"), 0.092),
    ("bitsandbytes", "fp4", by_bitsandbytes("fp4"), 0.112),
    ("torchao", "mxfp4", by_microscaling("float4_e2m1fn_x2"), 0.120),
    ("torchao", "mxfp8", by_microscaling("float8_e4m3fn"), 0.027),
]


@pytest.mark.parametrize(
    ("quantizer", "theirs", "figure"),
    [
        pytest.param(ours, theirs, figure, marks=needs[library], id=f"{ours}-{figure}")
        for library, ours, theirs, figure in FIGURES
    ],
)
def test_figures_of_the_libraries_on_a_fresh_layer(quantizer, theirs, figure, layer):
    quantizer = QUANTIZERS[quantizer] if isinstance(quantizer, str) else quantizer
    assert float(relative_error(layer, quantizer.quantize(layer))) == pytest.approx(figure, abs=1e-3)
    assert float((theirs(layer) - layer).norm() / layer.norm()) == pytest.approx(figure, abs=1e-3)


# --- rows that call a library give what the library gives -----------------------------------------------


@needs["bitsandbytes"]
@pytest.mark.parametrize("name", ["dynamic8", "dynamic4", "af4"])
def test_tables_of_bitsandbytes(name, weight):
    from bitsandbytes import functional

    if name == "af4":
        code = functional.get_4bit_type("af4", device="cpu").flip(0)
        code = torch.cat([code, code[-1:].expand(240)])
    else:
        bits = int(name[-1])
        code = functional.create_dynamic_map(signed=True, max_exponent_bits=bits - 1, total_bits=bits)
    codes, state = functional.quantize_blockwise(weight.clone(), code=code, blocksize=64)
    assert difference(f"bnb-{name}", weight, functional.dequantize_blockwise(codes, state)) < CLOSE


@needs["bitsandbytes"]
@pytest.mark.parametrize("name", ["nf4", "fp4"])
def test_nested_scales_are_those_of_bitsandbytes(name):
    weight = torch.randn(192, 128, generator=torch.Generator().manual_seed(1))  # 384 scales: two runs of 256
    assert difference(f"bnb-{name}-nested", weight, by_bitsandbytes(name, nested=True)(weight)) < CLOSE
    found = QUANTIZERS[f"bnb-{name}-nested"].quantize(weight)
    # codes of four bits, a byte a scale, two float32 for the runs and one for the mean
    assert int(packed_bytes(found)) == 192 * 128 // 2 + 384 + 4 * 2 + 4


@needs["torchao"]
@pytest.mark.parametrize("scaling", get_args(Scaling))
@pytest.mark.parametrize("element", get_args(Element))
def test_microscaling_rows_are_those_of_torchao(element, scaling, weight):
    from torchao.prototype.mx_formats.config import ScaleCalculationMode
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    names = {"fp4-e2m1": "float4_e2m1fn_x2", "fp8-e4m3": "float8_e4m3fn", "fp8-e5m2": "float8_e5m2"}
    name = names.get(element, element.replace("-", "_"))
    mode = ScaleCalculationMode[scaling.upper()]
    theirs = MXTensor.to_mx(weight, getattr(torch, name, name), 32, mode).dequantize(torch.float32)
    assert difference(Microscaling(element, scaling), weight, theirs) < CLOSE
    found = Microscaling(element, scaling).quantize(weight)
    bits = int(element[2])
    assert len(found.levels) <= 2**bits
    assert int(packed_bytes(found)) <= weight.numel() * bits // 8 + weight.numel() // 32


@needs["torchao"]
def test_nvfp4_is_that_of_torchao(weight):
    from torchao.prototype.mx_formats import nvfp4_tensor as nv

    scale = nv.per_tensor_amax_to_scale(weight.abs().max())
    theirs = nv.NVFP4Tensor.to_nvfp4(weight, per_tensor_scale=scale).dequantize(torch.float32)
    assert difference("ao-nvfp4", weight, theirs) < CLOSE
    found = QUANTIZERS["ao-nvfp4"].quantize(weight)
    assert int(packed_bytes(found)) == weight.numel() // 2 + weight.numel() // 16 + 4


@needs["torchao"]
def test_two_signs_of_least_squares(weight):
    theirs = by_parq("LSBQuantizer", 2, optimal=True)(weight)
    assert difference("ao-lsb-2", weight, theirs) < CLOSE
    errors = {
        name: float(relative_error(weight, QUANTIZERS[name].quantize(weight)))
        for name in ("kmeans-2", "ao-lsb-2", "binary-2")
    }
    assert errors["kmeans-2"] <= errors["ao-lsb-2"] <= errors["binary-2"]  # four free levels; greedy ones


@needs["hqq"]
@pytest.mark.parametrize(("name", "bits"), [("4", 4), ("3", 3), ("2", 2), ("1.58", 1.58)])
def test_slow_half_quadratic_is_that_of_hqq(name, bits, weight, monkeypatch):
    from hqq.core import optimize, quantize

    monkeypatch.setattr(
        quantize.Quantizer, "optimize_weights", staticmethod(optimize.optimize_weights_proximal_slow)
    )
    assert difference(f"hqq-slow-{name}", weight, by_hqq(bits)(weight)) < 1e-3
    fast, slow = (
        float(relative_error(weight, QUANTIZERS[row].quantize(weight)))
        for row in (f"hqq-{name}", f"hqq-slow-{name}")
    )
    assert slow <= fast * 1.01


# --- with and without the extra -------------------------------------------------------------------------


def test_no_library_is_imported_before_it_is_used():
    code = (
        "import sys; from models.quantizers.zoo import resolve, zoo_names; "
        "resolve(['all', 'controls']); zoo_names('libraries'); "
        "print(sorted({'torchao', 'bitsandbytes', 'hqq'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rows_from_libraries_are_registered_where_these_are_installed():
    assert set(zoo_names("libraries")) == set(ROWS)
    for name, quantizer in ROWS.items():
        assert (name in QUANTIZERS) == (importlib.util.find_spec(quantizer.library) is not None)
        assert canonical_name(quantizer) == name or name not in QUANTIZERS
        if name in QUANTIZERS:
            assert resolve([name]) == {name: quantizer}
            assert quantizer.library in quantizer.identity()


@pytest.mark.parametrize(
    ("text", "library"),
    [
        ("bnb-dynamic8", "bitsandbytes"),
        ("ao-nvfp4", "torchao"),
        ("hqq-slow-2", "hqq"),
        ("libraries", "torchao"),
        ("ao-int:bits=5", "torchao"),
        ("ao-mx:", "torchao"),
        ("bnb:code=af4", "bitsandbytes"),
        ("last8:of=ao-int4", "torchao"),
    ],
)
def test_a_missing_library_is_told_in_one_line(text, library, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MolmisError) as caught:
        resolve([text])
    message = str(caught.value)
    assert "\n" not in message
    assert library in message
    assert "pip install 'molmis[quant]'" in message


@pytest.mark.parametrize("name", list(ROWS))
def test_a_missing_library_is_told_by_the_quantizer_itself(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MolmisError, match=r"which is not installed; .*molmis\[quant\]"):
        ROWS[name].quantize(torch.ones(2, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FAMILIES["bnb"]("nf4"), "code must be one of dynamic8"),
        (lambda: FAMILIES["bnb"]("af4", per=32), "per must be 64"),
        (lambda: FAMILIES["bnb-nested"]("int4"), "format must be nf4 or fp4"),
        (lambda: FAMILIES["ao-mx"]("fp5"), "element must be one of"),
        (lambda: FAMILIES["ao-mx"]("fp6-e2m3", "round"), "scaling must be one of"),
        (lambda: FAMILIES["ao-int"](1), "bits must be an integer from 2 to 8"),
        (lambda: FAMILIES["ao-int"](4, "zero"), "mapping must be one of"),
        (lambda: FAMILIES["hqq-slow"](1), "levels must be an integer from 2 to 256"),
    ],
)
def test_parameters_out_of_range_say_the_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_nested_scales_by_hand_and_back_from_a_file():
    nested = Nested(
        codes=torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0]], dtype=torch.uint8),
        levels=torch.tensor([-1.0, 0.0, 1.0]),
        scales=torch.tensor([[0, 1], [1, 2]], dtype=torch.uint8),
        table=torch.tensor([0.5, 1.0, 2.0]),
        outer=torch.tensor([10.0, 100.0]),
        run=3,  # the first three scales times ten, the last times a hundred
        offset=torch.tensor([1.0]),
        block=(1, 2),
    )
    expected = torch.tensor([[-6.0, 0.0, 11.0, -11.0], [11.0, 11.0, 0.0, -201.0]])
    torch.testing.assert_close(nested.dequantize(), expected)
    assert int(nested.side_bytes()) == 4 + 8 + 4
    parts = nested.side | {name: getattr(nested, name) for name in nested.shared}
    back = restored(kind_of(nested), nested.codes, parts, facts_of(nested))
    torch.testing.assert_close(back.dequantize(), expected)
