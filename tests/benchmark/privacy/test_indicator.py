"""The indicator against closed forms: Gaussian losses with known delta and sigma, and exact expectations."""

import numpy as np
import pytest
from scipy import integrate, stats

from benchmark.privacy.gap_moments import GapMoments
from benchmark.privacy.indicator import gaussian_rate, resolution, run_rate

DELTA, SIGMA = 0.1, 1.0
TRUE_RATE = DELTA**2 / (2 * SIGMA**2)


def rates(records: int, repeats: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rates of two candidates whose loss gap is N(DELTA, SIGMA^2), plain and corrected."""
    rng = np.random.default_rng(seed)
    plain, corrected = [], []
    for _ in range(repeats):
        reference = rng.gamma(2.0, 1.0, records)
        moments = GapMoments(2)
        for block in np.array_split(np.arange(records), 3):
            gap = rng.normal(DELTA, SIGMA, len(block))
            moments.add(np.stack([reference[block], reference[block] + gap]))
        found = run_rate(moments)
        plain.append(found.rate)
        corrected.append(found.corrected)
    return np.array(plain), np.array(corrected)


@pytest.mark.parametrize(("records", "repeats"), [(500, 800), (2_000, 400), (10_000, 150), (50_000, 60)])
def test_within_three_standard_errors_of_the_closed_form(records, repeats):
    plain, corrected = rates(records, repeats)
    error = plain.std(ddof=1) / np.sqrt(repeats)
    # the exact mean, of a noncentral F with 1 and m - 1 degrees: the sample variance adds (m-1)/(m-3)
    exact_plain = (records - 1) / (records - 3) * (TRUE_RATE + resolution(records))
    assert abs(plain.mean() - exact_plain) < 3 * error
    assert abs(plain.mean() - (TRUE_RATE + resolution(records))) < 3 * error
    assert abs(corrected.mean() - TRUE_RATE) < 3 * error


def test_floor_correction_matters_where_the_floor_is_large():
    # with m = 500 the uncorrected estimate is off by a fifth, far beyond its error: the test above can fail
    plain, _ = rates(500, 800)
    assert (plain.mean() - TRUE_RATE) > 5 * plain.std(ddof=1) / np.sqrt(len(plain))


@pytest.mark.parametrize("candidates", [5, 20])
@pytest.mark.parametrize(
    ("records", "delta", "repeats"), [(500, 0.3, 300), (5_000, 0.1, 100), (50_000, 0.03, 30)]
)
def test_minimum_over_many_candidates_against_its_exact_expectation(records, delta, repeats, candidates):
    # independent gaps of equal rate: m delta_hat^2 / sigma^2 is noncentral chi-squared with 1 degree of
    # freedom, and the mean of the least of C - 1 of them is the integral of S(x)^(C - 1)
    rng = np.random.default_rng(candidates)
    plain, corrected = [], []
    for _ in range(repeats):
        moments = GapMoments(candidates)
        for block in np.array_split(np.arange(records), max(1, records // 5000)):
            losses = rng.normal(delta, SIGMA, (candidates, len(block)))
            losses[0] = 0.0
            moments.add(losses)
        found = run_rate(moments)
        plain.append(found.rate)
        corrected.append(found.corrected)
    noncentral = stats.ncx2(1, records * delta**2 / SIGMA**2)
    end = noncentral.ppf(1 - 1e-12)
    least = integrate.quad(lambda x: noncentral.sf(x) ** (candidates - 1), 0, end, limit=200)[0]
    expected = least / (2 * records)
    error = np.std(plain, ddof=1) / np.sqrt(repeats)
    # the variance is estimated from m records: its inverse is too large by 2/m or so
    assert abs(np.mean(plain) - expected) < 3 * error + 3 * expected / records
    # subtracting the whole floor is too much for a minimum over several: the corrected rate is too low
    bias = np.mean(corrected) - delta**2 / (2 * SIGMA**2)
    assert bias < -5 * error
    assert np.mean(corrected) == pytest.approx(expected - resolution(records), abs=4 * error)


def test_minimum_over_candidates_is_brute_force():
    rng = np.random.default_rng(5)
    losses = rng.gamma(1.0, 1.0, (6, 300)) + np.linspace(0, 1, 6)[:, None]
    moments = GapMoments(6)
    moments.add(losses)
    reference = losses.mean(1).argmin()
    gaps = [losses[k] - losses[reference] for k in range(6) if k != reference]
    expected = min(gap.mean() ** 2 / (2 * gap.var(ddof=1)) for gap in gaps)
    found = run_rate(moments)
    assert found.reference == reference
    assert found.rate == pytest.approx(expected, rel=1e-10)
    assert found.corrected == pytest.approx(expected - 1 / 600, rel=1e-10)


def test_one_candidate_has_no_rate_and_says_so():
    moments = GapMoments(1)
    moments.add(np.ones((1, 10)))
    found = run_rate(moments)
    assert np.isnan(found.rate)
    assert found.reason == "one candidate only"


def test_candidates_that_act_alike_have_no_rate():
    moments = GapMoments(3)
    moments.add(np.tile(np.random.default_rng(0).random(20), (3, 1)))
    assert run_rate(moments).reason == "all candidates act alike"


def test_gaussian_rate_of_a_gap_without_variance():
    np.testing.assert_array_equal(
        gaussian_rate([0.0, 1.0], [0.0, 0.0], 10, floor_corrected=False), [np.nan, np.inf]
    )


def test_gaps_without_variance_have_no_rate():
    moments = GapMoments(2)
    moments.add(np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]))
    assert run_rate(moments).reason == "every gap is the same for all records"
