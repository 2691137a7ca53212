"""Candidates and sizes of quantized heads against plain computations."""

import numpy as np
import pytest
import torch
from scipy import stats

from models.heads import Heads
from models.quantized_heads import quantize_heads
from models.quantizers import QUANTIZERS, parts
from models.quantizers.adapter import from_matrix_function
from models.quantizers.base import Layer
from models.quantizers.calibrated import Gptq
from models.quantizers.zoo import PAPER


def snapshots(runs: int = 2, epochs: int = 5) -> Heads:
    rng = torch.Generator().manual_seed(0)
    shapes = ((6, 9), (4, 6), (1, 4))
    weights = tuple(torch.randn(runs, epochs, *shape, generator=rng) for shape in shapes)
    return Heads(weights, tuple(torch.randn(runs, epochs, shape[0], generator=rng) for shape in shapes))


def with_repeats() -> Heads:
    """Run 0: epochs 1 and 3 equal; epoch 4 is epoch 0 times 2 in every layer, so its codes are the same."""
    heads = snapshots()
    for weight in heads.weights:
        weight[0, 3] = weight[0, 1]
        weight[0, 4] = 2 * weight[0, 0]
    return heads


@pytest.mark.parametrize(
    ("name", "expected"), [("sign", [2, 3, 4]), ("uniform-4", [2, 3, 4]), ("float32", [0, 2, 3, 4])]
)
def test_equal_codes_are_one_candidate_and_the_latest_stands_for_it(name, expected):
    quantized = quantize_heads(with_repeats(), QUANTIZERS[name])
    assert quantized.distinct_epochs(0) == expected
    assert quantized.distinct_epochs(1) == [0, 1, 2, 3, 4]


def test_records_come_to_where_the_bank_lies(monkeypatch):
    moved = []
    move = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *a, **k: (moved.append(a), move(self, *a, **k))[1])
    quantize_heads(snapshots(), QUANTIZERS["gptq-3"], torch.randn(20, 9))
    assert (torch.device("cpu"),) in moved  # embeddings may lie on a GPU, banks never do


def test_one_differing_code_in_one_layer_makes_a_candidate():
    heads = with_repeats()
    heads.weights[1][0, 3, 0, 0] *= -1
    assert quantize_heads(heads, QUANTIZERS["sign"]).distinct_epochs(0) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", PAPER)
def test_candidates_by_brute_force(name):
    """Three weights of three values each: of 30 snapshots some must coincide."""
    rng = np.random.default_rng(0)
    values = [rng.choice([-1.0, 0.5, 1.0], (2, 30, 1, fan_in)).astype(np.float32) for fan_in in (2, 1)]
    weights = tuple(map(torch.from_numpy, values))
    quantizer = QUANTIZERS[name]
    quantized = quantize_heads(Heads(weights, (torch.randn(2, 30, 1), torch.randn(2, 30, 1))), quantizer)
    for run in range(2):
        codes = [[quantizer.quantize(w[run, epoch]).codes.tolist() for w in weights] for epoch in range(30)]
        latest = [epoch for epoch in range(30) if codes[epoch] not in codes[epoch + 1 :]]
        assert quantized.distinct_epochs(run) == latest
        assert 1 < len(latest) < 28


def test_float32_snapshots_that_differ_in_one_bit_are_two_candidates():
    heads = snapshots(runs=1, epochs=2)
    for weight in heads.weights:
        weight[0, 1] = weight[0, 0]
    assert quantize_heads(heads, QUANTIZERS["float32"]).distinct_epochs(0) == [1]
    last = heads.weights[2][0, 1, 0]
    last[0] = torch.nextafter(last[0], torch.tensor(torch.inf))
    assert quantize_heads(heads, QUANTIZERS["float32"]).distinct_epochs(0) == [0, 1]


@pytest.mark.parametrize("name", PAPER)
def test_sizes_of_the_published_head(name):
    heads = snapshots()
    quantized = quantize_heads(heads, QUANTIZERS[name])
    sizes = quantized.sizes()
    weights, biases = 6 * 9 + 4 * 6 + 4, 6 + 4 + 1
    for run in range(2):
        zero, entropy = 0, 0.0
        for layer in quantized.layers:
            codes, count = layer.codes[run, -1], layer.codes[run, -1].numel()
            zero += int((quantized_layer_values(layer, run) == 0).sum())
            if layer.alphabet is None:
                entropy += 32 * count
            else:
                entropy += count * stats.entropy(np.bincount(codes.flatten().numpy()), base=2) + 32
        assert sizes["zeros"][run] == pytest.approx(zero / weights)
        assert sizes["entropy_bits"][run] == pytest.approx(entropy / weights)
        assert sizes["coverage"][run] == (
            0 if name == "float32" else pytest.approx(weights / (weights + biases))
        )
        assert sizes["bits"][run] == QUANTIZERS[name].bits


def quantized_layer_values(layer, run: int) -> torch.Tensor:
    return layer.dequantize()[run, -1]


def test_biases_and_shapes_are_kept():
    heads = snapshots()
    quantized = quantize_heads(heads, QUANTIZERS["ternary-75"])
    assert all(torch.equal(a, b) for a, b in zip(quantized.heads.biases, heads.biases, strict=True))
    assert [w.shape for w in quantized.heads.weights] == [w.shape for w in heads.weights]
    assert quantize_heads(heads, QUANTIZERS["float32"]).heads.weights[0].equal(heads.weights[0])


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_a_bank_in_parts_is_the_bank_at_once(name, monkeypatch):
    bank = torch.randn(3, 4, 9, 20, generator=torch.Generator().manual_seed(0))
    whole = QUANTIZERS[name].quantize(bank)
    monkeypatch.setattr(parts, "PART", 5 * 9 * 20)
    apart = parts.quantize_in_parts(QUANTIZERS[name], bank)
    assert torch.equal(apart.codes, whole.codes)
    torch.testing.assert_close(apart.dequantize(), whole.dequantize(), rtol=1e-6, atol=0)
    assert apart.side_bytes().tolist() == whole.side_bytes().tolist()
    assert torch.equal(parts.dequantize_in_parts(whole), whole.dequantize())


def test_inputs_and_functions_of_a_matrix_go_in_parts_too(monkeypatch):
    monkeypatch.setattr(parts, "PART", 2 * 6 * 9)
    made, records = snapshots(), torch.randn(30, 9, generator=torch.Generator().manual_seed(1))
    layer = Layer(0, 3, records.expand(2, 5, -1, -1))
    whole = QUANTIZERS["gptq-3"].quantize_layer(made.weights[0], layer)
    apart = parts.quantize_in_parts(QUANTIZERS["gptq-3"], made.weights[0], layer)
    assert (apart.codes == whole.codes).double().mean() > 0.99
    function = from_matrix_function(np.round, 8)
    values = parts.quantize_in_parts(function, 3 * made.weights[0])
    assert torch.equal(values.dequantize(), (3 * made.weights[0]).round())
    assert torch.equal(parts.dequantize_in_parts(values), values.dequantize())


def test_second_moments_bound_how_many_matrices_go_at_once(monkeypatch):
    made, records = snapshots(), torch.randn(30, 9, generator=torch.Generator().manual_seed(1))
    layer = Layer(0, 3, records.expand(2, 5, -1, -1))
    at_once = []
    quantize = Gptq.quantize_layer

    def counted(self, weight, layer):
        at_once.append(weight.shape[:-2].numel())
        return quantize(self, weight, layer)

    monkeypatch.setattr(Gptq, "quantize_layer", counted)
    whole = parts.quantize_in_parts(QUANTIZERS["gptq-3"], made.weights[0], layer)
    monkeypatch.setattr(parts, "MOMENTS", 4 * 9 * 9)
    apart = parts.quantize_in_parts(QUANTIZERS["gptq-3"], made.weights[0], layer)
    assert at_once == [10, 4, 4, 2]
    assert torch.equal(apart.codes, whole.codes)


def test_snapshots_of_a_run_share_the_second_moment_of_its_members(monkeypatch):
    made, members = snapshots(), torch.randn(2, 30, 9, generator=torch.Generator().manual_seed(1))
    given = []
    quantize = Gptq.quantize_layer

    def seen(self, weight, layer):
        given.append((len(weight), layer.inputs.stride(0)))
        return quantize(self, weight, layer)

    layer = Layer(0, 3, members[:, None].expand(2, 5, -1, -1))
    monkeypatch.setattr(parts, "PART", 3 * made.weights[0][0, 0].numel())
    monkeypatch.setattr(Gptq, "quantize_layer", seen)
    found = parts.quantize_in_parts(QUANTIZERS["gptq-3"], made.weights[0], layer)
    assert given == [(3, 0), (2, 0), (3, 0), (2, 0)]
    for run, own in enumerate(members):
        for epoch in range(5):
            alone = QUANTIZERS["gptq-3"].quantize_layer(made.weights[0][run, epoch], Layer(0, 3, own))
            assert torch.equal(found.codes[run, epoch], alone.codes)
