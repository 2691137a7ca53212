"""The Cramer rate against closed forms, and its properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.privacy.cramer import cramer_rate, rates


@pytest.mark.parametrize(("delta", "sigma"), [(0.1, 1.0), (1.0, 1.0), (0.3, 0.05), (2.0, 5.0)])
def test_gaussian_gap_gives_delta_squared_over_two_sigma_squared(delta, sigma):
    nodes, weights = np.polynomial.hermite_e.hermegauss(180)  # exact expectations of a Gaussian to rounding
    keep = weights > 1e-300
    found = cramer_rate(delta + sigma * nodes[keep], weights[keep] / weights[keep].sum())
    if delta / sigma < 4:  # beyond, the tilted law lies outside of the nodes
        assert found.value == pytest.approx(delta**2 / (2 * sigma**2), rel=1e-8)
        assert found.tilt == pytest.approx(delta / sigma**2, rel=1e-6)
    else:
        assert found.value == pytest.approx(delta**2 / (2 * sigma**2), rel=0.02)


@pytest.mark.parametrize("p", [0.55, 0.7, 0.99])
def test_gap_of_plus_or_minus_one(p):
    found = cramer_rate([-1.0, 1.0], [1 - p, p])
    assert found.value == pytest.approx(-np.log(2 * np.sqrt(p * (1 - p))), rel=1e-10)
    assert found.tilt == pytest.approx(0.5 * np.log(p / (1 - p)), rel=1e-8)


@pytest.mark.parametrize(("up", "down"), [(0.3, 0.2), (0.5, 0.01), (0.02, 0.01)])
def test_three_point_gap(up, down):
    found = cramer_rate([-1.0, 0.0, 1.0], [down, 1 - up - down, up])
    assert found.value == pytest.approx(-np.log(1 - (np.sqrt(up) - np.sqrt(down)) ** 2), rel=1e-9)


def test_edges_never_worse_never_equal_never_better():
    assert cramer_rate([0.0, 1.0], [0.3, 0.7]).value == pytest.approx(-np.log(0.3))
    assert cramer_rate([0.0, 1.0], [0.3, 0.7]).tilt == np.inf
    assert cramer_rate([0.5, 1.0]).value == np.inf
    assert cramer_rate([-1.0, 1.0]).value == 0.0
    assert cramer_rate([-2.0, 1.0]).value == 0.0


# gaps as small as the tolerance count as none, so they are not drawn
values = arrays(float, 5, elements=st.floats(-3, 3, width=32).map(lambda x: round(x, 5)))


@given(values, st.floats(0.1, 10), st.floats(0, 2))
def test_never_negative_free_of_scale_and_growing_with_the_gap(xi, factor, lift):
    rate = cramer_rate(xi)
    assert rate.value >= 0
    if np.abs(xi[xi != 0]).min(initial=1.0) > 1e-6:
        assert cramer_rate(factor * xi).value == pytest.approx(rate.value, rel=1e-6, abs=1e-9)
    assert cramer_rate(xi + lift).value >= rate.value - 1e-9


@given(values)
def test_no_t_does_better_than_the_minimising_one(xi):
    rate = cramer_rate(xi)
    for t in np.geomspace(1e-3, 20, 40):
        assert -np.log(np.mean(np.exp(-t * xi))) <= rate.value + 1e-9


def test_standard_error_is_that_of_repeated_samples():
    rng = np.random.default_rng(2)
    found = [cramer_rate(rng.normal(0.5, 1.0, 2_000)) for _ in range(300)]
    spread = np.std([rate.value for rate in found], ddof=1)
    assert np.mean([rate.error for rate in found]) == pytest.approx(spread, rel=0.15)
    assert np.mean([rate.value for rate in found]) == pytest.approx(0.125, abs=0.002)


def random_losses(seed):
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, 1.0, (40, 6)), rng.dirichlet(np.ones(6))


@pytest.mark.parametrize("seed", range(5))
def test_smallest_rate_is_that_of_a_search_over_all(seed):
    losses, share = random_losses(seed)
    found = rates(losses, share)
    gaps = losses - losses[found.reference]
    every = [cramer_rate(gap, share).value for k, gap in enumerate(gaps) if k != found.reference]
    assert found.reference == (losses @ share).argmin()
    assert found.cramer == pytest.approx(min(every), rel=1e-9)
    variance = gaps**2 @ share - (gaps @ share) ** 2
    rivals = np.arange(40) != found.reference
    assert found.gaussian == pytest.approx(np.min((gaps @ share)[rivals] ** 2 / (2 * variance[rivals])))
    assert found.minimisers == 1


def test_rules_for_ties_and_several_minimisers():
    reference, worse = [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0]  # ``worse`` is never better
    share = np.full(4, 0.25)
    assert rates([reference, worse], share).cramer == pytest.approx(np.log(2))
    assert rates([reference, worse], share, ties="lowest").cramer == np.inf
    assert rates([worse, reference], share, ties="lowest").cramer == pytest.approx(np.log(2))
    other = [0.0, 2.0, 1.0, 1.0]
    assert rates([reference, other, worse], share).minimisers == 2
    assert rates([reference, reference, worse], share).minimisers == 1


def test_gaussian_error_is_that_of_repeated_samples():
    rng = np.random.default_rng(7)
    found = [rates(np.stack([np.zeros(3_000), rng.normal(0.3, 1.0, 3_000)])) for _ in range(300)]
    spread = np.std([each.gaussian for each in found], ddof=1)
    assert np.mean([each.gaussian_error for each in found]) == pytest.approx(spread, rel=0.15)
