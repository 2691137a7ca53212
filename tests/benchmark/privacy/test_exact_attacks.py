"""No attack beats the exact Delta, the likelihood ratio attains it, and played games agree."""

import numpy as np
import pytest

from benchmark.privacy.exact import Problem, exact_leak
from benchmark.privacy.exact_attacks import (
    advantage,
    calibrated_loss,
    likelihood_ratio,
    loss_threshold,
    play,
)
from benchmark.privacy.hypotheses import linear_models
from benchmark.privacy.populations import loss_matrix, noisy_labels

POPULATION = noisy_labels(np.array([[1.0, 0.4], [-0.3, 1.2], [0.9, -0.7]]), np.array([1.0, 0.5]), 0.2)
MODELS = linear_models(2)
PROBLEM = Problem.of(
    loss_matrix(MODELS.scores(POPULATION.x), POPULATION.y, "logistic"), POPULATION.probability
)


@pytest.mark.parametrize("n", [1, 6, 15])
def test_likelihood_ratio_attains_delta_and_nothing_beats_it(n):
    leak = exact_leak(PROBLEM, n)
    best, threshold = advantage(likelihood_ratio(leak), leak)
    assert best == pytest.approx(leak.delta, abs=1e-12)
    assert threshold >= 1 - 1e-9
    rng = np.random.default_rng(n)
    scores = [loss_threshold(leak), calibrated_loss(leak), *rng.normal(size=(50, *leak.joint.shape))]
    assert all(0 <= advantage(score, leak)[0] <= leak.delta + 1e-12 for score in scores)


def test_advantage_is_the_best_of_all_thresholds():
    leak = exact_leak(PROBLEM, 8)
    score = loss_threshold(leak)
    product = leak.published[:, None] * PROBLEM.probability
    every = [leak.joint[score >= t].sum() - product[score >= t].sum() for t in np.unique(score) - 1e-9]
    found, threshold = advantage(score, leak)
    assert found == pytest.approx(max(every))
    kept = score >= threshold - 1e-9
    assert leak.joint[kept].sum() - product[kept].sum() == pytest.approx(found)


def test_score_that_says_nothing_gains_nothing():
    leak = exact_leak(PROBLEM, 8)
    assert advantage(np.zeros(leak.joint.shape), leak)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "ties"), [(4, "uniform"), (10, "uniform"), (4, "lowest")])
def test_games_agree_with_the_exact_advantage(n, ties):
    leak = exact_leak(PROBLEM, n, ties)
    for score in (likelihood_ratio(leak), loss_threshold(leak)):
        exact, threshold = advantage(score, leak)
        played = play(PROBLEM, score >= threshold - 1e-9, n, 40_000, ties=ties, seed=1)
        assert abs(played.advantage - exact) < 3.5 * played.error
        assert played.error < 0.006


def test_games_with_ties_and_multiplicities():
    problem = Problem.of(np.array([[0.0, 0.0], [0.0, 1.0]]), [0.5, 0.5], [1, 3])
    leak = exact_leak(problem, 2)
    exact, threshold = advantage(likelihood_ratio(leak), leak)
    played = play(problem, likelihood_ratio(leak) >= threshold - 1e-9, 2, 40_000)
    assert exact == pytest.approx(leak.delta) == pytest.approx(0.75 * 0.5**2)
    assert abs(played.advantage - exact) < 3.5 * played.error
