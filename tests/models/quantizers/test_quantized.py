"""Levels at equal distances, which are computed, against levels that are looked up."""

import pytest
import torch

from models.quantizers.quantized import Grid, _equally_spaced
from models.quantizers.uniform import symmetric

COMPUTED = {
    "sign": torch.tensor([-1.0, 1.0]),
    "ternary": torch.tensor([-1.0, 0.0, 1.0]),
    **{f"symmetric {half}": symmetric(half, torch.zeros(())) for half in (1, 3, 7, 15, 31, 127)},
    "from zero": torch.arange(256.0),
    "middles": torch.arange(-4.0, 4.0) + 0.5,
}
LOOKED_UP = {
    "one": torch.tensor([0.5]),
    "powers": torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0]),
    "negative zero": torch.tensor([-1.0, -0.0, 1.0]),
    "nearly": torch.tensor([-1.0, 0.0, 1.0 + 2**-23]),
    "wide": torch.tensor([-1e30, 0.0, 1e30]),
    "none": torch.tensor([float("nan"), 0.0]),
}


@pytest.mark.parametrize("name", [*COMPUTED, *LOOKED_UP])
def test_weights_are_levels_times_scales_bit_by_bit(name):
    levels = {**COMPUTED, **LOOKED_UP}[name]
    assert (_equally_spaced(levels) is not None) == (name in COMPUTED)
    codes = torch.randint(len(levels), (3, 9, 8), dtype=torch.uint8)
    scale, zero = torch.rand(3, 1, 1) + 0.1, torch.rand(3, 1, 1)
    expected = levels[codes.long()]
    found = Grid(codes, levels, scale).dequantize()
    assert torch.equal((expected * scale).view(torch.int32), found.view(torch.int32))
    shifted = Grid(codes, levels, scale, zero).dequantize()
    assert torch.equal(((expected - zero) * scale).view(torch.int32), shifted.view(torch.int32))
    assert torch.equal(Grid(codes, levels, scale).levels.view(torch.int32), levels.view(torch.int32))


def test_odd_levels_and_codes_change_nothing_of_the_caller():
    codes, scale = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[1e5]])
    before, levels = codes.clone(), torch.tensor([-1.0, 0.0, 1.0])
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        found = Grid(codes, levels.to(kind), scale).dequantize()
        assert torch.equal(found, torch.tensor([[-1e5, 0.0, 1e5]]))
        assert found.dtype == torch.float32
        assert torch.equal(codes, before)
    learned = levels.clone().requires_grad_()
    assert torch.equal(Grid(codes, learned, scale).dequantize(), found)
    assert _equally_spaced(torch.tensor([0.0, 1e-45])) is None
    assert _equally_spaced(torch.tensor([0.0, 5e-324], dtype=torch.float64)) is None
