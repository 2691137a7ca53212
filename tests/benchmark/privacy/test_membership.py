"""Figures of an attack against scikit-learn, brute force and a plain bootstrap."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from benchmark.privacy.membership import (
    Figure,
    above_chance,
    advantage,
    auc,
    best_threshold,
    clopper_pearson,
    holm,
    true_positive_rates,
)
from molecules.splits import member_halves


def drawn(runs: int = 6, records: int = 80, shift: float = 0.7, *, tied: bool = False, seed: int = 0):
    rng = np.random.default_rng(seed)
    members = member_halves(records, runs, seed)
    scores = rng.normal(size=(runs, records)) + shift * members + rng.normal(size=records)
    return (np.round(scores) if tied else scores), members


@pytest.mark.parametrize("tied", [False, True])
def test_auc_is_that_of_scikit_learn(tied):
    scores, members = drawn(tied=tied)
    expected = [metrics.roc_auc_score(m, s) for m, s in zip(members, scores, strict=True)]
    np.testing.assert_allclose(auc(scores, members).of_runs, expected, atol=1e-12)


def test_constant_scores_have_an_auc_of_one_half():
    _, members = drawn()
    assert auc(np.zeros(members.shape), members).of_runs.tolist() == [0.5] * len(members)


@pytest.mark.parametrize("tied", [False, True])
def test_threshold_is_the_best_of_all(tied):
    scores, members = drawn(tied=tied)
    false, true, _ = metrics.roc_curve(members.ravel(), scores.ravel())
    found = scores >= best_threshold(scores, members)
    assert found[members].mean() - found[~members].mean() == pytest.approx((true - false).max(), abs=1e-12)


def test_scores_that_point_the_wrong_way_give_no_threshold():
    _, members = drawn()
    assert best_threshold(np.where(members, 0.0, 1.0), members) == float("inf")


def test_advantage_by_hand():
    scores = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
    members = np.array([[True, True, False, False], [True, False, True, False]])
    found = advantage(scores, members, np.array([1.5, 1.5]))
    assert found.of_runs.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.03])
@pytest.mark.parametrize("tied", [False, True])
def test_true_positive_rate_by_brute_force(rate, tied):
    scores, members = drawn(tied=tied)
    expected = []
    for own, score in zip(members, scores, strict=True):
        # one of few distinct thresholds, none of which lets too many non-members pass
        allowed = [t for t in np.unique(score) if (score[~own] > t).mean() <= rate + 1e-9]
        expected.append(max((score[own] > t).mean() for t in allowed))
    np.testing.assert_allclose(true_positive_rates(scores, members, [rate])[0].of_runs, expected)


def test_a_rate_that_the_non_members_cannot_resolve_is_unknown():
    scores, members = drawn(records=80)  # 40 non-members: 1 in 40 is the least
    assert np.isnan(true_positive_rates(scores, members, [0.01])[0].of_runs).all()
    assert not np.isnan(true_positive_rates(scores, members, [1 / 40])[0].of_runs).any()


def figure_of(name: str, scores: np.ndarray, members: np.ndarray) -> Figure:
    if name == "auc":
        return auc(scores, members)
    return advantage(scores, members, np.full(len(scores), 0.5))


def random_auc(scores: np.ndarray, members: np.ndarray, weight: np.ndarray) -> float:
    return float(
        np.mean(
            [metrics.roc_auc_score(m, s, sample_weight=weight) for m, s in zip(members, scores, strict=True)]
        )
    )


def random_advantage(scores: np.ndarray, members: np.ndarray, weight: np.ndarray) -> float:
    called = scores >= 0.5
    return float(
        np.mean(
            [
                np.average(c[m], weights=weight[m]) - np.average(c[~m], weights=weight[~m])
                for m, c in zip(members, called, strict=True)
            ]
        )
    )


@pytest.mark.parametrize(("name", "again"), [("auc", random_auc), ("advantage", random_advantage)])
def test_error_over_records_is_that_of_a_bootstrap_of_records(name, again):
    """The same records drawn for all runs, less records drawn for each run by itself."""
    scores, members = drawn(runs=5, records=300)
    counts = np.random.default_rng(1).multinomial(300, np.full(300, 1 / 300), size=(5, 800)).astype(float)
    same = np.var([again(scores, members, weight) for weight in counts[0]])
    one_by_one = [
        [again(scores[[run]], members[[run]], weight) for weight in counts[run]] for run in range(5)
    ]
    own = np.var(np.mean(one_by_one, axis=0))
    error = figure_of(name, scores, members).record_error
    assert error**2 == pytest.approx(max(same - own, 0.0), rel=0.2)


@pytest.mark.parametrize("name", ["auc", "advantage"])
def test_interval_covers_the_truth(name):
    """Fresh runs and records each time: the truth lies in 95 % of the intervals, give or take."""
    truth = {"auc": NormalDist().cdf(0.7 / 2), "advantage": None}[name]
    figures = [figure_of(name, *drawn(runs=8, records=100, seed=seed)) for seed in range(300)]
    means = [figure.mean for figure in figures]
    centre = truth if truth is not None else float(np.mean(means))
    covered = [abs(figure.mean - centre) < 1.96 * figure.error for figure in figures]
    assert np.mean(means) == pytest.approx(centre, abs=0.01)
    assert 0.90 <= np.mean(covered) <= 0.995


def test_clopper_pearson_is_exact():
    low, high = clopper_pearson(0.05, 200)
    # at its ends the tail of the binomial law holds 2.5 %
    assert stats.binom.sf(9, 200, low) == pytest.approx(0.025, rel=1e-6)
    assert stats.binom.cdf(10, 200, high) == pytest.approx(0.025, rel=1e-6)
    assert clopper_pearson(0.0, 50)[0] == 0.0
    assert np.isnan(clopper_pearson(float("nan"), 50)).all()


def test_holm_by_its_definition():
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = rng.random(rng.integers(1, 9)) ** 4
        rejected: set[int] = set()
        for step, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if p[place] > 0.05 / (len(p) - step):
                break
            rejected.add(place)
        assert set(np.flatnonzero(holm(p))) == rejected
    assert holm(np.array([np.nan, 0.001])).tolist() == [False, True]


def test_p_value_of_a_mean_above_chance():
    assert above_chance(Figure(np.array([0.5, 0.5])), 0.5) == 1.0
    assert above_chance(Figure(np.array([0.9, 0.9])), 0.5) == 0.0
    assert np.isnan(above_chance(Figure(np.array([0.9])), 0.5))  # one run tells nothing of others
    runs = np.array([0.52, 0.48, 0.55, 0.57])
    z = (runs.mean() - 0.5) / (runs.std(ddof=1) / 2)
    assert above_chance(Figure(runs), 0.5) == pytest.approx(stats.norm.sf(z))
