import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.privacy.gap_moments import GapMoments


def moments_of(losses: np.ndarray, blocks: int) -> GapMoments:
    moments = GapMoments(len(losses))
    for block in np.array_split(losses, blocks, axis=1):
        moments.add(block)
    return moments


@given(
    seed=st.integers(0, 10_000),
    candidates=st.integers(2, 7),
    records=st.integers(2, 90),
    blocks=st.integers(1, 9),
)
def test_equals_numpy_on_all_records_at_once(seed, candidates, records, blocks):
    losses = np.random.default_rng(seed).gamma(0.5, 2.0, (candidates, records))
    moments = moments_of(losses, blocks)
    assert moments.records == records
    np.testing.assert_allclose(moments.mean_losses(), losses.mean(1), rtol=1e-12)
    for reference in range(candidates):
        delta, variance = moments.gaps_to(reference)
        gaps = losses - losses[reference]
        np.testing.assert_allclose(delta, gaps.mean(1), atol=1e-12)
        np.testing.assert_allclose(variance, gaps.var(1, ddof=1), atol=1e-10)


def test_best_is_the_smallest_mean_loss():
    losses = np.random.default_rng(3).random((5, 40))
    assert moments_of(losses, 3).best() == losses.mean(1).argmin()


def test_tiny_gaps_on_large_losses_keep_their_digits():
    # gaps of 1e-6 on losses of 1e3: squares of the losses themselves would leave no digit of the variance
    rng = np.random.default_rng(0)
    base, gap = 1e3 + rng.normal(size=5000), 1e-6 * rng.normal(0.5, 1.0, 5000)
    losses = np.stack([base, base + gap, base + 2 * gap])
    delta, variance = moments_of(losses, 7).gaps_to(0)
    exact = losses - losses[0]
    np.testing.assert_allclose(delta, exact.mean(1), rtol=1e-9)
    np.testing.assert_allclose(variance, exact.var(1, ddof=1), rtol=1e-9)


@pytest.mark.parametrize("huge", [[0], [0, 1, 2, 3, 4, 5], [7]], ids=["first", "most", "last"])
@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_candidates_of_huge_loss_do_not_cost_the_others_their_digits(huge, size):
    # an early snapshot whose losses are huge, or most of them: the gaps near the best are what r is made of
    losses = np.random.default_rng(1).gamma(1.0, 1.0, (8, 2000))
    losses[huge] *= size
    moments = moments_of(losses, 3)
    delta, variance = moments.gaps_to(moments.best())
    gaps = losses - losses[losses.mean(1).argmin()]
    np.testing.assert_allclose(delta, gaps.mean(1), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(variance, gaps.var(1, ddof=1), rtol=1e-9)


def test_a_mean_far_from_zero_costs_no_digits():
    gap = np.random.default_rng(2).normal(0.0, 1e-3, 4000)
    losses = np.stack([np.zeros(4000), 1e4 + gap])
    _, variance = moments_of(losses, 5).gaps_to(0)
    np.testing.assert_allclose(variance[1], (1e4 + gap).var(ddof=1), rtol=1e-9)


def test_an_empty_block_changes_nothing():
    losses = np.random.default_rng(3).random((3, 20))
    moments = moments_of(losses, 2)
    moments.add(np.empty((3, 0)))
    np.testing.assert_allclose(moments.mean_losses(), losses.mean(1))


@pytest.mark.parametrize("bad", [np.zeros((3, 4)), np.zeros(2), np.array([[0.0, np.nan], [1.0, 2.0]])])
def test_refuses_wrong_shapes_and_values(bad):
    with pytest.raises(ValueError, match=r"shape|finite"):
        GapMoments(2).add(bad)


def test_a_candidate_that_acts_as_the_reference_has_no_gap_however_products_are_rounded():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        losses = rng.exponential(size=(19, 700)) + np.linspace(0, 10, 19)[:, None]
        losses = np.insert(losses, rng.integers(20), losses[0], axis=0)
        moments = GapMoments(20)
        for start in range(0, 700, 100):
            moments.add(losses[:, start : start + 100])
        delta, variance = moments.gaps_to(moments.best())
        alike = np.ptp(losses - losses[moments.best()], axis=1) == 0
        assert alike.sum() == 2
        assert (delta[alike] == 0).all()
        assert (variance[alike] == 0).all()
        assert (variance[~alike] > 0).all()
