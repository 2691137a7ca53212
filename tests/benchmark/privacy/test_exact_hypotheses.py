"""Enumerated models against networks written out one weight at a time; populations against their moments."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from benchmark.privacy.hypotheses import LIMIT, grid, linear_models, two_layer_models
from benchmark.privacy.populations import (
    DiscretePopulation,
    GaussianModes,
    LinearGaussian,
    loss_matrix,
    noisy_labels,
    noisy_targets,
)
from molecules.errors import MolmisError

POINTS = np.vstack([np.random.default_rng(0).normal(size=(12, 2)), [[0, 0], [1, -1], [0, 2]]])


def written_out(levels, hidden, activation, bias):
    """Scores of every setting of the weights of a two-layer net on POINTS, one at a time."""
    # rounding: a sum of thirds that is 0 must be seen as 0 by sign
    act = {"relu": lambda u: max(u, 0.0), "sign": lambda u: np.sign(round(u, 12))}[activation]
    units = list(product(levels, repeat=4 if bias else 3))  # w1, w2, (b,) v
    for net in product(units, repeat=hidden):
        yield [sum(u[-1] * act(u[0] * a + u[1] * b + (u[2] if bias else 0)) for u in net) for a, b in POINTS]


def counted(rows, weights):
    found = Counter()
    for row, weight in zip(rows, weights, strict=True):
        found[tuple(np.round(row, 6) + 0.0)] += int(weight)
    return found


@pytest.mark.parametrize(
    ("bits", "hidden", "activation", "bias"),
    [
        (2, 2, "relu", False),
        (2, 2, "sign", False),
        (3, 1, "relu", True),
        (3, 1, "sign", True),
        (1, 2, "relu", True),
    ],
)
def test_two_layer_set_is_every_network_and_counts_each(bits, hidden, activation, bias):
    found = two_layer_models(2, hidden, activation, bits, bias=bias)
    levels = grid(bits) / grid(bits).max()
    raw = list(written_out(levels, hidden, activation, bias))
    assert counted(raw, np.ones(len(raw))) == counted(found.scores(POINTS), found.multiplicity)
    assert len(found) < len(raw)


def test_scale_multiplies_scores():
    one, three = (two_layer_models(2, 1, "relu", scale=scale).scores(POINTS) for scale in (1.0, 3.0))
    np.testing.assert_allclose(three, 3 * one)


def test_linear_set_is_every_linear_map():
    found = linear_models(2, 3, bias=True)
    levels = [-1, -2 / 3, -1 / 3, 0, 1 / 3, 2 / 3, 1]
    raw = [[a * p + b * q + c for p, q in POINTS] for a, b, c in product(levels, repeat=3)]
    np.testing.assert_allclose(found.scores(POINTS), raw, atol=1e-12)
    assert found.multiplicity.sum() == len(found) == 343
    assert grid(1).tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: linear_models(11, 2), f"177,147 models; at most {LIMIT:,}"),
        (lambda: two_layer_models(5, 3, "relu"), "387,420,489 models"),
        (lambda: linear_models(60, 8), r"10\^144 models"),
        (lambda: linear_models(2, 0), "bits must be from 1 to 8"),
        (lambda: two_layer_models(2, 1, "tanh"), "relu or sign, got 'tanh'"),
        (lambda: DiscretePopulation(np.ones((2, 1)), np.ones(2), np.array([0.5, 0.6])), "sum to 1"),
        (lambda: DiscretePopulation(np.ones((2, 1)), np.ones(3), np.array([0.5, 0.5])), r"\[2, 3, 2\]"),
        (lambda: noisy_labels(np.ones((2, 1)), np.ones(1), 0.0), "flip must lie between"),
        (lambda: loss_matrix(np.ones((1, 1)), np.ones(1), "hinge"), "got 'hinge'"),
    ],
)
def test_mistakes_are_told_in_one_line(make, message):
    with pytest.raises(MolmisError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_losses_by_hand():
    scores, y = np.array([[0.5, -2.0, 0.0]]), np.array([1.0, 1.0, -1.0])
    np.testing.assert_allclose(
        loss_matrix(scores, y, "logistic"), [[np.log(1 + np.exp(-s)) for s in (0.5, -2.0, 0.0)]]
    )
    np.testing.assert_allclose(loss_matrix(scores, y, "squared"), [[0.25, 9.0, 1.0]])
    np.testing.assert_allclose(loss_matrix(scores, y, "zero-one"), [[0.0, 1.0, 0.5]])


def test_draws_have_the_moments_of_their_population():
    rng, size = np.random.default_rng(3), 40_000
    x = np.array([[1.0], [-2.0]])
    labelled = noisy_labels(x, np.array([1.0]), 0.25)
    drawn_x, drawn_y = labelled.draw(rng, size)
    assert np.mean(np.sign(drawn_x[:, 0]) != drawn_y) == pytest.approx(0.25, abs=0.01)
    assert noisy_targets(x, np.array([3.0]), 0.5).y.tolist() == [3.5, -5.5, 2.5, -6.5]
    modes = GaussianModes(np.array([[2.0, 0.0], [-2.0, 0.0]]), np.array([1.0, -1.0]), 0.5)
    mode_x, mode_y = modes.draw(rng, size)
    np.testing.assert_allclose((mode_x * mode_y[:, None]).mean(0), [2.0, 0.0], atol=0.02)
    assert mode_x[mode_y > 0].std(0) == pytest.approx([0.5, 0.5], abs=0.01)
    reg_x, reg_y = LinearGaussian(np.array([1.0, -1.0]), 0.3).draw(rng, size)
    assert (reg_y - reg_x @ [1.0, -1.0]).std() == pytest.approx(0.3, abs=0.01)
