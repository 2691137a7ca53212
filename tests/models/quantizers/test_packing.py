"""Packing is exact, of the promised size, and close to the information in the codes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantizers.base import QUANTIZERS
from models.quantizers.packing import pack, packed_bytes, packed_size, unpack, word_of
from models.quantizers.quantized import Values

ZOO_LEVELS = [2, 3, 7, 15, 31, 63, 255]


def to_bytes_reference(codes, levels):
    """Pack with Python's own integers: each word a number in base ``levels``, low digit first."""
    group, width = word_of(levels)
    data = b""
    for start in range(0, len(codes), group):
        digits = codes[start : start + group]
        number = sum(digit * levels**place for place, digit in enumerate(digits))
        largest = levels ** len(digits) - 1
        size = width if len(digits) == group else (largest.bit_length() + 7) // 8
        data += number.to_bytes(size, "little")
    return data


@settings(deadline=None)
@given(st.data(), st.one_of(st.sampled_from(ZOO_LEVELS), st.integers(2, 70_000)))
def test_round_trip_size_and_layout(data, levels):
    codes = data.draw(st.lists(st.integers(0, levels - 1), max_size=120))
    packed = pack(torch.tensor(codes, dtype=torch.int64), levels)
    assert unpack(packed, (len(codes),), levels).tolist() == codes
    assert len(packed) == packed_size(len(codes), levels)
    assert packed == to_bytes_reference(codes, levels)


@pytest.mark.parametrize("levels", ZOO_LEVELS)
def test_round_trip_of_a_matrix_of_random_and_of_largest_codes(levels):
    codes = torch.from_numpy(np.random.default_rng(levels).integers(0, levels, (37, 53), dtype=np.uint8))
    for matrix in (codes, torch.full_like(codes, levels - 1)):
        restored = unpack(pack(matrix, levels), (37, 53), levels)
        assert restored.dtype == torch.uint8
        assert torch.equal(restored, matrix)


@pytest.mark.parametrize("levels", ZOO_LEVELS)
def test_within_five_per_cent_of_the_information(levels):
    count = 1_000_000
    assert math.log2(levels) <= 8 * packed_size(count, levels) / count <= 1.05 * math.log2(levels)


def test_words_by_hand():
    assert word_of(2) == (8, 1)
    assert word_of(3) == (5, 1)  # 243 of 256
    assert word_of(8) == (8, 3)
    assert word_of(256) == (1, 1)
    assert pack(torch.tensor([1, 0, 0, 1, 0, 0, 0, 0, 1]), 2) == bytes([0b1001, 1])
    assert pack(torch.tensor([2, 1, 0, 0, 1]), 3) == bytes([2 + 3 + 81])


def test_one_level_takes_no_space():
    assert pack(torch.zeros(5, dtype=torch.uint8), 1) == b""
    assert unpack(b"", (5,), 1).tolist() == [0] * 5


def test_float32_bit_patterns():
    weight = torch.tensor([[0.5, -0.0], [1e-40, -3e38]])
    data = pack(weight.view(torch.int32), None)
    assert data == weight.numpy().tobytes()
    assert torch.equal(unpack(data, (2, 2), None).view(torch.float32), weight)


def test_mistakes():
    with pytest.raises(ValueError, match="from 0 to 2, not 0 to 3"):
        pack(torch.tensor([0, 3]), 3)
    with pytest.raises(ValueError, match="from 0 to 2, not -1 to 0"):
        pack(torch.tensor([0, -1]), 3)
    with pytest.raises(ValueError, match="6 codes of 3 levels take 2 bytes, not 1"):
        unpack(b"\0", (2, 3), 3)
    with pytest.raises(ValueError, match="at least 1"):
        packed_size(3, 0)


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_size_of_every_registered_quantizer_is_what_packing_takes(name):
    weight = torch.randn((2, 3, 11, 7), generator=torch.Generator().manual_seed(0))
    quantized = QUANTIZERS[name].quantize(weight)
    sizes = packed_bytes(quantized)
    assert sizes.shape == (2, 3)
    for index in np.ndindex(2, 3):
        matrix = quantized.at(index)
        data = pack(matrix.codes, matrix.alphabet)
        assert sizes[index] == len(data) + sum(part.nbytes for part in matrix.side.values())
        assert torch.equal(unpack(data, tuple(matrix.codes.shape), matrix.alphabet), matrix.codes)


def test_sizes_by_hand():
    weight = torch.randn((100, 100), generator=torch.Generator().manual_seed(0))
    assert int(packed_bytes(QUANTIZERS["float32"].quantize(weight))) == 40_000
    assert int(packed_bytes(QUANTIZERS["sign"].quantize(weight))) == 1_250 + 4
    assert int(packed_bytes(QUANTIZERS["ternary-50"].quantize(weight))) == 2_000 + 4
    assert int(packed_bytes(QUANTIZERS["uniform-8-unscaled"].quantize(weight))) == 10_000


def test_levels_of_its_own_are_charged_to_the_matrix_that_uses_them():
    codes = torch.tensor([[[0, 1, 0, 1]], [[2, 3, 4, 4]]], dtype=torch.uint8)
    quantized = Values(codes, torch.arange(5.0))
    assert packed_bytes(quantized).tolist() == [1 + 2 * 4, 1 + 3 * 4]
