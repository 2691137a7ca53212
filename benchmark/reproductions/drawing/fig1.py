"""Spearman's curves of the indicators, heat maps of ranks, pies by quantizer and number of runs."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmark.rank_stability import Stability

#: Whose ranks are shown in pies and heat maps.
SHOWN = "membership effect"
#: Runs of the heat maps.
HEAT = (20, 50)
#: How far from its final rank a quantizer stands in a subset.
_SHADES = {
    "at its final rank": "#08519c",
    "in its final group": "#6baed6",
    "one rank outside of it": "#fdbe85",
    "farther": "#d94701",
}


def draw(stability: Stability, runs: int) -> Figure:
    """Draw the figure.

    Parameters
    ----------
    stability : Stability
        What subsets show.
    runs : int
        All runs, by which the final ranks are.
    """
    ranks = stability.ranks[stability.ranks["indicator"] == SHOWN]
    sizes = list(dict.fromkeys(ranks["runs"]))
    heat = [size for size in HEAT if size in sizes] or sizes[-1:]
    figure = Figure(figsize=(13.5, 11.5), layout="constrained")
    upper, lower = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=(1, 1.75))))
    panels = upper.subplots(1, 1 + len(heat), width_ratios=[1.35] + [1] * len(heat), squeeze=False)[0]
    _curves(panels[0], stability.subsets)
    for panel, size in zip(panels[1:], heat, strict=True):
        _heat(panel, ranks[ranks["runs"] == size], size, runs)
    _pies(lower, ranks, sizes)
    return figure


def _curves(panel: Any, subsets: pd.DataFrame) -> None:
    for colour, (name, own) in zip(
        sns.color_palette("colorblind"), subsets.groupby("indicator", sort=False), strict=False
    ):
        by = own.groupby("runs")["spearman"]
        middle, low, high = by.mean(), by.quantile(0.05), by.quantile(0.95)
        panel.plot(middle.index, middle, "o-", color=colour, ms=4, label=name)
        panel.fill_between(middle.index, low, high, color=colour, alpha=0.12, lw=0)
    panel.axhline(0.95, color="0.6", lw=0.8, ls=":")
    panel.set_xscale("log")
    panel.set_xticks(
        sorted(subsets["runs"].unique()), labels=[str(s) for s in sorted(subsets["runs"].unique())]
    )
    panel.minorticks_off()
    panel.set(xlabel="runs in a subset", ylabel="Spearman with the order by all runs", ylim=(None, 1.01))
    panel.set_title("mean and 5 to 95 % of the subsets", fontsize=9, loc="left")
    panel.legend(frameon=False, fontsize=8, loc="lower right")


def _heat(panel: Any, ranks: pd.DataFrame, size: int, runs: int) -> None:
    names = ranks.drop_duplicates("quantizer").sort_values("final_rank")["quantizer"]
    shares = ranks.pivot_table(index="quantizer", columns="rank", values="share").loc[names]
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares.to_numpy()):
        if share >= 0.005:
            panel.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if share > 0.5 else "black",
            )
    panel.set_yticks(range(len(names)), labels=names, fontsize=7.5)
    panel.set_xticks(range(len(names)), labels=shares.columns, fontsize=7.5)
    panel.set_xlabel("rank in the subset (1 = most private)", fontsize=8.5)
    panel.set_title(f"{SHOWN}, {size} of {runs} runs: % of subsets", fontsize=9, loc="left")


def _pies(figure: Any, ranks: pd.DataFrame, sizes: list[int]) -> None:
    final = ranks.drop_duplicates("quantizer").sort_values("final_rank")
    panels = figure.subplots(len(sizes), len(final), squeeze=False)
    for row, size in zip(panels, sizes, strict=True):
        for panel, (_, quantizer) in zip(row, final.iterrows(), strict=True):
            own = ranks[(ranks["runs"] == size) & (ranks["quantizer"] == quantizer["quantizer"])]
            panel.pie(
                _parts(own), colors=list(_SHADES.values()), startangle=90, counterclock=False, radius=1.25
            )
            if size == sizes[0]:
                low, high = quantizer["group_low"], quantizer["group_high"]
                group = f"rank {low}" if low == high else f"ranks {low} to {high}"
                panel.set_title(f"{quantizer['quantizer']}\n{group}", fontsize=8)
        row[0].text(-2.1, 0, f"{size} runs", ha="right", va="center", fontsize=8.5)
    figure.legend(
        handles=[Patch(color=colour, label=label) for label, colour in _SHADES.items()],
        loc="outside lower center",
        ncols=len(_SHADES),
        frameon=False,
        fontsize=8.5,
    )


def _parts(own: pd.DataFrame) -> list[float]:
    """Return the shares of the subsets by how far the quantizer stands from its final rank."""
    rank, share = own["rank"].to_numpy(), own["share"].to_numpy()
    outside = np.maximum(own["group_low"] - rank, rank - own["group_high"]).to_numpy()
    final = rank == own["final_rank"].to_numpy()
    parts = [final, ~final & (outside <= 0), outside == 1, outside > 1]
    return [float(share[part].sum()) for part in parts]
