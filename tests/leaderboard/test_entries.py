"""The standing of quantizers, worked out by hand.

Three tasks, one cell each; r and relative performance (float32 is 1 everywhere):

    quantizer   alpha        beta         gamma        places by r (larger is better)
    float32     1   1.0      1   1.0      1   1.0      3, 3, 3
    half        2   0.9      3   0.8      2   0.9      2, 1, 2
    coarse      3   0.5      2   0.6      3   0.7      1, 2, 1

Shares of the two others that are beaten: float32 0, 0, 0; half 1/2, 1, 1/2; coarse 1, 1/2, 1.
"""

import numpy as np
import pandas as pd
import pytest

from leaderboard.entries import ENTRY_COLUMNS, WIN_COLUMNS, column_titles, entries, wide_table, win_table
from leaderboard.status import Status, with_status

R = {"float32": (1, 1, 1), "half": (2, 3, 2), "coarse": (3, 2, 3)}
RELATIVE = {"float32": (1.0, 1.0, 1.0), "half": (0.9, 0.8, 0.9), "coarse": (0.5, 0.6, 0.7)}
TASKS = ("alpha", "beta", "gamma")


def row(task: str, quantizer: str, r: float, relative: float, **changes: object) -> dict[str, object]:
    made: dict[str, object] = {
        "task": task, "encoder": "gin", "quantizer": quantizer, "scope": "head", "setting": f"of {task}",
        "cell": f"cell of {task}", "code": "c", "measured": "", "r": r, "below_resolution": False,
        "indicator": "membership", "confounded": False, "constant_share": 0.0, "no_skill": False, "flags": "",
        "mis_bound": 0.5 + r / 10, "lira_auc": 0.9 - r / 10, "relative_performance": relative, "bits": 4.0,
        "entropy_bits": 3.5, "source": "built-in", "author": "", "verified": "", "runs": 16, "seed": 0,
        "split": "random",
    }  # fmt: skip
    return made | changes


def frame(*further: dict[str, object], without: tuple[tuple[str, str], ...] = ()) -> pd.DataFrame:
    """The board above, without some of its rows, and with further ones."""
    rows = [
        row(task, name, r, RELATIVE[name][place])
        for name, figures in R.items()
        for place, (task, r) in enumerate(zip(TASKS, figures, strict=True))
        if (task, name) not in without
    ]
    return with_status(pd.DataFrame([*rows, *further]))


def stand(board: pd.DataFrame) -> pd.DataFrame:
    return entries(board).set_index("quantizer")


def test_by_hand():
    made = entries(frame())
    assert tuple(made.columns) == ENTRY_COLUMNS
    assert made["quantizer"].tolist() == ["coarse", "half", "float32"]
    assert made["privacy_rank"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(made["privacy"], [5 / 6, 2 / 3, 0])
    np.testing.assert_allclose(made["mean_rank"], [4 / 3, 5 / 3, 3])
    np.testing.assert_allclose(made["borda"], [5, 4, 0])
    assert made["performance_rank"].tolist() == [3, 2, 1]
    np.testing.assert_allclose(made["relative_performance"], [0.6, 2.6 / 3, 1])
    assert made["pareto_layer"].tolist() == [1, 1, 1]
    np.testing.assert_allclose(made["mis_bound"], [0.5 + 0.8 / 3, 0.5 + 0.7 / 3, 0.6])
    np.testing.assert_allclose(made["lira_auc"], [0.9 - 0.8 / 3, 0.9 - 0.7 / 3, 0.8])
    np.testing.assert_allclose(made["smallest_mis_bound"], [0.7, 0.7, 0.6])
    assert made["smallest_mis_bound_in"].tolist()[:2] == [
        "beta.gin.16-runs.seed-0",
        "alpha.gin.16-runs.seed-0",
    ]
    assert made["partial"].tolist() == [False] * 3
    assert made[["cells", "ranked_cells", "block_cells"]].to_numpy().tolist() == [[3] * 3] * 3
    assert made[["missing", "degenerate", "flagged", "outdated"]].to_numpy().sum() == 0
    assert (made["privacy_low"] <= made["privacy"]).all()
    assert (made["privacy_rank_high"] >= made["privacy_rank"]).all()


def test_a_quantizer_that_is_worse_in_both_is_a_layer_below():
    further = [row(task, "worse", 0.5, 0.4) for task in TASKS]
    made = stand(frame(*further))
    assert made["pareto_layer"].to_dict() == {"coarse": 1, "half": 1, "float32": 1, "worse": 2}


def test_a_partial_entry_is_ranked_on_its_cells_and_moves_nobody_else():
    before = stand(frame())
    # on alpha and beta: beats half and float32, then float32 only
    made = stand(frame(row("alpha", "guest", 2.5, 0.95), row("beta", "guest", 1.5, 0.85)))
    pd.testing.assert_frame_equal(made.drop("guest").drop(columns="missing"), before.drop(columns="missing"))
    guest = made.loc["guest"]
    assert guest["partial"]
    assert guest[["cells", "missing", "ranked_cells", "block_cells"]].tolist() == [2, 1, 2, 3]
    assert guest["privacy"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    # shares among the four on alpha and beta: coarse 1, 2/3; half 1/3, 1; guest 2/3, 1/3; float32 0, 0
    assert guest["privacy_rank"] == 3
    assert guest["mean_rank"] == pytest.approx(2.5)
    # relative performance there: float32 1, guest 0.9, half 0.85, coarse 0.55
    assert guest["performance_rank"] == 2
    assert guest["pareto_layer"] == 1
    assert np.isnan(guest["borda"])
    assert pd.isna(guest["privacy_rank_low"])


def test_a_quantizer_that_has_no_cell_of_the_block_is_shown_without_a_rank():
    far = [row("delta", name, 1.0, 1.0) for name in ("float32", "elsewhere")]
    made = stand(frame(*far))
    assert pd.isna(made.loc["elsewhere", "privacy_rank"])
    assert np.isnan(made.loc["elsewhere", "privacy"])
    assert made.loc["elsewhere", ["cells", "missing", "ranked_cells"]].tolist() == [1, 3, 0]
    assert made.index[-1] == "elsewhere"
    assert made.loc["coarse", "missing"] == 1


def test_a_missing_cell_makes_partial_and_is_never_filled_in():
    made = stand(frame(without=(("alpha", "coarse"), ("beta", "coarse"))))
    # the block is float32 and half on three tasks: 6 figures, not 3 on one
    assert made["partial"].to_dict() == {"half": False, "float32": False, "coarse": True}
    assert made.loc["half", "privacy"] == 1
    assert made.loc["coarse", ["privacy", "privacy_rank", "missing"]].tolist() == [1.0, 1, 2]
    assert made.loc["coarse", "relative_performance"] == pytest.approx(0.7)


def test_a_useless_model_is_the_least_private():
    board = frame(without=(("beta", "coarse"),))
    useless = row("beta", "coarse", 99.0, 0.1, no_skill=True, mis_bound=1.0)
    made = stand(with_status(pd.concat([board, pd.DataFrame([useless])]).drop(columns="status")))
    assert made.loc["coarse", "degenerate"] == 1
    assert not made.loc["coarse", "partial"]
    np.testing.assert_allclose(made.loc["coarse", "privacy"], (1 + 0 + 1) / 3)
    np.testing.assert_allclose(made.loc["half", "privacy"], (1 / 2 + 1 + 1 / 2) / 3)
    np.testing.assert_allclose(made.loc["float32", "privacy"], (0 + 1 / 2 + 0) / 3)
    assert made.loc["coarse", "mis_bound"] == pytest.approx(
        0.8
    )  # not of the useless model, which attacks miss
    assert made.loc["coarse", "attacked"] == 2
    assert made.loc["coarse", "relative_performance"] == pytest.approx((0.5 + 0.1 + 0.7) / 3)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"no_skill": True}, "without_reference"),
        ({"confounded": True}, "confounded"),
    ],
)
def test_cells_that_count_for_nobody(changes, count):
    bad = [row("delta", name, 9.0 - place, 0.1, **changes) for place, name in enumerate(R)]
    made, before = stand(frame(*bad)), stand(frame())
    assert made[count].tolist() == [1, 1, 1]
    same = [name for name in before if name not in (count, "cells")]
    pd.testing.assert_frame_equal(made[same], before[same])


def test_ties_share_a_rank():
    board = frame(*(row(task, "twin", r, 0.9) for task, r in zip(TASKS, R["half"], strict=True)))
    made = stand(board)
    assert made.loc["half", "privacy_rank"] == made.loc["twin", "privacy_rank"] == 2
    assert made.loc["float32", "privacy_rank"] == 4
    assert made.loc["half", "privacy"] == pytest.approx(
        (0.5 / 3 + 1 / 3 + (2.5 + 0) / 3 + 0.5 / 3 + 1 / 3) / 3
    )


def test_scopes_are_not_ranked_together():
    model = [row(task, name, r, 1.0, scope="model", setting=f"model of {task}", cell=f"m {task}")
             for task in TASKS for name, r in (("float32", 1.0), ("coarse", 2.0))]  # fmt: skip
    made = entries(frame(*model))
    assert made["scope"].tolist() == ["head"] * 3 + ["model"] * 2
    pd.testing.assert_frame_equal(made[made["scope"] == "head"], entries(frame()), check_dtype=False)
    assert made.loc[3:, "quantizer"].tolist() == ["coarse", "float32"]
    assert set(win_table(frame(*model))["scope"]) == {"head", "model"}


def test_nothing_that_counts_is_a_board_without_ranks():
    board = with_status(pd.DataFrame([row("alpha", name, np.nan, np.nan, no_skill=True) for name in R]))
    made = entries(board)
    assert made["privacy_rank"].isna().all()
    assert made["block_cells"].tolist() == [0, 0, 0]


def test_the_reference_alone_stands_first_of_one():
    board = with_status(pd.DataFrame([row("alpha", "float32", 1.0, 1.0)]))
    made = entries(board).iloc[0]
    assert made["privacy_rank"] == 1
    assert np.isnan(made["privacy"])
    assert made["mean_rank"] == 1


def test_mean_rank_borda_and_privacy_say_the_same_on_a_whole_board():
    rng = np.random.default_rng(0)
    names = ["float32", *(f"q{number}" for number in range(6))]
    rows = [row(f"t{task}", name, rng.integers(1, 5), rng.uniform()) for task in range(9) for name in names]
    made = entries(with_status(pd.DataFrame(rows)))
    np.testing.assert_allclose(made["mean_rank"], 1 + 6 * (1 - made["privacy"]))
    np.testing.assert_allclose(made["borda"], 9 * 6 * made["privacy"])


def test_wins_by_hand():
    made = win_table(frame())
    assert tuple(made.columns) == WIN_COLUMNS
    assert len(made) == 6
    rates = made.set_index(["quantizer", "opponent"])
    assert rates.loc[("half", "coarse"), "privacy_win_rate"] == pytest.approx(1 / 3)
    assert rates.loc[("coarse", "half"), "privacy_win_rate"] == pytest.approx(2 / 3)
    assert rates.loc[("half", "coarse"), "performance_win_rate"] == 1
    assert rates.loc[("float32", "half"), "privacy_win_rate"] == 0


def test_wide_shows_what_is_missing():
    made = wide_table(frame(without=(("beta", "half"),))).set_index("quantizer")
    title = "{}.gin.16-runs.seed-0.{}".format
    assert made.loc["coarse", title("beta", "r")] == 2
    assert made.loc["coarse", title("beta", "relative_performance")] == 0.6
    assert made.loc["coarse", title("beta", "status")] == "counted"
    assert np.isnan(made.loc["half", title("beta", "r")])
    assert made.loc["half", title("beta", "status")] == "missing"
    assert list(made.columns[:4]) == ["scope", "source", "author", "verified"]
    assert len(made.columns) == 4 + 3 * 3


def test_titles_tell_cells_apart():
    board = frame(row("alpha", "float32", 1, 1, setting="other heads", cell="x"))
    titles = column_titles(board)
    assert len(set(titles.values())) == len(titles) == 4
    assert titles["of beta"] == "beta.gin.16-runs.seed-0"
    assert titles["other heads"].startswith("alpha.gin.16-runs.seed-0.random.")


# what rows count for


def statuses(*rows: dict[str, object]) -> list[str]:
    return with_status(pd.DataFrame(rows))["status"].tolist()


REFERENCE = row("alpha", "float32", 1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.COUNTED),
        ({"flags": "reads members"}, Status.FLAGGED),
        ({"r": np.nan, "flags": "too few"}, Status.UNKNOWN),
        ({"constant_share": 0.6, "flags": "constant"}, Status.DEGENERATE),
        ({"no_skill": True, "r": np.nan}, Status.DEGENERATE),
        ({"confounded": True, "no_skill": True}, Status.CONFOUNDED),
    ],
)
def test_status_of_a_row(changes, status):
    assert statuses(REFERENCE, row("alpha", "q", 2.0, 0.9) | changes)[1] == status


def test_a_cell_whose_reference_has_no_skill():
    assert statuses(REFERENCE | {"no_skill": True}, row("alpha", "q", 2.0, 0.9)) == [Status.NO_REFERENCE] * 2


def test_only_the_newest_code_counts():
    old = row("beta", "q", 2.0, 0.9, code="old", measured="2026-01-01")
    new = row("alpha", "q", 2.0, 0.9, code="new", measured="2026-02-01")
    board = [REFERENCE, old, new]
    assert statuses(*board) == [Status.COUNTED, Status.OUTDATED, Status.COUNTED]
    made = stand(with_status(pd.DataFrame(board)))
    assert made.loc["q", ["cells", "outdated"]].tolist() == [1, 1]


def test_of_equally_new_code_that_of_most_cells_counts():
    rows = [row(task, "q", 2.0, 0.9, code=code) for task, code in zip(TASKS, "aba", strict=True)]
    assert statuses(*rows)[1] == Status.OUTDATED


def test_a_measurement_in_two_files_counts_once():
    both = [row("alpha", "float32", 1.0, 1.0, cell="small"), row("alpha", "float32", 1.0, 1.0, cell="large")]
    more = row("alpha", "q", 2.0, 0.9, cell="large")
    assert statuses(*both, more) == [
        Status.REPEATED,
        Status.COUNTED,
        Status.COUNTED,
    ]  # that of the larger cell
    newer = both[0] | {"measured": "2026-01-01"}
    assert statuses(newer, both[1], more) == [Status.COUNTED, Status.REPEATED, Status.COUNTED]
    attacked = both[1] | {"mis_bound": 0.9}
    untried = newer | {"mis_bound": np.nan}
    assert statuses(untried, attacked, more) == [Status.REPEATED, Status.COUNTED, Status.COUNTED]


def test_quantizers_of_two_files_of_one_setting_are_ranked_together():
    apart = frame(*(row(task, "mine", 9.0, 0.95, cell=f"later {task}") for task in TASKS),
                  *(row(task, "float32", 1.0, 1.0, cell=f"later {task}") for task in TASKS))  # fmt: skip
    made = stand(apart)
    assert made["partial"].tolist() == [False] * 4
    assert made.index[0] == "mine"
    assert made.loc["mine", "privacy"] == 1


@pytest.mark.parametrize(("indicator", "place"), [("membership", 1), ("plain", 2)])
def test_figures_beyond_the_resolution_are_tied(indicator, place):
    """No effect is told from none: the most private. No rate is told from 0: the least."""
    figures = {"float32": 1.0, "a": 2.0, "b": 2.1}
    board = [
        row("alpha", name, r, 1.0, indicator=indicator, below_resolution=name != "float32")
        for name, r in figures.items()
    ]
    made = stand(with_status(pd.DataFrame(board)))
    assert made.loc["a", "privacy_rank"] == made.loc["b", "privacy_rank"] == place
