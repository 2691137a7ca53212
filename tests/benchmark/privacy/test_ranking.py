"""One r a quantizer from the rates of the runs, against NumPy, SciPy and cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.ranking import Ranking, aggregate_runs, bootstrap_runs, rank_rates
from benchmark.privacy.scales import EffectScale, PlainScale


def ranked(values: np.ndarray, floor: float = 0.0, **more) -> Ranking:
    return rank_rates(values, bootstrap_runs(values.shape[1], 2000, 0), PlainScale(floor), **more)


def test_aggregates_against_scipy_and_numpy():
    values = np.random.default_rng(2).exponential(size=(4, 40))
    np.testing.assert_allclose(aggregate_runs(values, Aggregate.MEAN), values.mean(1))
    np.testing.assert_allclose(aggregate_runs(values, Aggregate.MEDIAN), np.median(values, 1))
    np.testing.assert_allclose(
        aggregate_runs(values, Aggregate.TRIMMED), stats.trim_mean(values, 0.1, axis=1)
    )


@pytest.mark.parametrize("how", list(Aggregate))
def test_aggregates_leave_out_unknown_runs(how):
    values = np.array([[1.0, 2.0, np.nan, 3.0], [np.nan] * 4])
    np.testing.assert_allclose(aggregate_runs(values, how), [2.0, np.nan])


def test_clipping_follows_averaging():
    # corrected rates of a true 0 scatter around 0: their mean is 0, the mean of their clipped values is not
    values = np.tile([-3e-4, 3e-4], 8)[None] + np.array([[0.0], [1e-5]])
    np.testing.assert_allclose(ranked(values).r, [0.0, 1e-5], atol=1e-12)


def test_ranks_and_their_stability():
    rng = np.random.default_rng(0)
    clear = np.array([5.0, 1.0, 3.0])[:, None] + 0.01 * rng.normal(size=(3, 20))
    ranking = ranked(clear)
    np.testing.assert_array_equal(ranking.rank, [1, 3, 2])
    np.testing.assert_array_equal(ranking.stability, [1, 1, 1])
    same = rng.normal(size=(2, 20))
    unstable = ranked(same - same.mean(1, keepdims=True) + [[1.0], [1.001]])
    assert 0.3 < unstable.stability[0] < 0.7


def test_unknown_quantizers_have_no_rank_and_do_not_move_others():
    values = np.array([[1.0, 1.1], [np.nan, np.nan], [2.0, 2.1]])
    ranking = ranked(values)
    np.testing.assert_array_equal(ranking.rank, [2, np.nan, 1])
    assert np.isnan([ranking.r[1], ranking.low[1], ranking.high[1], ranking.stability[1]]).all()


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    # coverage of the 95 % percentile interval of a mean of 40 normal runs, over 200 data sets
    hits = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(10.0, 1.0, (1, 40))
        ranking = rank_rates(values, bootstrap_runs(40, 400, seed))
        hits += bool(ranking.low[0] <= 10.0 <= ranking.high[0])
    low, high = stats.binom.interval(0.999, 200, 0.94)
    assert low <= hits <= high


def test_bootstrap_is_paired():
    # two quantizers that share all noise: their order holds in every resample although intervals overlap
    noise = np.random.default_rng(1).normal(size=30)
    ranking = ranked(np.stack([5 + noise, 5.01 + noise]))
    np.testing.assert_array_equal(ranking.stability, [1.0, 1.0])
    assert ranking.low[1] < ranking.high[0]


def test_what_lies_within_the_floor_shares_a_rank():
    ranking = ranked(np.tile([[5.0], [0.9], [0.2], [-0.4], [1.1]], 4), floor=1.0)
    np.testing.assert_array_equal(ranking.rank, [1, 3, 3, 3, 2])
    np.testing.assert_array_equal(ranking.effective, [5.0, 0, 0, 0, 1.1])
    np.testing.assert_allclose(ranking.r, [5.0, 0.9, 0.2, 0, 1.1])  # shown as measured, not below 0
    np.testing.assert_array_equal(ranking.stability, 1.0)


def test_an_r_takes_half_of_the_runs_and_two_of_them():
    nan = np.nan
    values = np.array([[1.0, nan, nan, nan], [1.0, 2.0, nan, nan], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(ranked(values).r, [nan, 1.5, 2.5])
    np.testing.assert_allclose(ranked(np.array([[1.0, nan]])).r, [nan])


def test_what_takes_no_part_keeps_its_r_and_moves_no_rank():
    values = np.tile([[1.0], [9.0], [2.0]], 4)
    ranking = ranked(values, ranked=np.array([True, False, True]))
    np.testing.assert_array_equal(ranking.rank, [2, np.nan, 1])
    np.testing.assert_allclose(ranking.r, [1, 9, 2])


@given(
    hnp.arrays(np.float64, (5, 6), elements=st.one_of(st.floats(-2, 5), st.just(np.nan))),
    st.floats(0, 2),
    st.sampled_from(list(Aggregate)),
)
def test_invariants_of_ranks(values, floor, how):
    ranking = rank_rates(values, bootstrap_runs(6, 50, 0), PlainScale(floor), how)
    known = ~np.isnan(ranking.r)
    effective = PlainScale(floor).effective(np.where(known, aggregate_runs(values, how), np.nan))
    for place in np.flatnonzero(known):  # one more than those that are larger
        assert ranking.rank[place] == 1 + (effective[known] > effective[place]).sum()
    assert np.isnan(ranking.rank[~known]).all()
    assert (ranking.rank_low[known] <= ranking.rank[known]).all()
    assert (ranking.rank[known] <= ranking.rank_high[known]).all()
    assert ((ranking.stability[known] >= 0) & (ranking.stability[known] <= 1)).all()
    assert (ranking.r[known] >= 0).all()


def test_effects_that_are_not_told_from_none_share_the_first_rank():
    effects = np.array([[0.5] * 4, [0.02] * 4, [-0.01] * 4, [0.3] * 4])
    scale = EffectScale(members=100, effect=0.1)
    ranking = rank_rates(-effects, bootstrap_runs(4, 50, 0), scale)
    assert ranking.rank.tolist() == [4, 1, 1, 3]
    assert scale.within(ranking.r).tolist() == [False, True, True, False]
    np.testing.assert_allclose(ranking.r[1:3], scale.resolution)
    # the total variation of two Gaussians half a deviation apart, as a rate in n
    assert ranking.r[0] == pytest.approx(-np.log(2 * stats.norm.cdf(0.25) - 1) / 100)
    assert (np.diff(scale.shown(-np.linspace(0.1, 3, 50))) < 0).all()
    assert np.isnan(scale.shown(np.array([np.nan])))[0]
