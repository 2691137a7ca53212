"""The table of a cell, worked out by hand.

Three quantizers, four runs, 1/(2 m) = 1e-3 (m = 500); RMSE, so smaller is better:

    quantizer   rate_corrected (mean)          rmse (mean)         gap = out - in (mean)
    float32     0, 0, 0, 0          (0)        1, 1, 1, 1   (1)    0.4 each
    good        2e-3 .. 8e-3        (5e-3)     1.25 each           0.2 each
    coarse      2e-2 .. 8e-2        (5e-2)     2, 2, 2, 2   (2)    0.1 each
"""

import numpy as np
import pandas as pd
import pytest

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import CellResult
from benchmark.tables import STABLE_COLUMNS, summarise
from molecules.errors import DataError

STEPS = np.array([2.0, 4.0, 6.0, 8.0])


def rows(name: str, corrected: np.ndarray, rmse: float, gap: float, **changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "quantizer": name,
            "run": range(4),
            "rate": corrected + 1e-3,
            "rate_corrected": corrected,
            "candidates": 5,
            "reference": 3,
            "records": 500,
            "reason": "",
            "effect": gap,
            "effect_reason": "",
            "loss_in": 1.0,
            "loss_out": 1.0 + gap,
            "rmse": rmse,
            "mae": 0.8 * rmse,
            "r2": 1 - rmse**2 / 5,
            "spearman": 0.5,
            "constant": False,
            "bits": 4.0,
            "entropy_bits": 3.5,
            "packed_bytes": 1000.0,
            "zeros": 0.1,
            "coverage": 0.99,
            "model_coverage": 0.2,
        }
    )
    return frame.assign(**changes)


def result(*frames: pd.DataFrame) -> CellResult:
    facts = {"task": "t", "encoder": "e", "kind": "regression", "metric": "rmse", "seed": 0, "key": "k"}
    facts |= {"pool": 1000, "members": 500}
    return CellResult(pd.concat(frames, ignore_index=True), facts)


def plain_table(made: CellResult, aggregate: Aggregate = Aggregate.MEAN) -> pd.DataFrame:
    """The table by the plain indicator, whose figures are the ``rate_corrected`` above."""
    return summarise(made, aggregate, Indicator.PLAIN)


FLOAT = rows("float32", np.zeros(4), 1.0, 0.4)
GOOD = rows("good", 1e-3 * STEPS, 1.25, 0.2)
COARSE = rows("coarse", 1e-2 * STEPS, 2.0, 0.1)


@pytest.fixture
def table() -> pd.DataFrame:
    return plain_table(result(FLOAT, GOOD, COARSE))


def test_by_hand(table):
    assert tuple(table.columns[: len(STABLE_COLUMNS)]) == STABLE_COLUMNS
    assert table["quantizer"].tolist() == ["float32", "good", "coarse"]
    np.testing.assert_allclose(table["r"], [0, 5e-3, 5e-2])
    np.testing.assert_allclose(table["r_uncorrected"], [1e-3, 6e-3, 5.1e-2])
    np.testing.assert_allclose(table["resolution"], 1e-3)
    assert table["below_resolution"].tolist() == [True, False, False]
    assert table["privacy_rank"].tolist() == [3, 2, 1]
    np.testing.assert_array_equal(table["rank_stability"], 1.0)
    np.testing.assert_allclose(table["performance"], [1, 1.25, 2])
    np.testing.assert_allclose(table["relative_performance"], [1, 0.8, 0.5])
    assert table["relative_performance"][0] == 1.0
    np.testing.assert_allclose(table["generalization_gap"], [0.4, 0.2, 0.1])
    assert table["gap_rank"].tolist() == [3, 2, 1]
    assert table["pareto"].tolist() == [True, True, True]
    assert (table["flags"] == "").all()
    assert (table["packed_bytes"] == 1000).all()


def test_intervals_hold_the_figure_and_the_extremes_bound_them(table):
    assert table["r_low"][1] >= 2e-3
    assert table["r_high"][1] <= 8e-3
    assert table["r_low"][1] < table["r"][1] < table["r_high"][1]
    assert (table["relative_low"] <= table["relative_performance"]).all()


def test_greater_is_better_gives_the_plain_ratio():
    frames = [f.rename(columns={"rmse": "roc_auc", "mae": "pr_auc", "r2": "mcc"}) for f in (FLOAT, GOOD)]
    frames[0]["roc_auc"], frames[1]["roc_auc"] = 0.8, 0.72
    made = result(*frames)
    made.facts.update(kind="classification", metric="roc_auc")
    np.testing.assert_allclose(plain_table(made)["relative_performance"], [1, 0.9])


def test_aggregate_changes_r():
    skewed = rows("good", np.array([0.0, 0.0, 0.0, 8e-3]), 1.25, 0.2)
    assert plain_table(result(FLOAT, skewed))["r"][1] == pytest.approx(2e-3)
    assert plain_table(result(FLOAT, skewed), Aggregate.MEDIAN)["r"][1] == 0


def test_what_must_be_known_is_flagged_and_kept_off_the_front():
    unknown = rows("none", np.full(4, np.nan), 1.1, 0.1, rate=np.nan, reason="one candidate only")
    constant = rows("flat", 1e-1 * STEPS, 1.1, 0.0, constant=True)
    useless = rows("useless", 1e-1 * STEPS, 1.2, 0.0, r2=-0.1)
    table = plain_table(result(FLOAT, GOOD, unknown, constant, useless)).set_index("quantizer")
    assert table.loc["none", "flags"] == "r unknown in 4 of 4 runs (one candidate only)"
    assert "constant predictions in 4 of 4 runs" in table.loc["flat", "flags"]
    assert table.loc["useless", "flags"].startswith("no skill (r2")
    assert table["pareto"].to_dict() == {
        "float32": True, "good": True, "none": False, "flat": False, "useless": False
    }  # fmt: skip
    assert np.isnan(table.loc["none", "r"])
    assert pd.isna(table.loc["none", "privacy_rank"])
    assert pd.isna(table.loc[["flat", "useless"], ["privacy_rank", "gap_rank"]]).all(axis=None)
    assert table.loc["flat", "r"] > 0  # for reading


def test_a_minority_of_runs_makes_no_r():
    few = rows(
        "few", np.array([1e-2, np.nan, np.nan, np.nan]), 1.1, 0.1, reason=["", *["one candidate only"] * 3]
    )
    row = plain_table(result(FLOAT, GOOD, few)).set_index("quantizer").loc["few"]
    assert np.isnan(row[["r", "r_low", "r_high", "rank_stability"]].astype(float)).all()
    assert pd.isna(row["privacy_rank"])
    assert row["flags"] == "r unknown in 3 of 4 runs (one candidate only); too few of them for an r"


def test_an_infinite_rate_is_unknown():
    row = plain_table(result(FLOAT, rows("q", np.array([np.inf, 1e-2, 1e-2, 1e-2]), 1.1, 0.1))).iloc[1]
    assert row["r"] == pytest.approx(1e-2)
    assert row["runs_without_r"] == 1


@pytest.mark.parametrize("lost", ["a run", "a column", "the reference"])
def test_a_result_that_is_not_whole_is_named(lost):
    made = result(FLOAT, GOOD)
    whole = made.rows
    made = CellResult(
        {
            "a run": whole.iloc[:-1],
            "a column": whole.drop(columns="zeros"),
            "the reference": whole[whole["quantizer"] != "float32"],
        }[lost],
        made.facts,
    )
    with pytest.raises(DataError, match="run the cell again"):
        plain_table(made)


def test_flags_of_the_contract_stand_in_the_table():
    made = result(FLOAT, GOOD)
    made.facts["quantizer_flags"] = {"good": ["ends on a single level"]}
    assert plain_table(made)["flags"].tolist() == ["", "ends on a single level"]
