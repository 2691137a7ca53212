"""joint_release.csv and its sentence, from figures made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.cell_runs import CellRuns
from benchmark.joint_report import joint_frame, joint_text
from benchmark.report import Report
from tests.benchmark.test_attack_table import WOBBLE, attack_rows, attacked


def release(name: str, attack: str, auc: float, versions: int) -> pd.DataFrame:
    rows = attack_rows("", attack, auc, 2 * auc - 1)
    return rows.assign(release=name, versions=versions).drop(columns=["quantizer", "shadows"])


def runs_of(all_auc: float) -> CellRuns:
    frames = [
        release("float32", "lira", 0.70, 1),
        release("float32 + good", "sum", 0.68, 2),
        release("float32 + good", "joint", 0.71, 2),
        release("all", "sum", 0.65, 3),
        release("all", "joint", all_auc, 3),
    ]
    untold = {"release": "float32 + coarse", "versions": 2, "attack": "sum", "run": -1}
    frames.append(pd.DataFrame([{**untold, "reason": "losses not finite"}]))
    return CellRuns(replace(attacked(), joint_release=pd.concat(frames, ignore_index=True)))


def test_columns_by_hand():
    frame = joint_frame(runs_of(0.72))
    assert len(frame) == 6
    rows = frame.set_index(["release", "attack"])
    whole = rows.loc[("all", "joint")]
    assert whole["versions"] == 3
    assert whole["auc"] == pytest.approx(0.72)
    assert whole["auc_high"] - whole["auc"] == pytest.approx(1.96 * 0.005, rel=1e-3)
    assert whole["advantage"] == pytest.approx(0.44)
    assert whole["tpr_1pct"] == pytest.approx(0.05)
    assert rows.loc[("float32", "lira"), "auc_added"] == 0.0
    assert rows.loc[("float32 + coarse", "sum"), "reason"] == "losses not finite"
    assert np.isnan(rows.loc[("float32 + coarse", "sum"), "auc"])


def test_what_is_added_is_paired_by_runs():
    runs = runs_of(0.72)
    assert runs.joint_release is not None
    rows = joint_frame(runs).set_index(["release", "attack"])
    # both wobble alike from run to run, so their difference does not wobble at all
    whole = rows.loc[("all", "joint")]
    for name in ("auc_added", "auc_added_low", "auc_added_high"):
        assert whole[name] == pytest.approx(0.02)
    frame = runs.joint_release
    own = (frame["release"] == "all") & (frame["attack"] == "joint")
    frame.loc[own, "auc"] = 0.72 - WOBBLE
    whole = joint_frame(runs).set_index(["release", "attack"]).loc[("all", "joint")]
    expected = np.quantile((0.02 - 2 * WOBBLE)[runs.drawn].mean(1), [0.025, 0.975])
    np.testing.assert_allclose([whole["auc_added_low"], whole["auc_added_high"]], expected)


def test_sentence_says_whether_more_is_found():
    (said,) = joint_text(runs_of(0.72))
    assert said == (
        "Joint release of all 3 versions of one model: more is found than in float32 alone (LiRA AUC 0.700): "
        "joint Gaussian 0.720, difference +0.020 [+0.020, +0.020]; sum of log-likelihood ratios 0.650."
    )
    (said,) = joint_text(runs_of(0.69))
    assert "no more is found than in float32 alone" in said
    assert "difference -0.010" in said


def test_without_figures_nothing_is_said():
    assert joint_text(CellRuns(attacked())) == []
    assert len(joint_frame(CellRuns(attacked()))) == 0
    untold = {"release": "float32", "versions": 1, "attack": "lira", "run": -1, "reason": "too few"}
    runs = CellRuns(replace(attacked(), joint_release=pd.DataFrame([untold])))
    assert joint_text(runs) == []
    assert joint_frame(runs)["reason"].tolist() == ["too few"]


def test_it_is_written(tmp_path):
    report = Report.of(attacked())
    report.runs.joint_release = runs_of(0.72).joint_release
    names = {path.name: path for path in report.write(tmp_path)}
    assert len(pd.read_csv(names["joint_release.csv"])) == 6
    assert any("Joint release of all 3" in note for note in report.notes())
