"""One panel a configuration: r against the bound on MIS, a point a quantizer with both intervals."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

#: Panels in a row.
COLUMNS = 4
_MARKERS = "oooooPPPPDDs"


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the figure.

    Parameters
    ----------
    rows : DataFrame
        Those of ``fig2.csv``.
    """
    names = list(dict.fromkeys(rows["configuration"]))
    quantizers = list(dict.fromkeys(rows["quantizer"]))
    colours = sns.color_palette("viridis", len(quantizers))
    deep = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 3.15 * deep + 0.7), layout="constrained")
    axes = figure.subplots(deep, COLUMNS, squeeze=False).ravel()
    for panel, name in zip(axes, names, strict=False):
        own = rows[rows["configuration"] == name].set_index("quantizer")
        for quantizer, colour, marker in zip(quantizers, colours, _MARKERS * 4, strict=False):
            _point(panel, own.loc[quantizer], colour, marker, quantizer)
        first = own.iloc[0]
        panel.set_title(
            f"{name}\nSpearman of r {first['spearman']:.2f}, plain {first['spearman_plain']:.2f},\n"
            f"gap {first['spearman_gap']:.2f}, gap / deviation {first['spearman_gap_deviation']:.2f}",
            fontsize=8.5,
            loc="left",
        )
        panel.tick_params(labelsize=7)
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    figure.supxlabel("r × 10⁴: membership effect, 95 % interval  (right = more private)", fontsize=9)
    figure.supylabel("MIS ≤ by attacks, one-sided 95 % limits", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    return figure


def _point(panel: Any, row: pd.Series, colour: Any, marker: str, label: str) -> None:
    x, y = 1e4 * row["r"], row["mis_bound"]
    across = np.abs([[x - 1e4 * row["r_low"]], [1e4 * row["r_high"] - x]])
    up = np.abs([[y - row["mis_bound_low"]], [row["mis_bound_high"] - y]])
    panel.errorbar(x, y, xerr=across, yerr=up, fmt=marker, ms=5, elinewidth=0.7, color=colour, label=label)
