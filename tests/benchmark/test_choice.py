"""Front, agreement and recommendation, by hand and by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cell_runs import CellRuns, distinguishable
from benchmark.choice import agreement, pareto_front, recommend
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from tests.benchmark.test_tables import COARSE, FLOAT, GOOD, STEPS, plain_table, result, rows

FLAT = rows("flat", 1e-1 * STEPS, 1.0, 0.0, constant=True)
#: Noise of four runs that sums to nothing.
NOISE = np.array([-1.0, 1.0, -1.0, 1.0])


def cell(*frames, how: Aggregate = Aggregate.MEAN) -> CellRuns:
    return CellRuns(result(*frames), how, Indicator.PLAIN)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=1, max_size=8))
def test_front_by_brute_force_where_every_difference_is_certain(points):
    r = np.array([np.nan if out else float(r) for r, _, out in points])
    relative = np.array([float(p) for _, p, _ in points])
    expected = []
    for own_r, own, out in points:
        beaten = any(not o and q >= own_r and p >= own and (q > own_r or p > own) for q, p, o in points)
        expected.append(not out and not beaten)
    assert pareto_front(r, relative, np.tile(relative[:, None], 20)).tolist() == expected


def test_a_performance_better_by_noise_alone_beats_nothing():
    same = rows("same", np.zeros(4), 1.0 + 1e-3 * NOISE - 1e-5, 0.4)
    better = rows("better", np.zeros(4), 0.99, 0.4)
    front = plain_table(result(FLOAT, same)).set_index("quantizer")["pareto"]
    assert front.to_dict() == {"float32": True, "same": True}
    front = plain_table(result(FLOAT, better)).set_index("quantizer")["pareto"]
    assert front.to_dict() == {"float32": False, "better": True}


@pytest.mark.parametrize("how", list(Aggregate))
def test_the_most_private_useful_quantizer_is_on_the_front(how):
    skewed = rows("skewed", np.array([0.0, 2e-2, 2e-2, 9e-1]), 1.5, 0.2)
    table = plain_table(result(FLOAT, GOOD, skewed, COARSE, FLAT), how)
    first = table[table["privacy_rank"] == 1]
    assert len(first)
    assert first["pareto"].all()


def test_differences_are_paired():
    noise = np.random.default_rng(0).normal(size=500)
    resampled = np.stack([noise, noise + 0.01, 5 * np.random.default_rng(1).normal(size=500)])
    assert distinguishable(resampled, 0).tolist() == [False, True, False]


def test_recommendation_follows_the_allowed_loss():
    made = cell(FLOAT, GOOD, COARSE)
    found = [recommend(made, drop) for drop in (0.0, 0.19, 0.2, 0.5)]
    assert [f.quantizer for f in found] == [None, None, "good", "coarse"]
    assert [f.by for f in found] == ["loss", "loss", "r", "r"]
    assert found[3].other == "coarse"


def test_what_r_does_not_tell_apart_is_said():
    one = rows("one", 1e-2 * STEPS, 1.0, 0.3)
    two = rows("two", 1e-2 * STEPS - 1e-4 + 1e-2 * NOISE, 1.0, 0.2)
    found = recommend(cell(FLOAT, one, two), 0.02)
    assert found.quantizer == "one"
    assert found.untold == ("two",)
    assert found.other == "two"


def test_the_gap_decides_within_the_resolution():
    less, more = rows("less", np.full(4, 9e-4), 1.0, 0.4), rows("more", np.full(4, 1e-4), 1.0, 0.3)
    found = recommend(cell(FLOAT, less, more), 0.02)
    assert (found.quantizer, found.by) == ("more", "gap")


def test_the_gap_decides_where_no_r_is_known():
    nothing = rows("none", np.full(4, np.nan), 1.0, 0.1, rate=np.nan, reason="one candidate only")
    found = recommend(cell(FLOAT, nothing), 0.02)
    assert (found.quantizer, found.by) == ("none", "gap")


def test_useless_models_are_not_recommended():
    assert recommend(cell(FLOAT, GOOD, FLAT), 0.3).quantizer == "good"
    useless = [frame.assign(r2=-0.1) for frame in (FLOAT, GOOD)]
    assert recommend(cell(*useless), 0.3).by == "no skill"
    assert recommend(cell(FLOAT, FLAT), 0.3).by == "useless"
    assert recommend(cell(FLOAT), 0.3).by == "alone"


def test_agreement_of_orders():
    assert agreement(cell(FLOAT, GOOD, COARSE)).spearman == pytest.approx(1)
    against = rows("coarse", 1e-2 * STEPS, 2.0, 0.9)
    assert agreement(cell(FLOAT, GOOD, against)).spearman == pytest.approx(-0.5)


def test_agreement_that_cannot_be_known_says_why():
    assert "fewer than three" in agreement(cell(FLOAT, GOOD)).reason
    assert "fewer than three" in agreement(cell(FLOAT, GOOD, FLAT)).reason
    same = [frame.assign(loss_out=1.4) for frame in (FLOAT, GOOD, COARSE)]
    found = agreement(cell(*same))
    assert "the same for all" in found.reason
    assert np.isnan(found.spearman)
