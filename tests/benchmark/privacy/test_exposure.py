"""The exposure of single records: against brute force, against chance, against Gaussians in closed form."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from sklearn import metrics

from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.exposure import benjamini_hochberg, exposures
from benchmark.privacy.panel import cross_scored, halves
from molecules.splits import member_halves
from tasks.task import Kind
from tests.benchmark.privacy.toys import toy

LIRA = ATTACKS["lira-online-fixed"]


def scorer(signals: Signals):
    def score(members: np.ndarray) -> np.ndarray:
        own = replace(signals, members=members)
        return cross_scored(LIRA, own, own)

    return score


def fixed(scores: np.ndarray):
    """Scores that look at no membership: both halves are independent then."""
    return lambda members: scores


@pytest.mark.parametrize("tied", [False, True])
def test_areas_and_differences_by_brute_force(tied):
    rng = np.random.default_rng(0)
    members = member_halves(30, 17, 0)
    scores = rng.normal(size=members.shape) + members
    scores = np.round(scores) if tied else scores
    found = exposures(fixed(scores), members)
    for record in range(30):
        wins, gained = [], []
        for half in halves(17):
            inside = [scores[run, record] for run in half if members[run, record]]
            outside = [scores[run, record] for run in half if not members[run, record]]
            wins += [(a > b) + 0.5 * (a == b) for a in inside for b in outside]
            gained += [a - b for a in inside for b in outside]
        assert found.exposure[record] == pytest.approx(np.mean(wins))
        assert found.difference[record] == pytest.approx(np.mean(gained))
        assert found.member_runs[record] == members[:, record].sum()


def test_with_a_second_half_without_pairs_it_is_the_auc_of_the_first():
    members = member_halves(20, 16, 0)
    members[8:] = True
    scores = np.random.default_rng(0).normal(size=members.shape)
    found = exposures(fixed(scores), members)
    expected = [metrics.roc_auc_score(members[:8, k], scores[:8, k]) for k in range(20)]
    np.testing.assert_allclose(found.exposure, expected)


def test_a_record_without_pairs_has_no_exposure():
    members = member_halves(20, 16, 0)
    members[:, 3] = True
    found = exposures(fixed(np.random.default_rng(0).normal(size=members.shape)), members)
    for values in (found.exposure, found.low, found.high, found.p_value, found.difference):
        assert np.isnan(values[3])
        assert not np.isnan(np.delete(values, 3)).any()


@pytest.mark.parametrize("targets", [1, 3])
def test_without_a_leak_p_values_are_uniform(targets):
    """Halves fit each other, so their sum varies more than that of independent ones: it must not show."""
    p_values = []
    for seed in range(6):
        signals = toy(Kind.CLASSIFICATION, 0.0, runs=32, records=300, targets=targets, seed=seed)
        found = exposures(scorer(signals), signals.members)
        p_values.append(found.p_value)
        assert abs(found.exposure.mean() - 0.5) < 0.02
        assert not benjamini_hochberg(found.p_value).any()
        # 95 % intervals hold 0.5
        assert ((found.low <= 0.5) & (found.high >= 0.5)).mean() > 0.92
    shares = [(np.concatenate(p_values) <= level).mean() for level in (0.5, 0.1, 0.05, 0.01)]
    np.testing.assert_allclose(shares, [0.5, 0.1, 0.05, 0.01], atol=0.03)
    assert shares[2] < 0.07
    assert shares[3] < 0.017


def test_the_records_that_leak_are_found():
    leaky, false, found_at_all = np.arange(0, 200, 20), 0, 0
    for seed in range(6):
        signals = toy(Kind.CLASSIFICATION, 0.0, runs=64, records=200, targets=1, seed=seed)
        margin = signals.margin.copy()
        margin[:, leaky, 0] += 1.0 * signals.members[:, leaky]  # two standard deviations
        found = exposures(scorer(replace(signals, margin=margin)), signals.members)
        assert set(np.argsort(-found.exposure)[:10]) == set(leaky)
        assert (found.low[leaky] > 0.5).all()
        assert (found.difference[leaky] > 0).all()
        rejected = benjamini_hochberg(found.p_value)
        assert rejected[leaky].all()
        false += int(rejected.sum()) - 10
        found_at_all += int(rejected.sum())
    assert false <= 0.15 * found_at_all  # 5 % in the long run


@pytest.mark.parametrize(("runs", "shift"), [(16, 0.8), (64, 1.0), (64, 2.5)])
def test_the_interval_covers_the_exposure_of_gaussians(runs, shift):
    members = member_halves(3000, runs, 1)
    scores = np.random.default_rng(1).normal(size=members.shape) + shift * members
    found = exposures(fixed(scores), members)
    truth = NormalDist().cdf(shift / np.sqrt(2))
    assert found.exposure.mean() == pytest.approx(truth, abs=0.006)
    covered = (found.low <= truth) & (truth <= found.high)
    assert 0.93 < covered.mean() < 0.99
    assert (found.low >= 0).all()
    assert (found.high <= 1).all()
    assert ((found.low <= found.exposure) & (found.exposure <= found.high)).all()


def test_constant_scores_are_chance():
    members = member_halves(40, 16, 0)
    found = exposures(fixed(np.zeros(members.shape)), members)
    assert set(found.exposure) == {0.5}
    assert set(found.p_value) == {1.0}
    assert set(found.difference) == {0.0}


def test_the_same_again():
    signals = toy(Kind.REGRESSION, 1.0)
    one, two = (exposures(scorer(signals), signals.members) for _ in range(2))
    np.testing.assert_array_equal(one.p_value, two.p_value)


def test_benjamini_hochberg_by_hand():
    # Benjamini & Hochberg 1995, table of 15 p-values: four are rejected at 5 %
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719]
    p = np.array([*p, 0.6528, 0.7590, 1.0])
    assert benjamini_hochberg(p).tolist() == [True] * 4 + [False] * 11
    assert benjamini_hochberg(np.array([np.nan, 0.04, 0.03])).tolist() == [False, True, True]
    assert benjamini_hochberg(np.array([np.nan])).tolist() == [False]
