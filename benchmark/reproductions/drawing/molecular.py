"""One panel a task: r against relative performance, a colour a quantizer and a marker an encoder."""

import re
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

#: Panels in a row.
COLUMNS = 4
_MARKERS = "osD^vPX*"


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the figure.

    Parameters
    ----------
    rows : DataFrame
        Those of ``fig3.csv`` or ``fig4.csv``.
    """
    tasks, encoders, quantizers = (list(dict.fromkeys(rows[c])) for c in ("task", "encoder", "quantizer"))
    colours = _colours(quantizers)
    markers = dict(zip(encoders, _MARKERS * len(encoders), strict=False))
    across = min(COLUMNS, len(tasks))
    deep = -(-len(tasks) // across)
    figure = Figure(figsize=(3.3 * across + 0.4, 3.0 * deep + 1.3), layout="constrained")
    axes = figure.subplots(deep, across, squeeze=False).ravel()
    for panel, task in zip(axes, tasks, strict=False):
        own = rows[rows["task"] == task]
        for _, row in own.iterrows():
            _point(panel, row, colours[row["quantizer"]], markers[row["encoder"]])
        panel.axvline(1, color="0.8", lw=0.8, zorder=0)
        panel.set_title(task, fontsize=9, loc="left")
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.tick_params(which="both", labelsize=7)
    for panel in axes[len(tasks) :]:
        panel.set_visible(False)
    figure.supxlabel("performance relative to float32, 95 % interval", fontsize=9)
    figure.supylabel("r × 10⁴ (up = more private)\nhollow: no effect told from none", fontsize=9)
    shown = [Line2D([], [], color=colours[q], marker="o", ls="", label=q) for q in quantizers]
    shown += [Line2D([], [], color="0.4", marker=markers[e], ls="", label=e) for e in encoders]
    figure.legend(
        handles=shown, loc="outside upper center", ncols=max(2, 2 * across), fontsize=7.5, frameon=False
    )
    return figure


def _colours(quantizers: list[str]) -> dict[str, Any]:
    """Return a colour of each quantizer: shades of one hue for those of a family, in the order given."""
    by_family: dict[str, list[str]] = {}
    for name in quantizers:
        by_family.setdefault(re.split(r"[-:]", name)[0], []).append(name)
    hues = sns.color_palette("colorblind", len(by_family))
    found: dict[str, Any] = {}
    for hue, members in zip(hues, by_family.values(), strict=True):
        shades = sns.light_palette(hue, len(members) + 2)[2:]
        found |= dict(zip(members, reversed(shades), strict=True))
    return found


def _point(panel: Any, row: pd.Series, colour: Any, marker: str) -> None:
    if pd.isna(row["r"]):
        return
    x, y = row["relative_performance"], 1e4 * row["r"]
    panel.plot([row["relative_low"], row["relative_high"]], [y, y], color=colour, lw=0.7)
    panel.plot([x, x], [1e4 * row["r_low"], 1e4 * row["r_high"]], color=colour, lw=0.7)
    hollow = bool(row["below_resolution"])
    panel.plot(x, y, marker, ms=5, color=colour, mfc="white" if hollow else colour)
