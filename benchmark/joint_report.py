"""Several published versions of one model: ``joint_release.csv``, and what they add to float32 alone."""

import pandas as pd

from benchmark.attack_report import attack_figures
from benchmark.attack_table import Tried
from benchmark.cell_runs import REFERENCE, CellRuns
from benchmark.privacy.ranking import percentile_interval

#: Name of the release of all versions.
ALL = "all"
#: Name of the attack on one version alone: with one version both attacks on several are LiRA.
ALONE = "lira"
_KEYS = ["release", "versions", "attack"]


def joint_frame(runs: CellRuns) -> pd.DataFrame:
    """Return the figures of every release and attack: what ``joint_release.csv`` holds.

    Parameters
    ----------
    runs : CellRuns
        A measured cell.

    Returns
    -------
    DataFrame
        The columns of ``joint_release.csv`` in docs/columns.md; empty where none was tried.
    """
    if runs.joint_release is None:
        return pd.DataFrame()
    members = int(str(runs.facts["members"]))
    rows = []
    for keys, own in runs.joint_release.groupby(_KEYS, sort=False):
        row: dict[str, object] = dict(zip(_KEYS, keys, strict=True))
        reason = str(own["reason"].iloc[0])
        if not reason:
            row |= attack_figures(Tried.of(own), members) | _added(runs, own)
        rows.append(row | {"reason": reason})
    frame = pd.DataFrame(rows)
    return frame[[name for name in frame.columns if name != "reason"] + ["reason"]]


def _added(runs: CellRuns, own: pd.DataFrame) -> dict[str, object]:
    """Return how much more AUC a release has than float32 alone, paired by runs."""
    if runs.joint_release is None:
        return {}
    alone = runs.joint_release[(runs.joint_release["attack"] == ALONE) & (runs.joint_release["reason"] == "")]
    if not len(alone):
        return {}
    more = Tried.of(own).auc.of_runs - Tried.of(alone).auc.of_runs
    low, high = percentile_interval(more[runs.drawn].mean(1))
    return {"auc_added": more.mean(), "auc_added_low": float(low), "auc_added_high": float(high)}


def joint_text(runs: CellRuns) -> list[str]:
    """Say how much all versions together add to float32 alone."""
    frame = joint_frame(runs)
    if not len(frame) or "auc" not in frame:
        return []
    rows = frame[frame["reason"] == ""].set_index(["release", "attack"])
    if (ALL, "joint") not in rows.index:
        return []
    whole, summed, alone = rows.loc[(ALL, "joint")], rows.loc[(ALL, "sum")], rows.loc[(REFERENCE, ALONE)]
    added, low, high = (whole[f"auc_added{end}"] for end in ("", "_low", "_high"))
    found = "no more is found than" if low <= 0 else "more is found than"
    return [
        f"Joint release of all {whole['versions']} versions of one model: {found} in float32 alone "
        f"(LiRA AUC {alone['auc']:.3f}): joint Gaussian {whole['auc']:.3f}, difference {added:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]; sum of log-likelihood ratios {summed['auc']:.3f}."
    ]
