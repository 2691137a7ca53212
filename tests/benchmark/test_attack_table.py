"""The columns that attacks fill, the order they give, and attacks.csv, from figures made by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.attack_report import attack_frame
from benchmark.attack_table import ATTACK_FIGURES, LIRA, order_by
from benchmark.cell_runs import CellRuns
from benchmark.notes import notes
from benchmark.privacy.membership import clopper_pearson
from benchmark.report import Report
from benchmark.results import CellResult
from benchmark.tables import summarise
from tests.benchmark.test_tables import COARSE, FLOAT, GOOD, result

#: Figures of four runs around a mean: their standard error is 0.005.
WOBBLE = np.array([-1.0, 1.0, -1.0, 1.0]) * 0.005 * np.sqrt(3)


def attack_rows(
    quantizer: str, attack: str, auc: float, advantage: float, shadows: str = "matched", tpr: float = 0.05
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "quantizer": quantizer,
            "attack": attack,
            "shadows": shadows,
            "run": range(4),
            "reason": "",
            "auc": auc + WOBBLE,
            "advantage": advantage + WOBBLE,
            "auc_record_error": 0.0,
            "advantage_record_error": 0.012,
            "tpr_10": 4 * tpr,
            "tpr_1": tpr,
            "tpr_0.1": np.nan,
        }
    )


def untried(quantizer: str, attack: str, reason: str) -> pd.DataFrame:
    return pd.DataFrame(
        [{"quantizer": quantizer, "attack": attack, "shadows": "matched", "run": -1, "reason": reason}]
    )


ATTACKS = pd.concat(
    [
        attack_rows("float32", LIRA, 0.7, 0.30, tpr=0.1),
        attack_rows("float32", "loss", 0.6, 0.15),
        attack_rows("good", LIRA, 0.6, 0.15),
        attack_rows("good", LIRA, 0.55, 0.05, "mismatched"),
        attack_rows("good", "loss", 0.58, 0.16),
        attack_rows("coarse", LIRA, 0.501, 0.001, tpr=0.01),
        untried("coarse", "loss", "constant scores"),
    ],
    ignore_index=True,
)


def attacked() -> CellResult:
    base = result(FLOAT, GOOD, COARSE)
    facts = base.facts | {"members": 200, "exchangeability": {"auc": 0.505, "error": 0.01}}
    facts |= {"runs": 4, "pool": 400, "test": 100, "split": "random"}
    return CellResult(base.rows, facts, ATTACKS)


def test_columns_by_hand():
    table = summarise(attacked()).set_index("quantizer")
    np.testing.assert_allclose(table["lira_auc"], [0.7, 0.6, 0.501])
    np.testing.assert_allclose(table["lira_auc_high"] - table["lira_auc"], 1.96 * 0.005, rtol=1e-3)
    np.testing.assert_allclose(table["lira_auc_mismatched"], [np.nan, 0.55, np.nan])
    np.testing.assert_allclose(table["mis_bound"], [0.70, 0.84, 0.999])
    assert table["strongest_attack"].tolist() == [LIRA, "loss", LIRA]
    # one-sided: of three attacks the level is 5 % / 3, the error that of runs and records
    error = np.hypot(0.005, 0.012)
    sure = 0.16 - stats.norm.ppf(1 - 0.05 / 3) * error
    assert table.loc["good", "mis_bound_high"] == pytest.approx(1 - sure)
    assert table.loc["good", "mis_bound_low"] == pytest.approx(0.84 - stats.norm.ppf(0.95) * error)
    assert table.loc["coarse", "mis_bound_high"] == 1.0
    np.testing.assert_allclose(table["tpr_at_1pct"], [0.1, 0.05, 0.01])
    assert tuple(table.loc["good", ["tpr_at_1pct_low", "tpr_at_1pct_high"]]) == clopper_pearson(0.05, 200)
    assert table["attack_verdict"].tolist() == ["leaks", "leaks", "not distinguishable from chance"]
    assert table["exchangeability_auc"].tolist() == [0.505] * 3
    assert not table["confounded"].any()


def test_without_attacks_the_columns_are_empty():
    table = summarise(result(FLOAT, GOOD))
    assert table[list(ATTACK_FIGURES)].isna().all(axis=None)
    assert set(table["attack_verdict"]) == {"not tried"}


def test_why_nothing_was_found_is_the_verdict():
    made = attacked()
    rows = pd.concat([untried("float32", LIRA, "4 runs are too few: it takes 8"), *(
        attack_rows(name, LIRA, 0.6, 0.1) for name in ("good", "coarse"))])  # fmt: skip
    table = summarise(CellResult(made.rows, made.facts, rows)).set_index("quantizer")
    assert table.loc["float32", "attack_verdict"] == "4 runs are too few: it takes 8"
    assert np.isnan(table.loc["float32", "mis_bound"])


def test_other_attacks_are_told_of_where_lira_has_too_few_runs():
    made, few = attacked(), "4 runs are too few: it takes 8"
    names = ("float32", "good", "coarse")
    rows = [untried(name, LIRA, few) for name in names] + [
        attack_rows(name, "loss", 0.6, 0.2) for name in names
    ]
    runs = CellRuns(CellResult(made.rows, made.facts, pd.concat(rows)))
    said = " ".join(notes(runs, summarise(CellResult(made.rows, made.facts, pd.concat(rows))), 0.02, "RMSE"))
    assert f"LiRA gave no figures: {few}. MIS ≤ 1 - the largest advantage of 1 attacks" in said
    assert "Attacks gave no figures" not in said


def test_order_against_lira():
    runs = CellRuns(attacked())
    for figure in ("r", "gap"):
        order = order_by(figure, ATTACKS, runs)
        assert order is not None
        assert order.spearman[0] == order.kendall[0] == 1.0
        assert order.regret == (0.0, 0.0, 0.0)
    swapped = ATTACKS.assign(
        quantizer=ATTACKS["quantizer"].replace({"float32": "coarse", "coarse": "float32"})
    )
    order = order_by("gap", swapped, runs)
    assert order is not None
    assert order.spearman[0] == order.kendall[0] == -1.0
    assert order.regret[0] == pytest.approx(0.7 - 0.501)


def test_order_of_two_is_no_order():
    base = attacked()
    keep = base.rows["quantizer"] != "coarse"
    runs = CellRuns(CellResult(base.rows[keep].reset_index(drop=True), base.facts, ATTACKS))
    assert order_by("gap", ATTACKS, runs) is None


def test_attacks_csv_has_a_row_for_everything_tried():
    frame = attack_frame(CellRuns(attacked()))
    assert len(frame) == 7
    row = frame[(frame["quantizer"] == "good") & (frame["attack"] == "loss")].iloc[0]
    assert row["auc"] == pytest.approx(0.58)
    assert row["balanced_accuracy"] == pytest.approx(0.58)
    assert row["tpr_10pct"] == pytest.approx(0.2)
    assert np.isnan(row["tpr_0.1pct"])
    assert row["unresolvable"] == "0.1%"
    assert row["leaks"]
    told = frame[frame["reason"] != ""].iloc[0]
    assert (told["quantizer"], told["reason"], told["leaks"]) == ("coarse", "constant scores", False)


def test_sentences(tmp_path):
    made = attacked()
    made.facts["exchangeability"] = {"auc": 0.7, "error": 0.01}
    report = Report.of(made)
    said = "\n".join(notes(report.runs, report.table, 0.02, "RMSE"))
    assert "No attack tells members of these from chance (Holm, 5 %): coarse." in said
    assert "members from non-members by their embeddings alone (AUC 0.70)" in said
    assert "Order by each against matched LiRA: r: Spearman 1.00" in said
    head = report.markdown().splitlines()[2]
    for column in ("LiRA AUC", "mismatched", "MIS ≤", "TPR@1%"):
        assert column in head
    names = [path.name for path in report.write(tmp_path)]
    assert "attacks.csv" in names
    assert len(pd.read_csv(tmp_path / "attacks.csv")) == 7


def test_columns_that_nothing_fills_are_not_shown():
    base = result(FLOAT, GOOD)
    base.facts.update(runs=4, pool=400, test=100, split="random")
    assert "LiRA AUC" not in Report.of(base).markdown()


def test_a_rate_too_small_for_the_non_members_is_unresolvable():
    made = attacked()
    rows = ATTACKS.assign(tpr_1=np.nan)
    assert "unresolvable" in Report.of(CellResult(made.rows, made.facts, rows)).markdown()
