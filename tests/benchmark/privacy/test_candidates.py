"""Families of candidates, and the figures made of their losses, against plain arithmetic."""

import numpy as np
import pytest

from benchmark.privacy.candidate_rates import Moment, Over, Reference, figure
from benchmark.privacy.candidates import neighbours, other_runs, retrained, snapshots
from benchmark.privacy.gap_moments import GapMoments
from benchmark.privacy.indicator import run_rate
from models.heads import Bank, HeadConfig
from models.train_bank import train_block
from tasks.task import Kind
from tests.benchmark.test_evaluate import problem


@pytest.fixture(scope="module")
def bank() -> Bank:
    data = problem(Kind.REGRESSION)
    config = HeadConfig(hidden=(5,), epochs=4)
    return train_block(data.kind, data.pool, data.pool_labels, data.members, config, 0, 0)


def test_families(bank):
    assert snapshots(bank, 1).weights[0].equal(bank.snapshots.weights[0][1])
    others = other_runs(bank, 1).weights[0]
    assert others.equal(bank.snapshots.weights[0][[0, 2], -1])
    again = retrained([bank, bank], 2).weights[1]
    assert again.equal(bank.snapshots.weights[1][[2, 2], -1])


def test_neighbours_are_as_far_as_is_asked_and_the_same_again(bank):
    near = neighbours(bank, 1, 0.1, 200)
    for moved, final in zip(near.weights, (w[1, -1] for w in bank.snapshots.weights), strict=True):
        distance = (moved - final) / final.std()
        assert float(distance.std()) == pytest.approx(0.1, rel=0.1)
    assert near.weights[0].equal(neighbours(bank, 1, 0.1, 200).weights[0])
    assert not near.weights[0].equal(neighbours(bank, 0, 0.1, 200).weights[0])
    assert near.biases[0][7].equal(bank.snapshots.biases[0][1, -1])


def losses(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(4, 60)) + np.array([0.1, 0.0, 0.3, 0.2])[:, None]


def test_best_min_is_the_plain_indicator():
    moments = GapMoments(4)
    moments.add(losses())
    expected = run_rate(moments)
    assert figure(losses(), Reference.BEST, Moment.PLAIN, Over.MIN) == pytest.approx(expected.rate)
    assert figure(losses(), Reference.BEST, Moment.CORRECTED, Over.MIN) == pytest.approx(expected.corrected)


def test_mean_and_final_by_hand():
    values = losses()
    gaps = values[1:] - values[0]
    expected = np.mean(gaps.mean(1) ** 2 / (2 * gaps.var(1, ddof=1)))
    assert figure(values, Reference.FINAL, Moment.PLAIN, Over.MEAN) == pytest.approx(expected)


def test_cross_fitting_measures_on_records_that_did_not_choose():
    values = losses()
    one, two = values[:, ::2], values[:, 1::2]
    found = []
    for chosen, measured in ((one, two), (two, one)):
        theta = int(np.argmin(chosen.mean(1)))
        others = [k for k in range(4) if k != theta]
        ratio = [(g.mean() ** 2 / (2 * g.var(ddof=1))) for g in (chosen[k] - chosen[theta] for k in others)]
        gap = measured[others[int(np.argmin(ratio))]] - measured[theta]
        found.append(gap.mean() ** 2 / (2 * gap.var(ddof=1)) - 1 / 60)
    assert figure(values, Reference.BEST, Moment.CROSS, Over.MIN) == pytest.approx(np.mean(found))


def test_cross_fitting_of_no_gap_is_without_bias():
    values = [
        figure(np.random.default_rng(s).normal(size=(2, 100)), Reference.FINAL, Moment.CROSS, Over.MIN)
        for s in range(400)
    ]
    assert abs(np.mean(values)) < 3.5 * np.std(values) / np.sqrt(400)


def test_cramer_rate_of_a_gaussian_gap_is_the_gaussian_rate():
    rng = np.random.default_rng(0)
    values = np.stack([np.zeros(20_000), 0.3 + rng.normal(size=20_000)])
    found = figure(values, Reference.BEST, Moment.CRAMER, Over.MIN)
    assert found == pytest.approx(0.3**2 / 2, rel=0.1)


def test_candidates_that_act_alike_leave_no_gap():
    assert np.isnan(figure(np.ones((3, 10)), Reference.BEST, Moment.PLAIN, Over.MIN))
