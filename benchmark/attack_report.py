"""Every attack on every quantizer, one row each: what ``attacks.csv`` holds."""

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.attack_table import Tried, tried
from benchmark.cell_runs import CellRuns
from benchmark.privacy.membership import RATES, above_chance, clopper_pearson, holm

_TWO_SIDED = float(stats.norm.ppf(0.975))


def attack_frame(runs: CellRuns) -> pd.DataFrame:
    """Return the figures of every attack, with intervals over runs and records.

    Parameters
    ----------
    runs : CellRuns
        A measured cell.

    Returns
    -------
    DataFrame
        One row per quantizer, attack and kind of shadows; empty where none was tried. The columns are
        those of ``attacks.csv`` in docs/columns.md.
    """
    if runs.attacks is None:
        return pd.DataFrame()
    rows = [row for name in runs.names for row in _of_quantizer(runs, runs.attacks, name)]
    frame = pd.DataFrame(rows)
    frame["leaks"] = holm(frame["p_value"].to_numpy(dtype=float))
    return frame[[name for name in frame.columns if name != "reason"] + ["reason"]]


def _of_quantizer(runs: CellRuns, attacks: pd.DataFrame, name: str) -> list[dict[str, object]]:
    members = int(str(runs.facts["members"]))
    rows = []
    for shadows in ("matched", "mismatched"):
        for attack, found in tried(attacks, name, shadows).items():
            head = {"quantizer": name, "attack": attack, "shadows": shadows}
            rows.append(head | attack_figures(found, members) | {"reason": ""})
    untried = attacks[(attacks["quantizer"] == name) & (attacks["reason"] != "")]
    for _, row in untried.iterrows():
        rows.append({"quantizer": name, **{key: row[key] for key in ("attack", "shadows", "reason")}})
        rows[-1]["p_value"] = np.nan
    return rows


def attack_figures(found: Tried, members: int) -> dict[str, object]:
    """Return the figures of one attack with their intervals, by column.

    Parameters
    ----------
    found : Tried
        Figures of every run.
    members : int
        Members of one run: how many true-positive rates are rates of.
    """
    row: dict[str, object] = {}
    for name, figure in (("auc", found.auc), ("advantage", found.advantage)):
        reach = _TWO_SIDED * figure.error
        row |= {name: figure.mean, f"{name}_low": figure.mean - reach, f"{name}_high": figure.mean + reach}
    row["balanced_accuracy"] = (1 + found.advantage.mean) / 2
    unresolvable = []
    for rate in RATES:
        name = f"tpr_{100 * rate:g}"
        value = found.tpr[name].mean
        low, high = clopper_pearson(value, members)
        row |= {f"{name}pct": value, f"{name}pct_low": low, f"{name}pct_high": high}
        if np.isnan(value):
            unresolvable.append(f"{100 * rate:g}%")
    row["unresolvable"] = " ".join(unresolvable)
    row["p_value"] = above_chance(found.auc, 0.5)
    return row
