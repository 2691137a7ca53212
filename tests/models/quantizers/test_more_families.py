"""The further families against formulas written out, brute force, other libraries and published figures."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import hadamard
from sklearn.cluster import KMeans as SklearnKMeans

from models.heads import Heads
from models.quantized_heads import quantize_heads
from models.quantizers import QUANTIZERS, parts
from models.quantizers.affine import Affine, MidRise
from models.quantizers.base import Layer
from models.quantizers.binary import ResidualBinary
from models.quantizers.calibrated import DAMPING, AdaRound, Gptq, _learned
from models.quantizers.clipped import Clipped
from models.quantizers.codebooks import KMeans, Quantile
from models.quantizers.formats import FloatFormat, values_of
from models.quantizers.hqq import HalfQuadratic
from models.quantizers.last8 import LastAtEight
from models.quantizers.measures import relative_error
from models.quantizers.parts import quantize_in_parts
from models.quantizers.powers import AdditivePowersOfTwo, PowersOfTwo
from models.quantizers.product import ProductQuantizer
from models.quantizers.rotated import HadamardRotated
from models.quantizers.sign import Sign
from models.quantizers.stochastic import Stochastic
from models.quantizers.ternary_rules import TernaryRule
from models.quantizers.uniform import Uniform

SMALL = hnp.arrays(
    np.float32, (1, 8), elements=st.floats(-4, 4, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3)
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def values(quantizer, weight) -> np.ndarray:
    return quantizer.quantize(torch.as_tensor(weight)).dequantize().numpy()


def error(weight, quantized) -> float:
    return float(((np.asarray(weight, dtype=np.float64) - quantized) ** 2).sum())


@pytest.mark.parametrize(
    ("name", "figure"),
    [  # relative errors that other libraries give on such weights
        *(("affine-2", 0.335), ("affine-3", 0.143), ("affine-4", 0.067)),  # torchao int2, int3, int4
        *(("uniform-3", 0.164), ("uniform-4", 0.070)),  # torchao symmetric
        *(("hqq-1.58", 0.458), ("hqq-2", 0.306), ("hqq-3", 0.131), ("hqq-4", 0.062)),  # hqq, torchao
        *(("sign", 0.502), ("binary-2", 0.250), ("binary-3", 0.125), ("binary-4", 0.063)),  # torchao parq
        *(("ternary-optimal", 0.335), ("kmeans-2", 0.250)),
        *(("nf4", 0.092), ("fp4", 0.112), ("mxfp4", 0.120), ("mxfp8", 0.027)),  # bitsandbytes, torchao
    ],
)
def test_published_errors_on_a_linear_layer_as_initialised(name, figure):
    """Uniform weights of 128 x 128; figures measured with the libraries, rounded to a thousandth."""
    weight = (torch.rand(128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1) / math.sqrt(128)
    quantizer = QUANTIZERS[name]
    if name.startswith(("affine", "uniform")):  # the libraries' scales are one a row
        quantizer = type(quantizer)(quantizer.bits, per="row")
    found = float(relative_error(weight, quantizer.quantize(weight)))
    assert found == pytest.approx(figure, abs=4e-3)


@pytest.mark.parametrize("family", [Uniform, Affine, MidRise, Clipped, PowersOfTwo])
def test_rows_and_groups_are_quantized_by_themselves(family):
    weight = normal(2, 5, 22)
    rows, groups = (values(family(3, per=per), weight) for per in ("row", 8))
    for index in np.ndindex(2, 5):
        row = weight[index][None]
        np.testing.assert_allclose(rows[index], values(family(3), row)[0], rtol=1e-6)
        parts = [values(family(3), part)[0] for part in row.split(8, dim=1)]  # 8, 8 and 6 weights
        np.testing.assert_allclose(groups[index], np.concatenate(parts), rtol=1e-6)


def test_affine_and_midrise_by_hand():
    weight = [[-1.0, 0.0, 0.4, 2.0]]
    np.testing.assert_allclose(values(Affine(2), weight), [[-1, 0, 0, 2]])
    np.testing.assert_allclose(values(Affine(2), [[1.0, 2.0, 3.0, 0.9]]), [[1, 2, 3, 1]])
    np.testing.assert_allclose(values(MidRise(2), weight), [[-0.5, 0.5, 0.5, 1.5]])
    np.testing.assert_allclose(values(MidRise(1), weight), [[-1, 1, 1, 1]])


@settings(deadline=None)
@given(SMALL, st.integers(2, 4))
def test_clipping_is_the_best_of_its_grid_and_never_worse_than_none(weight, bits):
    found = error(weight, values(Clipped(bits), weight))
    half, top = 2 ** (bits - 1) - 1, float(np.abs(weight).max())
    tried = []
    for share in np.arange(1, 101) / 100:
        step = share * top / half if top else 1.0
        tried.append(error(weight, np.clip(np.round(weight.astype(np.float64) / step), -half, half) * step))
    assert found <= min(tried) + 1e-5 * top**2
    assert found <= error(weight, values(Uniform(bits), weight)) + 1e-5 * top**2


@settings(deadline=None)
@given(SMALL)
def test_optimal_ternary_by_brute_force(weight):
    size = np.sort(np.abs(weight).ravel())[::-1].astype(np.float64)
    best = min(
        (size[:k] - size[:k].mean()) @ (size[:k] - size[:k].mean()) + size[k:] @ size[k:] for k in range(1, 9)
    )
    assert error(weight, values(TernaryRule("optimal"), weight)) == pytest.approx(best, rel=1e-4, abs=1e-6)


def test_ternary_rules_by_hand():
    weight = [[0.2, -1.0, 0.6, 1.4]]  # mean magnitude 0.8
    np.testing.assert_allclose(values(TernaryRule("absmean"), weight), [[0, -0.8, 0.8, 0.8]])
    np.testing.assert_allclose(values(TernaryRule("twn"), weight), [[0, -1, 1, 1]])


def test_residual_binary_is_greedy_and_begins_as_sign():
    weight = normal(3, 6, 9)
    np.testing.assert_array_equal(values(ResidualBinary(1), weight), values(Sign(), weight))
    for matrix in weight.numpy():
        rest, total = matrix.astype(np.float64), np.zeros_like(matrix, dtype=np.float64)
        for _ in range(3):
            term = np.abs(rest).mean() * np.where(rest >= 0, 1, -1)
            rest, total = rest - term, total + term
        np.testing.assert_allclose(values(ResidualBinary(3), matrix), total, rtol=1e-4, atol=1e-6)


def slow_hqq(matrix: np.ndarray, levels: int, size: int) -> np.ndarray:
    """One matrix in groups, step by step as published."""
    groups, top = matrix.reshape(-1, size), levels - 1
    low, high = groups.min(1, keepdims=True), groups.max(1, keepdims=True)
    unit = top / (high - low)
    zero = -low * unit
    zero = np.round(zero) if levels == 16 else zero
    best = np.inf
    for _ in range(20):
        rounded = np.clip(np.round(groups * unit + zero), 0, top)
        gap = groups - (rounded - zero) / unit
        with np.errstate(divide="ignore"):
            shrunk = np.sign(gap) * np.maximum(np.abs(gap) - np.abs(gap) ** (0.7 - 1) / 10, 0)
        zero = np.mean(rounded - (groups - shrunk) * unit, axis=1, keepdims=True)
        if np.abs(gap).mean() >= best:
            break
        best = np.abs(gap).mean()
    rounded = np.clip(np.round(groups * unit + zero), 0, top)
    return ((rounded - zero) / unit).reshape(matrix.shape)


@pytest.mark.parametrize("levels", [3, 4, 8, 16])
def test_half_quadratic_against_a_slow_reading(levels):
    weight = normal(3, 4, 96)
    found = values(HalfQuadratic(levels, per=32), weight)
    expected = np.stack([slow_hqq(matrix.astype(np.float64), levels, 32) for matrix in weight.numpy()])
    # in float32 a weight may fall to the other side of a threshold: a few of them, never many
    assert np.isclose(found, expected, atol=1e-3).mean() > 0.99


@pytest.mark.parametrize("name", ["nf4", "fp4", "fp8-e4m3", "fp8-e5m2", "mxfp4", "mxfp8"])
def test_formats_round_to_the_nearest_value(name):
    weight = normal(4, 96)
    quantized = FloatFormat(name).quantize(weight)
    levels, scale = np.array(values_of(name)), quantized.scale.numpy()
    size = quantized.block[1]
    spread = np.repeat(scale, size, axis=1)[:, :96] if scale.shape != (1, 1) else scale
    best = np.abs(weight.numpy()[..., None] - spread[..., None] * levels).min(-1)
    np.testing.assert_allclose(np.abs(weight.numpy() - quantized.dequantize().numpy()), best, atol=1e-6)
    if name.startswith("mx"):
        np.testing.assert_array_equal(np.exp2(np.log2(scale).round()), scale)
        assert quantized.side["scale"].dtype == torch.uint8
        stored = quantized.side["scale"].numpy().astype(float)
        np.testing.assert_array_equal(np.exp2(stored - 127), scale)


def test_eight_bit_floats_are_those_of_torch():
    weight = normal(30, 40)
    scale = float(weight.abs().max()) / 448
    expected = (weight / scale).to(torch.float8_e4m3fn).float() * scale
    assert np.isclose(values(FloatFormat("fp8-e4m3"), weight), expected, rtol=1e-5).mean() > 0.999


def test_powers_of_two_by_hand():
    np.testing.assert_allclose(values(PowersOfTwo(3), [[8.0, 5.0, -1.2, 0.9]]), [[8, 4, -2, 0]])
    levels = AdditivePowersOfTwo(4).quantize(normal(3, 3)).levels.numpy()
    sums = {p + q for p in (0, 1 / 2, 1 / 4, 1 / 16) for q in (0, 1 / 8)}
    np.testing.assert_allclose(levels, sorted({s * v / max(sums) for v in sums for s in (-1, 1)}))


@settings(deadline=None)
@given(SMALL, st.integers(1, 2))
def test_kmeans_of_few_weights_is_optimal(weight, bits):
    rising, count = np.sort(weight.ravel()).astype(np.float64), 2**bits
    best = np.inf
    for cuts in itertools.combinations(range(1, 8), count - 1):
        parts = np.split(rising, cuts)
        best = min(best, sum(((part - part.mean()) ** 2).sum() for part in parts))
    assert error(weight, values(KMeans(bits), weight)) == pytest.approx(best, rel=1e-4, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from(["normal", "uniform", "heavy"]))
def test_kmeans_is_never_worse_than_a_clipped_grid(seed, bits, law):
    rng = np.random.default_rng(seed)
    draw = {"normal": rng.normal, "uniform": rng.uniform, "heavy": lambda size: rng.standard_t(2, size)}[law]
    weight = torch.from_numpy(draw(size=(12, 17)).astype(np.float32))
    kmeans, clipped, uniform = (
        float(relative_error(weight, family(bits).quantize(weight))) for family in (KMeans, Clipped, Uniform)
    )
    assert kmeans <= clipped * (1 + 1e-5)
    assert clipped <= uniform * (1 + 1e-5)


def test_quantiles_hold_the_same_number_each():
    weight = normal(3, 16, 16)
    quantized = Quantile(3).quantize(weight)
    assert (torch.stack([torch.bincount(m.flatten().long()) for m in quantized.codes]) == 32).all()
    for matrix, codes, levels in zip(weight, quantized.codes, quantized.levels, strict=True):
        means = [float(matrix[codes == code].mean()) for code in range(8)]
        np.testing.assert_allclose(levels, means, rtol=1e-5)
        assert levels.diff().min() > 0


def test_product_quantization_keeps_few_pieces_and_clusters_many():
    few = normal(3, 8)
    np.testing.assert_allclose(values(ProductQuantizer(4, 16), few), few, rtol=1e-6)
    many = normal(64, 62)  # 62 is no multiple of 4
    found = error(many, values(ProductQuantizer(4, 16), many))
    pieces = torch.nn.functional.pad(many, (0, 2)).reshape(-1, 4).numpy()
    other = SklearnKMeans(16, n_init=1, random_state=0).fit(pieces).inertia_
    assert found == pytest.approx(other, rel=0.05)
    quantized = ProductQuantizer(4, 16).quantize(many)
    assert quantized.codes.shape == (64, 16)
    assert quantized.shape == (64, 62)
    # the nearest vector, piece by piece
    book = quantized.codebook.numpy()
    nearest = ((pieces[:, None] - book) ** 2).sum(-1).argmin(1)
    assert (nearest == quantized.codes.numpy().ravel()).mean() > 0.999


def test_rotation_is_that_of_an_explicit_matrix():
    weight = normal(5, 13)
    quantized = HadamardRotated(4).quantize(weight)
    signs = torch.randint(0, 2, (16,), generator=torch.Generator().manual_seed(0)).numpy() * 2.0 - 1
    rotation = np.diag(signs) @ hadamard(16) / 4
    rotated = np.pad(weight.numpy(), ((0, 0), (0, 3))) @ rotation
    grid = values(Uniform(4), rotated.astype(np.float32))
    np.testing.assert_allclose(quantized.dequantize().numpy(), (grid @ rotation.T)[:, :13], atol=1e-5)


def test_stochastic_rounding_is_right_on_average_and_the_same_for_a_seed():
    weight = normal(6, 7)
    drawn = np.mean([values(Stochastic(3, seed=seed), weight) for seed in range(600)], axis=0)
    step = float(weight.abs().max()) / 3
    np.testing.assert_allclose(drawn, weight, atol=4 * step / 2 / math.sqrt(600))
    assert np.unique([values(Stochastic(3, seed=seed), weight).tobytes() for seed in range(5)]).size == 5


def correlated(n: int = 300, width: int = 24) -> torch.Tensor:
    return normal(n, width, seed=1) @ normal(width, width, seed=2)


def output_error(weight: torch.Tensor, quantized, inputs: torch.Tensor) -> float:
    return float(((quantized.dequantize() - weight) @ inputs.mT).square().sum())


def slow_gptq(weight: np.ndarray, inputs: np.ndarray, bits: int) -> np.ndarray:
    """One matrix, by the inverse of what is left of G after every column (Frantar & Alistarh 2022, eq. 3)."""
    half = 2 ** (bits - 1) - 1
    step = np.abs(weight).max() / half
    moment = inputs.T @ inputs / len(inputs)
    moment += np.eye(len(moment)) * DAMPING * np.diag(moment).mean()
    rest, found = weight.astype(np.float64), np.zeros_like(weight, dtype=np.float64)
    for column in range(weight.shape[1]):
        inverse = np.linalg.inv(moment[column:, column:])
        found[:, column] = np.clip(np.round(rest[:, column] / step), -half, half) * step
        change = (rest[:, column] - found[:, column]) / inverse[0, 0]
        rest[:, column:] -= change[:, None] * inverse[0]
    return found


def test_gptq_against_the_surgeon_column_by_column():
    weight, inputs = normal(2, 10, 24), correlated()
    found = Gptq(4).quantize_layer(weight, Layer(0, 1, inputs.expand(2, -1, -1))).dequantize().numpy()
    for place in range(2):
        expected = slow_gptq(weight[place].numpy(), inputs.double().numpy(), 4)
        assert np.isclose(found[place], expected, atol=1e-4).mean() > 0.97


@pytest.mark.parametrize("family", [Gptq, AdaRound])
def test_calibrated_rounding_is_better_where_inputs_are_correlated(family):
    weight, inputs = normal(2, 10, 24), correlated()
    layer = Layer(0, 1, inputs.expand(2, -1, -1))
    plain = output_error(weight, Uniform(3).quantize(weight), inputs)
    assert output_error(weight, family(3).quantize_layer(weight, layer), inputs) < 0.6 * plain
    independent = Layer(0, 1, (torch.eye(24) * math.sqrt(24)).expand(2, -1, -1))
    same = family(3).quantize_layer(weight, independent).dequantize()
    np.testing.assert_allclose(same, values(Uniform(3), weight), atol=1e-6)


def heads() -> Heads:
    shapes = ((6, 24), (4, 6), (1, 4))
    weights = tuple(normal(2, 3, *shape, seed=place) for place, shape in enumerate(shapes))
    return Heads(weights, tuple(normal(2, 3, shape[0], seed=9) for shape in shapes))


def test_layers_are_calibrated_on_what_quantized_layers_give():
    made, records = heads(), correlated(50)
    found = quantize_heads(made, Gptq(3), records)
    inputs = records
    for place in range(3):
        weight = made.weights[place][1, 2]
        own = Gptq(3).quantize_layer(weight, Layer(place, 3, inputs)).dequantize()
        np.testing.assert_allclose(found.heads.weights[place][1, 2], own, atol=1e-5)
        inputs = torch.relu(inputs @ own.mT + made.biases[place][1, 2])
    with pytest.raises(ValueError, match="needs public calibration records"):
        quantize_heads(made, Gptq(3))


def test_the_last_layer_alone_has_eight_bits():
    found = quantize_heads(heads(), LastAtEight(Sign()))
    assert [layer.alphabet for layer in found.layers] == [2, 2, 255]
    assert found.bits == 1


def test_controls_are_flagged_or_kept_in_float():
    from models.quantizers.contract import check

    assert {finding.check for finding in check(QUANTIZERS["constant"])} == {"degenerate"}
    weight = normal(20, 30)
    pruned = values(QUANTIZERS["pruned-90"], weight)
    assert (pruned == 0).mean() == pytest.approx(0.9, abs=2e-3)
    np.testing.assert_array_equal(pruned[pruned != 0], weight.numpy()[pruned != 0])
    noisy = values(QUANTIZERS["noise-30"], weight)
    assert np.linalg.norm(noisy - weight.numpy()) / np.linalg.norm(weight) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("part", [1 << 18, 100])
@pytest.mark.parametrize("name", ["gptq-3", "adaround-3"])
def test_inputs_that_all_matrices_share_are_those_of_each(name, part, monkeypatch):
    """They are not copied, and their second moment is computed once."""
    monkeypatch.setattr(parts, "PART", part)
    rng = torch.Generator().manual_seed(1)
    weight, shared = torch.randn(2, 3, 5, 8, generator=rng), torch.randn(40, 8, generator=rng)
    shared = shared @ torch.randn(8, 8, generator=rng)
    quantizer = QUANTIZERS[name]
    found = quantize_in_parts(quantizer, weight, Layer(0, 2, shared.expand(2, 3, 40, 8)))
    for place in itertools.product(range(2), range(3)):
        alone = quantizer.quantize_layer(weight[place], Layer(0, 2, shared))
        assert (found.codes[place] != alone.codes).float().mean() <= (0.05 if name == "adaround-3" else 0)
    copied = quantize_in_parts(quantizer, weight, Layer(0, 2, shared.expand(2, 3, 40, 8).contiguous()))
    assert (found.codes != copied.codes).float().mean() <= (0.05 if name == "adaround-3" else 0)


def slow_adaround(rest: torch.Tensor, moment: torch.Tensor, steps: int) -> torch.Tensor:
    """The relaxed problem written down, differentiated and minimised by torch."""
    rest, moment = rest.double(), moment.double()
    share = ((rest + 0.1) / 1.2).clamp(1e-4, 1 - 1e-4)
    value = torch.logit(share).requires_grad_()
    adam = torch.optim.Adam([value], lr=0.05)
    for step in range(1, steps + 1):
        h = (1.2 * torch.sigmoid(value) - 0.1).clamp(0, 1)
        loss = torch.trace((rest - h) @ moment @ (rest - h).T)
        if step > steps // 5:
            power = 20 - 18 * (step - steps // 5) / (steps - steps // 5)
            loss = loss + 0.1 * (1 - (2 * h - 1).abs() ** power).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return (1.2 * torch.sigmoid(value.detach()) - 0.1 >= 0.5).float()


def test_adaround_against_the_problem_minimised_by_torch():
    rest, inputs = torch.rand(3, 10, 24, generator=torch.Generator().manual_seed(2)), correlated()
    moment = inputs.T @ inputs / len(inputs)
    found = _learned(rest, moment, 200)
    assert (found != rest.round()).float().mean() > 0.05  # it is not what it starts from
    for own, expected in zip(found, (slow_adaround(matrix, moment, 200) for matrix in rest), strict=True):
        assert (own == expected).float().mean() > 0.97
