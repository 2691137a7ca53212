"""Small multiples of the quantization functions: one panel a quantizer, both conventions of scale in it."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

#: Panels in a row.
COLUMNS = 4
#: How the variant without a fitted scale is called.
UNSCALED = "-unscaled"


def draw(functions: pd.DataFrame) -> Figure:
    """Draw the functions.

    Parameters
    ----------
    functions : DataFrame
        See :func:`benchmark.reproductions.fig5.quantization_functions`.
    """
    of = {str(name): rows for name, rows in functions.groupby("quantizer", sort=False)}
    names = [name for name in of if not name.endswith(UNSCALED)]
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(2.5 * COLUMNS, 2.35 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    fitted, fixed = sns.color_palette("colorblind", 2)
    for panel, name in zip(axes, names, strict=False):
        panel.plot([-1, 1], [-1, 1], color="0.75", lw=0.8, zorder=0, label="float32: w itself")
        _steps(panel, of[name], color=fitted, lw=2.2, label="scale fitted to the matrix")
        if name + UNSCALED in of:
            _steps(panel, of[name + UNSCALED], color=fixed, lw=1.1, ls="--", label="levels fixed on [-1, 1]")
        panel.set_title(f"{name}  ·  {_told(of[name])}", fontsize=9, loc="left")
        panel.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlim=(-1.05, 1.05), ylim=(-1.12, 1.12))
        panel.set_aspect("equal")
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    handles = {
        label: line for panel in axes for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3, frameon=False)
    figure.supxlabel("weight w, spread evenly over [-1, 1]", fontsize=10)
    figure.supylabel("quantized weight Q(w)", fontsize=10)
    return figure


def _steps(panel: Any, rows: pd.DataFrame, **style: Any) -> None:
    """Draw a function; jumps as vertical lines, half-way between the two inputs they lie between."""
    x, y = rows["input"].to_numpy(), rows["output"].to_numpy()
    keep = np.flatnonzero(np.diff(y, prepend=np.nan, append=np.nan) != 0)  # ends of the flat pieces
    keep = np.unique([*keep[:-1], *np.maximum(keep - 1, 0)])
    if len(keep) < len(x):
        x, y = x[keep], y[keep]
    panel.plot(x, y, solid_joinstyle="miter", **style)


def _told(rows: pd.DataFrame) -> str:
    """Return what a panel is titled with: number of levels and share of zeros."""
    levels, zeros = rows["output"].nunique(), float((rows["output"] == 0).mean())
    if levels == len(rows):
        return "as it is"
    return f"{levels} levels, {zeros:{'.1%' if 0 < zeros < 0.01 else '.0%'}} at 0"
