"""The exact leak against every sequence of records written out, and against closed forms."""

from contextlib import contextmanager
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from benchmark.privacy.cramer import rates
from benchmark.privacy.exact import MAX_COUNTS, Problem, count_vectors, exact_leak
from benchmark.privacy.exact import _compositions as compositions
from benchmark.privacy.hypotheses import linear_models, two_layer_models
from benchmark.privacy.populations import loss_matrix, noisy_labels
from molecules.errors import MolmisError

X = np.array([[1.0, 0.4], [-0.3, 1.2]])


class Counting:
    """Counts the steps of one stage."""

    @contextmanager
    def stage(self, name, total):
        self.name, self.total, self.done = name, total, 0

        def advance(steps):
            self.done += steps

        yield advance


def written_out(losses, share, weight, n, ties):
    """Delta by summing over all S^n sequences of records, with the definition taken at its word."""
    hypotheses, support = losses.shape
    given = np.zeros((hypotheses, support))  # Pr(k | z_1 = s)
    for sequence in product(range(support), repeat=n):
        total = losses[:, sequence].sum(1)
        tied = np.flatnonzero(total <= total.min() + 1e-9)
        chance = np.prod(share[list(sequence[1:])])
        if ties == "lowest":
            given[tied[0], sequence[0]] += chance
        else:
            given[tied, sequence[0]] += chance * weight[tied] / weight[tied].sum()
    published = given @ share
    return 0.5 * sum(
        share[s] * abs(given[k, s] - published[k]) for k in range(hypotheses) for s in range(support)
    )


@pytest.mark.parametrize("ties", ["uniform", "lowest"])
@pytest.mark.parametrize("loss", ["logistic", "zero-one"])  # zero-one: nearly every sum is tied
@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_sequence_written_out(ties, loss, n):
    population = noisy_labels(X, np.array([1.0, 0.5]), 0.2)
    found = linear_models(2)
    losses = loss_matrix(found.scores(population.x), population.y, loss)
    leak = exact_leak(Problem.of(losses, population.probability), n, ties)
    expected = written_out(losses, population.probability, np.ones(len(losses)), n, ties)
    assert leak.delta == pytest.approx(expected, abs=1e-12)
    assert leak.mis == pytest.approx(1 - expected, abs=1e-12)
    assert leak.joint.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(leak.joint.sum(0), population.probability)


def test_merging_hypotheses_changes_nothing():
    population = noisy_labels(X, np.array([1.0, 0.5]), 0.2)
    merged = two_layer_models(2, 1, "relu")
    losses = loss_matrix(merged.scores(population.x), population.y, "logistic")
    leak = exact_leak(Problem.of(losses, population.probability, merged.multiplicity), 4)
    raw = np.repeat(losses, merged.multiplicity, axis=0)  # every setting of the weights on its own
    assert len(raw) == 27 > len(losses)
    assert leak.delta == pytest.approx(
        written_out(raw, population.probability, np.ones(27), 4, "uniform"), abs=1e-12
    )
    assert leak.delta != pytest.approx(  # the multiplicities matter: an equal share for each would be wrong
        written_out(losses, population.probability, np.ones(len(losses)), 4, "uniform"), abs=1e-4
    )


def test_records_that_shift_all_losses_alike_are_grouped():
    rng = np.random.default_rng(1)
    losses = rng.random((4, 3))
    losses = np.column_stack([losses, losses[:, 0] + 5.0])
    problem = Problem.of(losses, np.array([0.1, 0.3, 0.4, 0.2]))
    assert len(problem.grouped()[1]) == 3
    leak = exact_leak(problem, 5)
    assert leak.delta == pytest.approx(
        written_out(losses, problem.probability, np.ones(4), 5, "uniform"), abs=1e-12
    )


@pytest.mark.parametrize("n", [1, 4, 7, 30, 101])
def test_two_constant_models_closed_form(n):
    # losses differ by +1 or -1: theta_2 wins if fewer than half of n Bernoulli(p) records favour theta_1
    p = 0.7
    leak = exact_leak(Problem.of([[0.0, 1.0], [1.0, 0.0]], [p, 1 - p]), n)

    def wins(favour, others):  # Pr(theta_1 | favour of z_1), a tie counting one half
        return 0.5 * sum(binom.sf(n / 2 - favour - shift, others, p) for shift in (1e-6, -1e-6))

    given = np.array([wins(1, n - 1), wins(0, n - 1)])
    mean = given @ [p, 1 - p]
    assert leak.delta == pytest.approx(p * abs(given[0] - mean) + (1 - p) * abs(given[1] - mean), rel=1e-9)
    assert leak.missed == pytest.approx(1 - mean, rel=1e-9)


def test_tiny_delta_does_not_drown_in_rounding():
    leak = exact_leak(Problem.of([[0.0, 1.0], [1.0, 0.0]], [0.97, 0.03]), 61)
    assert 0 < leak.delta < 1e-20
    # records of theta_2's kind are needed: Delta / Pr(miss) -> E|exp(-t xi) / E exp(-t xi) - 1|
    tilt = 0.5 * np.log(0.97 / 0.03)
    weight = np.exp(-tilt * np.array([1.0, -1.0]))
    share = np.array([0.97, 0.03])
    limit = share @ np.abs(weight / (share @ weight) - 1)
    assert leak.delta / leak.missed == pytest.approx(limit, rel=0.03)


def test_exponent_is_the_cramer_rate():
    share = np.array([0.7, 0.3])
    losses = np.array([[0.0, 1.0], [1.0, 0.0]])
    deltas = {n: exact_leak(Problem.of(losses, share), n).delta for n in (201, 401)}
    slope = np.log(deltas[201] / deltas[401]) / 200
    prefactor = 0.5 * np.log(401 / 201) / 200
    assert slope - prefactor == pytest.approx(rates(losses, share).cramer, rel=5e-3)


def test_several_minimisers_fall_as_one_over_the_square_root():
    n = 400
    leak = exact_leak(Problem.of([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5]), n)
    # E|xi| / (sigma sqrt(2 pi n)), with xi = -1 or 1
    assert leak.delta == pytest.approx(1 / np.sqrt(2 * np.pi * n), rel=5e-3)


def test_models_that_act_alike_leak_nothing():
    assert exact_leak(Problem.of(np.ones((3, 2)), [0.5, 0.5]), 6).delta == 0.0


def test_ties_can_be_all_that_leaks():
    losses = np.array([[0.0, 0.0], [0.0, 1.0]])  # theta_2 is never better: it wins by the coin only
    problem = Problem.of(losses, [0.8, 0.2])
    for n in (1, 5):
        # theta_2 has a half if no z is the second record, else nothing
        expected = 0.5 * 0.8**n * 2 * 0.2
        assert exact_leak(problem, n).delta == pytest.approx(expected)
        assert exact_leak(problem, n, "lowest").delta == 0.0


def test_compositions_are_all_and_each_once():
    blocks = list(compositions(6, 4, 10))
    assert max(map(len, blocks)) <= 10
    rows = np.vstack(blocks).astype(int)
    expected = {c for c in product(range(7), repeat=4) if sum(c) == 6}
    assert len(rows) == len(expected) == count_vectors(6, 4)
    assert set(map(tuple, rows.tolist())) == expected


def test_limits_are_told_and_progress_is_complete():
    problem = Problem.of(np.random.default_rng(0).random((3, 8)), np.full(8, 1 / 8))
    with pytest.raises(MolmisError, match=f"at most {MAX_COUNTS:,}"):
        exact_leak(problem, 60)
    with pytest.raises(MolmisError, match="n must be at least 1"):
        exact_leak(problem, 0)
    listener = Counting()
    exact_leak(problem, 5, progress=listener)
    assert (listener.name, listener.done) == ("count vectors, n = 5", listener.total)
