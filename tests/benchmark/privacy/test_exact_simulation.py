"""The simulated Delta against the exact one: the interval covers, and the two estimates bracket the truth."""

import numpy as np
import pytest

from benchmark.privacy.exact import Problem, exact_leak
from benchmark.privacy.exact_simulation import simulate_leak, simulate_leak_of
from benchmark.privacy.hypotheses import linear_models, two_layer_models
from benchmark.privacy.populations import DiscretePopulation, LinearGaussian, loss_matrix, noisy_labels
from molecules.errors import MolmisError

X = np.array([[1.0, 0.4], [-0.3, 1.2], [0.9, -0.7]])
POPULATION = noisy_labels(X, np.array([1.0, 0.5]), 0.2)


def problem_of(models, loss="logistic"):
    losses = loss_matrix(models.scores(POPULATION.x), POPULATION.y, loss)
    return Problem.of(losses, POPULATION.probability, models.multiplicity)


@pytest.mark.parametrize(
    ("models", "loss", "n", "ties"),
    [
        (linear_models(2), "logistic", 9, "uniform"),
        (linear_models(2, 3), "logistic", 6, "uniform"),
        (linear_models(2), "zero-one", 7, "uniform"),
        (linear_models(2), "zero-one", 7, "lowest"),
        (two_layer_models(2, 1, "relu", bias=True), "logistic", 6, "uniform"),
    ],
    ids=["linear", "3 bits", "ties by coin", "ties by order", "two layers"],
)
def test_interval_covers_and_the_two_estimates_bracket(models, loss, n, ties):
    problem = problem_of(models, loss)
    truth = exact_leak(problem, n, ties).delta
    found = [simulate_leak(problem, n, 400, ties=ties, seed=seed) for seed in range(40)]
    assert sum(each.low <= truth <= each.high for each in found) >= 35  # of 40; 38 expected or more
    plug, cross = ([getattr(each, name) for each in found] for name in ("plug_in", "cross_fitted"))
    error = np.std(plug, ddof=1) / np.sqrt(40)
    assert np.mean(plug) > truth - 3 * error
    assert np.mean(cross) < truth + 3 * error
    assert all(each.cross_fitted - 1e-12 <= each.delta <= each.plug_in + 1e-12 for each in found)


def test_plug_in_is_biased_upward_where_draws_are_few():
    problem = problem_of(linear_models(2, 3))
    truth = exact_leak(problem, 6).delta
    found = [simulate_leak(problem, 6, 60, seed=seed) for seed in range(60)]
    plug = np.array([each.plug_in for each in found])
    assert plug.mean() - truth > 5 * plug.std(ddof=1) / np.sqrt(60)
    delta = np.array([each.delta for each in found])
    assert abs(delta.mean() - truth) < plug.mean() - truth  # the jackknife is nearer
    assert sum(each.low <= truth <= each.high for each in found) >= 54


def test_many_draws_reach_the_exact_figures():
    problem = problem_of(linear_models(2, bias=True))
    exact = exact_leak(problem, 12)
    found = simulate_leak(problem, 12, 40_000)
    assert found.delta == pytest.approx(exact.delta, rel=0.03)
    assert found.missed == pytest.approx(exact.missed, rel=0.03)
    assert found.high - found.low < 0.06 * exact.delta


def test_sampled_panel_agrees_with_the_exact_figure():
    # a discrete population treated as one that can only be sampled
    models = linear_models(2)
    truth = exact_leak(problem_of(models), 9).delta
    population = DiscretePopulation(POPULATION.x, POPULATION.y, POPULATION.probability)
    found = [
        simulate_leak_of(population, models, "logistic", 9, 1_000, panel=150, seed=seed) for seed in range(20)
    ]
    assert sum(each.low <= truth <= each.high for each in found) >= 17
    assert np.mean([each.delta for each in found]) == pytest.approx(truth, rel=0.05)


def test_continuous_population_of_one_record_closed_form():
    # n = 1: theta_hat is a function of z_1, so Delta = 1 - sum over k of Pr(theta_hat = k)^2
    population, models = LinearGaussian(np.array([1.0]), 0.5), linear_models(1)
    x, y = population.draw(np.random.default_rng(5), 200_000)
    published = np.bincount(loss_matrix(models.scores(x), y, "squared").argmin(0), minlength=3) / 200_000
    found = simulate_leak_of(population, models, "squared", 1, 20, panel=2_000)
    assert found.low <= 1 - (published**2).sum() <= found.high
    assert found.high - found.low < 0.1


def test_same_seed_same_figures_and_mistakes_are_told():
    problem = problem_of(linear_models(2))
    assert simulate_leak(problem, 5, 100, seed=3) == simulate_leak(problem, 5, 100, seed=3)
    assert simulate_leak(problem, 5, 100, seed=3) != simulate_leak(problem, 5, 100, seed=4)
    with pytest.raises(MolmisError, match="a draw for each"):
        simulate_leak(problem, 5, 10)
    with pytest.raises(MolmisError, match="n = 0"):
        simulate_leak(problem, 0, 100)
