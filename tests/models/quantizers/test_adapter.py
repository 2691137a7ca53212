"""A function of one matrix, mapped over a bank."""

import importlib

import numpy as np
import pytest
import torch

from models.quantizers import parts
from models.quantizers.adapter import from_matrix_function
from models.quantizers.base import QUANTIZERS, source_key
from models.quantizers.contract import check
from models.quantizers.measures import entropy_bits
from models.quantizers.packing import packed_bytes


def binarized(matrix):
    return np.where(matrix >= 0, 1, -1) * np.abs(matrix).mean(dtype=np.float64)


def test_the_same_quantizer_written_both_ways():
    weight = torch.randn((2, 3, 8, 9), generator=torch.Generator().manual_seed(0))
    ours = QUANTIZERS["sign"].quantize(weight)
    theirs = from_matrix_function(binarized, bits=1).quantize(weight)
    torch.testing.assert_close(theirs.dequantize(), ours.dequantize(), rtol=1e-6, atol=0)
    # two levels a matrix instead of one scale: 32 bits more over 72 weights, 4 bytes more
    np.testing.assert_allclose(entropy_bits(theirs) - entropy_bits(ours), 32 / 72)
    np.testing.assert_array_equal(packed_bytes(theirs) - packed_bytes(ours), 4)


def test_it_keeps_the_contract():
    assert check(from_matrix_function(binarized, bits=1, scaled=True)) == []


def test_equal_codes_are_equal_weights_across_matrices():
    weight = torch.tensor([[[1.0, -1.0]], [[2.0, -2.0]], [[1.0, -1.0]]])
    codes = from_matrix_function(lambda matrix: matrix, bits=1).quantize(weight).codes
    assert torch.equal(codes[0], codes[2])
    assert not torch.equal(codes[0], codes[1])


def test_the_function_may_write_on_what_it_gets():
    def in_place(matrix):
        matrix[...] = 1
        return matrix

    weight = torch.zeros(2, 2)
    from_matrix_function(in_place, bits=1).quantize(weight)
    assert not weight.any()


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda matrix: matrix[0], "shape"), (lambda matrix: matrix * np.nan, "NaN or infinite")],
)
def test_what_is_no_matrix_of_finite_numbers_is_refused(function, message):
    quantizer = from_matrix_function(function, bits=4)
    with pytest.raises(ValueError, match=message):
        quantizer.quantize(torch.ones(2, 2))
    assert any(message in finding.message for finding in check(quantizer))


def test_more_levels_than_declared_are_found():
    findings = check(from_matrix_function(lambda matrix: np.round(matrix, 1), bits=2))
    assert [finding.check for finding in findings] == ["levels"]


def test_one_level_is_flagged():
    findings = check(from_matrix_function(np.zeros_like, bits=1))
    assert [(finding.check, finding.refused) for finding in findings] == [("degenerate", False)]


def test_identity_tells_functions_and_parameters_apart_and_holds_no_address():
    def other(matrix):
        return binarized(matrix)

    pair = [lambda matrix: matrix, lambda matrix: -matrix]  # two of one name, on one line
    assert from_matrix_function(binarized, bits=1).identity() == from_matrix_function(binarized, 1).identity()
    made = [from_matrix_function(f, bits=1) for f in (binarized, other)]
    made += [from_matrix_function(binarized, bits=2), from_matrix_function(binarized, bits=1, scaled=True)]
    assert len({quantizer.identity() for quantizer in made}) == 4
    assert all("0x" not in quantizer.identity() for quantizer in made)
    assert all("0x" not in repr(from_matrix_function(f, bits=1)) for f in pair)


def test_identity_follows_the_code(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    for number, value in enumerate((1, 2)):
        name = f"mine_{number}"
        (tmp_path / f"{name}.py").write_text(f"def quantize(matrix):\n    return 0 * matrix + {value}\n")
        seen.append(source_key(importlib.import_module(name).quantize))
    assert seen[0] != seen[1]


def test_parts_of_a_bank_may_need_other_numbers_of_levels(monkeypatch):
    def several(matrix):
        levels, codes = np.unique(matrix.round(), return_inverse=True)
        return levels, codes.reshape(matrix.shape)

    quantizer = from_matrix_function(several, bits=8)
    bank = torch.arange(24.0).reshape(4, 2, 3)
    bank[2:] = 1.0  # one level in the second half, six in the first
    monkeypatch.setattr(parts, "PART", 12)
    found = parts.quantize_in_parts(quantizer, bank)
    assert torch.equal(found.dequantize(), bank)
    assert torch.equal(found.codes, quantizer.quantize(bank).codes)
