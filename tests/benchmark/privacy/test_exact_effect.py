"""The exact membership effect against a plain sum over all samples, and against simulated runs."""

import itertools

import numpy as np
import pytest

from benchmark.privacy.exact import Problem, exact_leak
from benchmark.privacy.exact_effect import exact_effect
from benchmark.privacy.membership_effect import leak_of_effect
from tasks.task import Kind

#: Margins of three models on four records, and what is lost by them.
MARGINS = np.array([[2.03, -1.07, 0.52, 1.51], [-0.48, 1.09, 1.97, -2.11], [1.01, 0.33, -0.71, 0.24]])
SHARE = np.array([0.4, 0.3, 0.2, 0.1])


def problem(kind: Kind) -> Problem:
    losses = MARGINS**2 if kind is Kind.REGRESSION else np.logaddexp(0, -MARGINS)
    return Problem.of(losses, SHARE)


def by_hand(kind: Kind, n: int) -> tuple[float, float]:
    """Sum over all samples of n records; the first record is the member."""
    losses = problem(kind).losses
    law = np.zeros((4, 3))  # of the published model, given the first record
    for sample in itertools.product(range(4), repeat=n):
        chosen = int(np.argmin(losses[:, list(sample)].sum(1)))
        law[sample[0], chosen] += SHARE[list(sample)].prod()
    law /= SHARE[:, None]
    fresh = SHARE @ law
    shifts, variances, gap = [], [], 0.0
    for record in range(4):
        margin = MARGINS[:, record]
        inside, outside = law[record] @ margin, fresh @ margin
        sign = 1 if kind is Kind.CLASSIFICATION else -np.sign(outside)
        shifts.append(sign * (inside - outside))
        pairs = ((law[record], inside), (fresh, outside))
        variances.append(np.mean([weights @ (margin - mean) ** 2 for weights, mean in pairs]))
        gap += SHARE[record] * (fresh - law[record]) @ losses[:, record]
    return float(SHARE @ shifts / np.sqrt(SHARE @ variances)), float(gap)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("n", [1, 2, 5])
def test_against_the_sum_over_all_samples(kind, n):
    found = exact_effect(kind, exact_leak(problem(kind), n), MARGINS)
    effect, gap = by_hand(kind, n)
    assert found.effect == pytest.approx(effect, rel=1e-9)
    assert found.gap == pytest.approx(gap, rel=1e-9)
    assert found.leak == pytest.approx(float(leak_of_effect(effect)))
    assert found.effect > 0


def test_against_simulated_runs():
    rng = np.random.default_rng(0)
    losses, n = problem(Kind.CLASSIFICATION).losses, 6
    drawn = rng.choice(4, (20_000, n), p=SHARE)
    published = MARGINS[losses[:, drawn].sum(2).argmin(0)]  # of every support point, under every run
    first = drawn[:, 0][:, None] == np.arange(4)
    shifts = [published[first[:, s], s].mean() - published[:, s].mean() for s in range(4)]
    inside = np.array([published[first[:, s], s].var() for s in range(4)])
    simulated = SHARE @ shifts / np.sqrt(SHARE @ (inside + published.var(0)) / 2)
    found = exact_effect(Kind.CLASSIFICATION, exact_leak(problem(Kind.CLASSIFICATION), n), MARGINS)
    assert found.effect == pytest.approx(simulated, abs=0.03)


def test_a_model_that_never_varies_has_no_effect():
    one = Problem.of(np.array([[0.1, 0.2], [5.0, 5.0]]), np.array([0.5, 0.5]))
    found = exact_effect(Kind.CLASSIFICATION, exact_leak(one, 3), np.array([[2.0, 1.0], [-5.0, -5.0]]))
    assert np.isnan(found.effect)
    assert found.gap == 0
