"""The two-sample check of members against non-members."""

import numpy as np
import pytest

from benchmark.exchangeability import confounded, exchangeability
from molecules.splits import member_halves


def drawn(shift: float, records: int = 600):
    members = member_halves(records, 4, 0)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(records, 5)).astype(np.float32)
    values[:, 0] += shift * members[0]
    return values, members


def test_random_halves_are_exchangeable():
    found = exchangeability(*drawn(0.0))
    assert abs(found["auc"] - 0.5) < 3 * found["error"]
    assert not confounded(found)


def test_halves_of_another_distribution_are_not():
    values, members = drawn(1.0)
    found = exchangeability(values, members[:1].repeat(4, axis=0))
    assert found["auc"] == pytest.approx(0.76, abs=0.05)  # normal, one deviation apart: Phi(1 / sqrt 2)
    assert confounded(found)


def test_too_few_records_are_unknown():
    values, members = drawn(0.0, records=2)
    found = exchangeability(values, members)
    assert np.isnan(found["auc"])
    assert not confounded(found)


@pytest.mark.parametrize(
    ("auc", "error", "expected"),
    [(0.56, 0.01, True), (0.56, 0.04, False), (0.54, 0.001, False), (0.4, 0.02, True)],
)
def test_outside_of_what_is_allowed_and_beyond_chance(auc, error, expected):
    assert confounded({"auc": auc, "error": error}) is expected
