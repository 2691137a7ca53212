"""The membership effect against Gaussian margins of known shift, and what it says of no leak."""

import numpy as np
import pytest
from scipy import integrate, stats

from benchmark.privacy.membership_effect import (
    effect_resolution,
    leak_of_effect,
    membership_effects,
    rate_of_effect,
)
from molecules.splits import member_halves
from tasks.task import Kind


def drawn(kind: Kind, shift: float, runs: int, records: int, seed: int, targets: int = 1):
    """Margins of deviation 2 that a member's membership moves by ``shift`` deviations."""
    members = member_halves(records, runs, seed)
    rng = np.random.default_rng(seed)
    easiness = 5 * rng.normal(size=(records, targets))  # of a record, the same in all runs
    direction = np.ones_like(easiness) if kind is Kind.CLASSIFICATION else -np.sign(easiness)
    if kind is Kind.REGRESSION:
        easiness += 20 * np.sign(easiness)  # far from 0, so that the direction is certain
    moved = shift * members[:, :, None] * direction
    return easiness + 2.0 * (rng.normal(size=(runs, records, targets)) + moved), members


def slow(kind: Kind, margins, members, run: int) -> float:
    """The effect of a run by loops over records and labels."""
    found = []
    for target in range(margins.shape[2]):
        squares, freedom, own = 0.0, 0, []
        for record in range(margins.shape[1]):
            if np.isnan(margins[0, record, target]):
                continue
            means = {}
            for member in (True, False):
                chosen = [r for r in range(len(margins)) if bool(members[r, record]) is member]
                part = [margins[r, record, target] for r in chosen]
                squares += sum((x - np.mean(part)) ** 2 for x in part)
                freedom += max(len(part) - 1, 0)
                others = [margins[r, record, target] for r in chosen if r != run]
                means[member] = np.mean(others) if others else np.nan
            sign = 1.0 if members[run, record] else -1.0
            sign *= 1.0 if kind is Kind.CLASSIFICATION else -np.sign(means[False])
            own.append(2 * sign * (margins[run, record, target] - (means[True] + means[False]) / 2))
        found += [x / np.sqrt(squares / freedom) for x in own if not np.isnan(x)]
    return float(np.mean(found))


@pytest.mark.parametrize("runs", [3, 7])
@pytest.mark.parametrize("kind", list(Kind))
def test_against_loops(kind, runs):
    margins, members = drawn(kind, 0.5, runs, 40, 0, targets=2)
    margins[:, 3:15, 1] = np.nan
    found, reason = membership_effects(kind, margins, members)
    assert reason == ""
    np.testing.assert_allclose(found, [slow(kind, margins, members, run) for run in range(runs)])


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("runs", [4, 16])
@pytest.mark.parametrize("kind", list(Kind))
def test_no_bias(kind, runs, shift):
    means = [membership_effects(kind, *drawn(kind, shift, runs, 100, seed))[0].mean() for seed in range(100)]
    assert np.mean(means) == pytest.approx(shift, abs=3.5 * np.std(means) / np.sqrt(100))


@pytest.mark.parametrize("runs", [4, 8, 16])
@pytest.mark.parametrize("kind", list(Kind))
def test_no_leak_is_resolved_in_about_one_case_of_twenty(kind, runs):
    means = [membership_effects(kind, *drawn(kind, 0.0, runs, 100, seed))[0].mean() for seed in range(400)]
    share = np.mean(np.array(means) > effect_resolution(100, runs, runs))
    assert 0.01 < share < 0.09


def test_residuals_around_zero_that_do_not_leak_have_no_effect():
    """The direction is a guess there, and must not make an effect of its own."""
    means = []
    for seed in range(200):
        members = member_halves(80, 8, seed)
        margins = np.random.default_rng(seed).normal(size=(8, 80, 1))
        means.append(membership_effects(Kind.REGRESSION, margins, members)[0].mean())
    assert abs(np.mean(means)) < 3.5 * np.std(means) / np.sqrt(200)


def test_what_makes_a_record_easy_and_the_unit_change_nothing():
    margins, members = drawn(Kind.CLASSIFICATION, 0.4, 6, 50, 0)
    moved = 3.0 * (margins + np.arange(50)[:, None] ** 2)
    found = membership_effects(Kind.CLASSIFICATION, margins, members)[0]
    np.testing.assert_allclose(membership_effects(Kind.CLASSIFICATION, moved, members)[0], found)


def test_leak_is_the_total_variation_of_two_gaussians():
    one, two = stats.norm(0, 1), stats.norm(0.7, 1)
    expected, _ = integrate.quad(lambda x: 0.5 * abs(one.pdf(x) - two.pdf(x)), -9, 10, limit=200)
    assert float(leak_of_effect(0.7)) == pytest.approx(expected, abs=1e-7)
    assert float(rate_of_effect(0.7, 50)) == pytest.approx(-np.log(expected) / 50, rel=1e-6)
    assert np.isinf(rate_of_effect(-0.1, 50))
    assert np.isnan(rate_of_effect(np.nan, 50))


@pytest.mark.parametrize(
    ("margins", "words"),
    [
        (np.full((4, 6, 1), np.inf), "not finite"),
        (np.ones((4, 6, 1)), "same margins"),
        (np.random.default_rng(0).normal(size=(2, 6, 1)), "fewer than three runs"),
        (np.random.default_rng(0).normal(size=(1, 6, 1)), "fewer than three runs"),
    ],
)
def test_what_cannot_be_known_says_why(margins, words):
    found, reason = membership_effects(Kind.CLASSIFICATION, margins, member_halves(6, len(margins), 0))
    assert np.isnan(found).all()
    assert words in reason
