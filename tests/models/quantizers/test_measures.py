"""Zeros, entropy bits and relative error against SciPy and figures worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy

from models.quantizers import measures
from models.quantizers.base import QUANTIZERS
from models.quantizers.measures import entropy_bits, histogram, relative_error, used_levels, zeros
from models.quantizers.quantized import Grid, Values

CODES = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5), elements=st.integers(0, 6)
)


def quantized_of(codes, stored="nothing"):
    codes, levels = torch.from_numpy(codes), torch.arange(-3.0, 4.0)
    if stored == "values":
        return Values(codes, levels)
    return Grid(codes, levels, torch.ones(*codes.shape[:-2], 1, 1), stored=stored)


@settings(deadline=None)
@given(CODES)
def test_entropy_and_histogram_agree_with_scipy_and_numpy(codes):
    matrices = codes.reshape(-1, codes.shape[-2] * codes.shape[-1])
    counts = np.stack([np.bincount(matrix, minlength=7) for matrix in matrices])
    lead = codes.shape[:-2]
    np.testing.assert_array_equal(histogram(quantized_of(codes)), counts.reshape(*lead, 7))
    np.testing.assert_array_equal(used_levels(quantized_of(codes)), (counts > 0).sum(1).reshape(lead))
    expected = entropy(counts, base=2, axis=1).reshape(lead)
    np.testing.assert_allclose(entropy_bits(quantized_of(codes)), expected, atol=1e-12)


@settings(deadline=None)
@given(CODES, st.sampled_from(["scale", "values"]))
def test_what_is_stored_beside_the_codes_counts(codes, stored):
    count = codes.shape[-2] * codes.shape[-1]
    numbers = 1 if stored == "scale" else used_levels(quantized_of(codes)).numpy()
    extra = entropy_bits(quantized_of(codes, stored)) - entropy_bits(quantized_of(codes))
    np.testing.assert_allclose(extra, np.broadcast_to(32 * numbers / count, extra.shape), atol=1e-12)


def test_histogram_in_blocks_is_the_same(monkeypatch):
    codes = np.random.default_rng(0).integers(0, 7, (3, 5, 4, 6), dtype=np.uint8)
    whole = histogram(quantized_of(codes))
    monkeypatch.setattr(measures, "BLOCK", 50)  # two matrices a block, the last block one
    assert torch.equal(histogram(quantized_of(codes)), whole)


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_entropy_bits_are_at_most_the_nominal_ones_and_the_scale(name):
    weight = torch.randn((2, 40, 50), generator=torch.Generator().manual_seed(0)) / 4
    quantized = QUANTIZERS[name].quantize(weight)
    side = 8 * quantized.side_bytes() / 2000
    codes = quantized.codes[0].numel() / 2000  # more than one a weight where rows are filled up
    bits = 32 if quantized.alphabet is None else np.log2(quantized.alphabet)
    assert (entropy_bits(quantized) <= bits * codes + side + 1e-6).all()


def test_entropy_bits_by_hand():
    weight = torch.randn((64, 64), generator=torch.Generator().manual_seed(0))
    assert float(entropy_bits(QUANTIZERS["float32"].quantize(weight))) == 32
    # three quarters zero and an even split of signs: 0.75 log2(1/0.75) + 0.25 log2(1/0.125) = 1.0613
    assert float(entropy_bits(QUANTIZERS["ternary-75-unscaled"].quantize(weight))) == pytest.approx(
        1.0613, abs=1e-3
    )
    with pytest.raises(ValueError, match="no levels"):
        histogram(QUANTIZERS["float32"].quantize(weight))


def test_zeros_by_hand():
    weight = torch.tensor([[[0.0, 1.0, -0.2, 0.9]], [[1.0, 1.0, -1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]]])
    assert zeros(QUANTIZERS["uniform-2"].quantize(weight)).tolist() == [0.5, 0.0, 1.0]
    assert zeros(QUANTIZERS["float32"].quantize(weight)).tolist() == [0.25, 0.0, 1.0]
    assert zeros(QUANTIZERS["sign"].quantize(weight)).tolist() == [0.0, 0.0, 1.0]  # scale 0


def test_relative_error_by_hand():
    weight = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])
    # sign: mean 3.5, errors 0.5 and 0.5, over a norm of 5; a zero matrix stays zero
    error = relative_error(weight, QUANTIZERS["sign"].quantize(weight))
    np.testing.assert_allclose(error, [np.sqrt(0.5) / 5, 0])
    assert relative_error(weight, QUANTIZERS["float32"].quantize(weight)).tolist() == [0, 0]
    assert relative_error(weight, QUANTIZERS["sign-unscaled"].quantize(weight)).tolist()[1] == np.inf


def test_no_matrices_give_no_figures():
    quantized = QUANTIZERS["sign"].quantize(torch.zeros(0, 2, 3))
    assert entropy_bits(quantized).shape == (0,)
    assert zeros(quantized).shape == (0,)
