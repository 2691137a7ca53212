"""Ranks by subsets of runs: groups by hand, indicators against their definitions, a clear order."""

import numpy as np
import pandas as pd
import pytest

from benchmark.cell_runs import CellRuns
from benchmark.privacy.attacks import ATTACKS
from benchmark.privacy.membership import auc
from benchmark.privacy.membership_effect import membership_effects
from benchmark.privacy.panel import cross_scored
from benchmark.privacy.ranking import bootstrap_runs
from benchmark.rank_stability import indicators, rank_groups, rank_stability, spearman
from benchmark.results import CellResult
from tasks.task import Kind
from tests.benchmark.privacy.toys import toy
from tests.benchmark.test_tables import result as four_runs
from tests.benchmark.test_tables import rows

RUNS = 40
#: How much each leaks, the most private first in the end.
LEAKS = {"float32": 2.0, "good": 1.0, "coarse": 0.0}


@pytest.fixture(scope="module")
def signals():
    return {n: toy(Kind.CLASSIFICATION, leak, runs=RUNS, records=150) for n, leak in LEAKS.items()}


@pytest.fixture(scope="module")
def runs(signals):
    frames = []
    for name in LEAKS:
        frame = pd.concat([rows(name, np.full(4, 1e-3), 1.0, 0.3)] * (RUNS // 4), ignore_index=True)
        known = signals[name]
        inside, outside = (
            [loss[own].mean() for loss, own in zip(known.loss, part, strict=True)]
            for part in (known.members, ~known.members)
        )
        frames.append(frame.assign(run=range(RUNS), loss_in=inside, loss_out=outside))
    made = four_runs(*frames)
    return CellRuns(CellResult(made.rows, made.facts))


def test_groups_by_hand():
    # 0 and 1 differ by less than their paired noise, 2 stands apart, 3 is 2 with a shift that never varies
    rng = np.random.default_rng(0)
    noise = rng.normal(size=60)
    figures = np.stack([10 + noise, 10 + noise[::-1], 5 + noise, 4.9 + noise])
    rank, low, high = rank_groups(figures, bootstrap_runs(60, 500, 0))
    assert rank[2:].tolist() == [3, 4]
    assert sorted(rank[:2]) == [1, 2]
    assert low.tolist() == [1, 1, 3, 4]
    assert high.tolist() == [2, 2, 3, 4]


def test_indicators_are_those_of_a_bank_of_these_runs(runs, signals):
    places = np.array([3, 5, 8, 11, 20, 31, 33, 39])
    found = {name: figures(places) for name, figures in indicators(runs, signals).items()}
    for place, (name, known) in enumerate(signals.items()):
        effects, _ = membership_effects(known.kind, known.margin[places], known.members[places])
        np.testing.assert_allclose(found["membership effect"][place], -effects)
        own = toy(Kind.CLASSIFICATION, LEAKS[name], runs=RUNS, records=150)
        part = type(own)(own.kind, own.margin[places], own.loss[places], None, own.members[places])
        scores = cross_scored(ATTACKS["lira-online-fixed"], part, part)
        np.testing.assert_allclose(found["LiRA AUC"][place], -auc(scores, part.members).of_runs)
        gap = [
            known.loss[run][~known.members[run]].mean() - known.loss[run][known.members[run]].mean()
            for run in places
        ]
        np.testing.assert_allclose(found["gap"][place], -np.array(gap), rtol=1e-5)
        deviation = known.loss[places].std(1)
        np.testing.assert_allclose(found["gap / deviation"][place], -np.array(gap) / deviation, rtol=1e-4)
    np.testing.assert_allclose(found["plain indicator"], 1e-3)


def test_blocks_of_a_subset_are_compared_apart(runs, signals):
    places = np.arange(20)
    found = indicators(runs, signals)["membership effect"](places)[0]
    known = signals["float32"]
    last, _ = membership_effects(known.kind, known.margin[16:20], known.members[16:20])
    np.testing.assert_allclose(found[16:], -last)


def test_a_clear_order_is_found_by_few_runs(runs, signals):
    stability = rank_stability(runs, signals, np.array([0.2, 0.5, 1.0]), [2, 8], 5)
    subsets = stability.subsets.set_index("indicator")
    clear = subsets.loc[["membership effect", "LiRA AUC", "gap", "gap / deviation"]]
    figures = ["spearman", "spearman_others", "spearman_mis", "at_final_rank", "at_final_group"]
    assert (clear.loc[clear["runs"] == 8, figures] == 1).all(axis=None)
    # two runs are too few for these, and that is no rank
    assert set(clear.loc[clear["runs"] == 2].index) == {"gap", "gap / deviation"}
    # figures that are all alike have ranks in the order of the table, one group, and no correlation
    plain = subsets.loc["plain indicator"]
    assert plain["spearman"].isna().all()
    assert (plain["at_final_group"] == 1).all()
    ranks = stability.ranks[stability.ranks["runs"] == 8]
    np.testing.assert_allclose(ranks.groupby(["indicator", "quantizer"])["share"].sum(), 1)
    own = ranks[(ranks["indicator"] == "membership effect") & (ranks["share"] > 0)].set_index("quantizer")
    assert own["rank"].to_dict() == own["final_rank"].to_dict() == {"coarse": 1, "good": 2, "float32": 3}


def test_spearman_needs_three_that_differ():
    assert spearman(np.array([1.0, 2, 3, np.nan]), np.array([2.0, 4, 9, 1])) == 1
    assert np.isnan(spearman(np.array([1.0, 2]), np.array([1.0, 2])))
    assert np.isnan(spearman(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])))
