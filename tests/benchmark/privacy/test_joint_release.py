"""Several published versions of one model: against LiRA, Gaussians in closed form, and chance."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.joint_release import correlation, joint_score, joint_scores, single_scores
from benchmark.privacy.membership import Figure, auc
from benchmark.privacy.panel import cross_scored, halves
from molecules.splits import member_halves
from tasks.task import Kind
from tests.benchmark.privacy.toys import toy

LIRA = ATTACKS["lira-online-fixed"]


def versions(
    leak: float, count: int = 2, runs: int = 600, records: int = 40, shared: float = 0.0
) -> list[Signals]:
    """Margins of unit variance, ``shared`` of it the same in all versions; members' are higher by leak."""
    rng = np.random.default_rng(3)
    members = member_halves(records, runs, 0)
    common = rng.normal(size=members.shape)
    made = []
    for _ in range(count):
        noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=members.shape)
        margin = (rng.normal(size=records) + leak * members + noise)[:, :, None].astype(np.float32)
        made.append(Signals(Kind.CLASSIFICATION, margin, np.zeros(members.shape, np.float32), None, members))
    return made


def closed_form(leak: float, count: int, shared: float = 0.0) -> float:
    """AUC of the best test between two Gaussians: Phi(d / sqrt 2), d their Mahalanobis distance."""
    distance = leak * np.sqrt(count / (1 + (count - 1) * shared))
    return NormalDist().cdf(distance / np.sqrt(2))


def figure(scores: np.ndarray, of: list[Signals]) -> Figure:
    return auc(scores, of[0].members)


def sum_scores(versions):
    return sum(single_scores(version) for version in versions)


@pytest.mark.parametrize("how", [sum_scores, joint_scores])
@pytest.mark.parametrize("kind", list(Kind))
def test_one_version_is_lira(kind, how):
    signals = toy(kind, 1.0, runs=12, records=50)
    np.testing.assert_allclose(how([signals]), cross_scored(LIRA, signals, signals), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_two_noisy_versions_are_the_closed_form_of_gaussians(shared):
    made = versions(0.6, shared=shared)
    found = figure(joint_scores(made), made)
    alone = [figure(joint_scores([version]), made) for version in made]
    for one in alone:
        assert abs(one.mean - closed_form(0.6, 1)) < 3 * one.error + 0.004
        assert found.mean > one.mean + 3 * (found.of_runs - one.of_runs).std() / np.sqrt(600)
    # means of each record come from some 150 runs of each kind: that costs less than 0.004
    assert abs(found.mean - closed_form(0.6, 2, shared)) < 3 * found.error + 0.004


def test_the_joint_law_is_better_than_the_sum_where_one_version_is_the_other_with_noise():
    """The second version leaks nothing, but has half of the noise of the first: it takes that away."""
    made = versions(0.6, shared=0.7)
    silent = made[1].margin - np.float32(0.6) * made[1].members[:, :, None]
    made[1] = replace(made[1], margin=silent)
    joint, summed, alone = (
        figure(s, made) for s in (joint_scores(made), sum_scores(made), joint_scores([made[0]]))
    )
    # d^2 = (a, 0) C^-1 (a, 0)' = a^2 / (1 - rho^2)
    expected = NormalDist().cdf(0.6 / np.sqrt(1 - 0.7**2) / np.sqrt(2))
    assert abs(joint.mean - expected) < 3 * joint.error + 0.005
    assert joint.mean > alone.mean + 0.03
    assert abs(summed.mean - alone.mean) < 0.01


def test_a_copy_adds_nothing():
    made = versions(0.6, count=1, runs=64)
    alone = joint_scores(made)
    copied = joint_scores([made[0], made[0], made[0]])
    assert abs(figure(copied, made).mean - figure(alone, made).mean) < 1e-3


def test_versions_without_any_signal_do_not_drown_one_with():
    """With 8 shadow models a naive joint law would lose most of the AUC to the noise of seven versions."""
    made = versions(1.0, count=8, runs=16, records=400)
    for place in range(1, 8):
        noise = made[place].margin - made[place].members[:, :, None].astype(np.float32)
        made[place] = replace(made[place], margin=noise)
    alone, joint = figure(joint_scores([made[0]]), made), figure(joint_scores(made), made)
    assert joint.mean > alone.mean - 0.02


@pytest.mark.parametrize("how", [sum_scores, joint_scores])
@pytest.mark.parametrize("runs", [16, 200])
def test_without_a_leak_it_is_chance(how, runs):
    made = versions(0.0, count=3, runs=runs, records=100)
    found = figure(how(made), made)
    assert abs(found.mean - 0.5) < 3 * found.error


@pytest.mark.parametrize("kind", list(Kind))
def test_membership_of_the_attacked_runs_is_never_looked_at(kind):
    made = [toy(kind, 1.0, seed=0), toy(kind, 1.0, seed=0)]
    fit, scored = halves(16)
    members = made[0].members.copy()
    members[scored] = ~members[scored]
    other = [replace(version, members=members) for version in made]
    np.testing.assert_array_equal(joint_score(made, fit, scored), joint_score(other, fit, scored))


def test_labels_that_are_missing_and_versions_that_are_constant_give_finite_scores():
    signals = toy(Kind.CLASSIFICATION, 1.0, missing=0.5)
    constant = replace(signals, margin=np.where(np.isnan(signals.margin), signals.margin, np.float32(0)))
    found = joint_scores([signals, constant])
    assert np.isfinite(found).all()
    assert figure(found, [signals]).mean == pytest.approx(
        figure(joint_scores([signals]), [signals]).mean, abs=2e-3
    )


def test_correlation_is_pooled_and_shrunk():
    rng = np.random.default_rng(0)
    standard = rng.normal(size=(2, 6, 50))
    standard[1] += standard[0]
    chosen = rng.random((6, 50)) < 0.5
    flat = standard[:, chosen]
    plain = (flat[0] * flat[1]).sum() / np.sqrt((flat[0] ** 2).sum() * (flat[1] ** 2).sum())
    np.testing.assert_allclose(correlation(standard, chosen, 0.2), [[1, 0.8 * plain], [0.8 * plain, 1]])
