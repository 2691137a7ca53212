"""Racing against the whole evaluation, on losses that are known."""

import numpy as np
import pytest

from benchmark.privacy.gap_moments import GapMoments
from benchmark.privacy.indicator import resolution, run_rate
from benchmark.privacy.racing import raced_rate

RECORDS = 2000


def drawn(seed: int, slope: float, candidates: int = 20) -> np.ndarray:
    """Losses of candidates that come nearer to the best one step by step, as snapshots of a training do."""
    rng = np.random.default_rng(seed)
    distance = np.linspace(1, 0.02, candidates)[:, None] ** 2
    steps = rng.exponential(size=(candidates, RECORDS)) - 1 + slope * rng.uniform(0.5, 1.5, (candidates, 1))
    return rng.exponential(size=RECORDS) + distance * steps


def raced(losses: np.ndarray) -> tuple[object, int]:
    """Race, and count how many losses were asked for."""
    asked = 0

    def some(candidates, block):
        nonlocal asked
        assert (np.diff(candidates) > 0).all()
        asked += len(candidates) * (block.stop - block.start)
        yield losses[candidates, block][:, :500]
        yield losses[candidates, block][:, 500:]

    return raced_rate(some, *losses.shape), asked


def whole(losses: np.ndarray):
    moments = GapMoments(len(losses))
    moments.add(losses)
    return run_rate(moments)


@pytest.mark.parametrize(("slope", "most"), [(0.0, 0.9), (0.05, 0.8), (0.3, 0.5)])
def test_a_race_ends_within_the_resolution_of_the_whole_evaluation(slope, most):
    missed, same, asked = 0, 0, 0
    for seed in range(60):
        losses = drawn(seed, slope)
        found, count = raced(losses)
        full = whole(losses)
        asked += count
        missed += abs(found.rate - full.rate) > resolution(RECORDS)
        same += found.rate == pytest.approx(full.rate, rel=1e-9)
        assert found.corrected == pytest.approx(found.rate - resolution(RECORDS))
        assert (found.candidates, found.records, found.reason) == (20, RECORDS, "")
    assert missed <= 4  # 16 of 300 at worst, at the middle slope
    assert same >= 3
    assert asked < most * 60 * 20 * RECORDS


def test_a_clear_race_is_short_and_ends_with_the_very_reference():
    rng = np.random.default_rng(3)
    losses = rng.normal(size=(12, RECORDS)) * 0.1 + np.arange(12)[::-1, None] * 0.2
    found, asked = raced(losses)
    full = whole(losses)
    assert found.rate == pytest.approx(full.rate, rel=1e-9)
    assert found.reference == full.reference == 11
    assert asked < 0.3 * losses.size


def test_candidates_that_act_alike_and_losses_that_are_not_finite():
    alike = np.tile(np.random.default_rng(0).exponential(size=RECORDS), (5, 1))
    assert raced(alike)[0].reason == "all candidates act alike"
    assert raced(alike)[0].candidates == 5
    broken = drawn(0, 1.0)
    broken[3, 1500] = np.inf
    broken[:, 10] = np.nan
    assert raced(broken)[0].reason == "losses not finite"


def test_few_records_are_evaluated_as_they_are():
    losses = drawn(1, 1.0)[:, :90]
    found, asked = raced(losses)
    assert asked == losses.size
    assert found.rate == pytest.approx(whole(losses).rate, rel=1e-12)


def test_a_race_is_the_same_again():
    losses = drawn(2, 0.1)
    assert raced(losses) == raced(losses)


def test_moments_of_some_candidates_go_on_as_those_of_all():
    losses = drawn(4, 1.0)
    some = np.array([2, 7, 19])
    moments = GapMoments(20)
    moments.add(losses[:, :700])
    kept = moments.keeping(some)
    kept.add(losses[some, 700:])
    alone = GapMoments(3)
    alone.add(losses[some])
    for reference in range(3):
        for ours, theirs in zip(kept.gaps_to(reference), alone.gaps_to(reference), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)
    gaps = losses[some] - losses[some][0]
    c = kept.covariance()
    np.testing.assert_allclose(np.diag(c) - 2 * c[0] + c[0, 0], gaps.var(1, ddof=1), rtol=1e-10, atol=1e-14)
