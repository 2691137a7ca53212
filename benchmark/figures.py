"""The two figures of a cell: privacy against performance, and the privacy of each quantizer."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from adjustText import adjust_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from benchmark.figure_file import save
from benchmark.privacy.indicator_name import Indicator
from benchmark.tables import REFERENCE, degenerate

#: Colour-blind safe, one colour a family of quantizers; a family not named here takes the next free one.
_FAMILIES = ("float32", "uniform", "ternary", "sign")
#: Rows of a table above which a figure is drawn larger.
_MANY = 14
#: With more points than this only the front is named: names would lie on each other.
_CROWDED = 30
UNIT = 1e4  # r is shown in units of 1e-4


def family(quantizer: str) -> str:
    """Return the family of a quantizer by its name: what stands before the first ``-`` or ``:``."""
    return quantizer.replace(":", "-").split("-")[0]


def _palette(names: pd.Series) -> dict[str, Any]:
    families = [*_FAMILIES, *sorted(set(map(family, names)) - set(_FAMILIES))]
    return dict(zip(families, sns.color_palette("colorblind", len(families)), strict=True))


def privacy_performance(table: pd.DataFrame, metric_label: str, title: str) -> Figure:
    """Draw r against relative performance, with intervals and the Pareto front.

    Degenerate quantizers (constant predictions, no skill), whose privacy is worthless, and those without an r
    are not drawn but named below.
    """
    has_both = table[["r", "relative_performance"]].notna().all(axis=1)
    useless = degenerate(table)
    known = table[has_both & ~useless]
    figure = Figure(figsize=(8.5, 5.6) if len(table) <= _MANY else (11, 7.5), layout="constrained")
    axes = figure.subplots()
    palette = _palette(table["quantizer"])
    front = known[known["pareto"]].sort_values("relative_performance")
    axes.plot(
        front["relative_performance"],
        UNIT * front["r"],
        color="0.6",
        lw=1.2,
        ls="--",
        drawstyle="steps-pre",
        zorder=1,
        label="Pareto front",
    )
    for _, row in known.iterrows():
        colour = palette[family(row["quantizer"])]
        axes.errorbar(
            row["relative_performance"],
            UNIT * row["r"],
            xerr=_reach(row, "relative_performance", "relative_low", "relative_high"),
            yerr=_reach(row, "r", "r_low", "r_high", UNIT),
            fmt="o",
            ms=7,
            color=colour,
            ecolor=(*colour[:3], 0.45),
            elinewidth=1,
            zorder=3 if row["quantizer"] == REFERENCE else 2,
        )
    axes.axvline(1.0, color="0.8", lw=0.8, zorder=0)
    _rate_axis(axes, "y", known)
    axes.set_xlabel(f"performance relative to float32  ({metric_label}; lower = worse)")
    axes.set_ylabel("indicator r × 10⁴  (higher = more private)")
    axes.set_title(title, fontsize=9, loc="left")
    axes.margins(x=0.1)
    left_out = {"useless model": table[useless], "r unknown": table[~has_both & ~useless]}
    crowded = len(known) > _CROWDED
    named = known[known["pareto"] | (known["quantizer"] == REFERENCE)] if crowded else known
    _legend(figure, left_out, "float32 and the Pareto front are named; " if crowded else "")
    _label_points(axes, named)
    return figure


def _rate_axis(axes: Any, which: str, table: pd.DataFrame) -> None:
    """Scale an axis of r, and shade where differences mean nothing."""
    bound = UNIT * float(table["resolution"].iloc[0]) if len(table) else 1.0
    set_scale, set_limits = (getattr(axes, f"set_{which}{what}") for what in ("scale", "lim"))
    shade = axes.axhspan if which == "y" else axes.axvspan
    if len(table) and (table["indicator"] == Indicator.PLAIN).all():
        shade(0, bound, color="0.93", zorder=0, label="within resolution")
        # linear within the resolution, logarithmic above it
        set_scale("symlog", linthresh=bound, linscale=0.7)
        set_limits(-0.15 * bound, None)
    else:
        known = UNIT * table["r_low"].dropna()
        lowest = max(float(known.min()), 1e-3 * bound) if len(known) else 0.5 * bound
        room = (bound / lowest) ** 0.06
        shade(bound, bound * room**2, color="0.93", zorder=0, label="no leak told from none")
        set_scale("log")
        set_limits(lowest / room, bound * room**2)
        getattr(axes, f"{which}axis").set_minor_formatter("{x:g}")
    getattr(axes, f"{which}axis").set_major_formatter("{x:g}")


def _legend(figure: Figure, left_out: dict[str, pd.DataFrame], before: str = "") -> None:
    """Draw the legend, and below it what is not drawn and why."""
    said = [f"{', '.join(rows['quantizer'])} ({why})" for why, rows in left_out.items() if len(rows)]
    legend = figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    told = before + (f"not drawn: {'; '.join(said)}" if said else "")
    if told:
        legend.set_title(textwrap.fill(told.removesuffix("; "), 110), prop=FontProperties(size=8))


def _reach(row: pd.Series, value: str, low: str, high: str, unit: float = 1.0) -> np.ndarray[Any, Any]:
    """Return an interval as distances below and above the point, none negative."""
    return np.maximum([[unit * (row[value] - row[low])], [unit * (row[high] - row[value])]], 0.0)


def _label_points(axes: Any, table: pd.DataFrame) -> None:
    """Write the name beside each point; points that lie on each other share one label of several names."""
    axes.figure.draw_without_rendering()  # the placing goes by the final layout
    points = np.column_stack([table["relative_performance"], UNIT * table["r"]])
    groups = near_points(axes.transData.transform(points), 26.0 if len(table) <= _MANY else 60.0)
    names = table["quantizer"].to_list()
    at = np.array([points[group].mean(0) for group in groups])
    labels = [
        axes.text(*place, "\n".join(names[member] for member in group), fontsize=8, linespacing=0.95)
        for place, group in zip(at, groups, strict=True)
    ]
    lines = {"arrowstyle": "-", "color": "0.55", "lw": 0.6}
    adjust_text(labels, points[:, 0], points[:, 1], ax=axes, expand=(1.2, 1.4), arrowprops=lines)


def near_points(pixels: np.ndarray[Any, Any], apart: float = 12.0) -> list[list[int]]:
    """Return groups of points, by index, each within ``apart`` pixels of the first of its group."""
    groups: list[list[int]] = []
    for index, point in enumerate(pixels):
        near = (g for g in groups if np.hypot(*(pixels[g[0]] - point)) < apart)
        group = next(near, None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return groups


def privacy_by_quantizer(table: pd.DataFrame, title: str) -> Figure:
    """Draw r and the generalisation gap of every quantizer with their intervals, side by side."""
    figure = Figure(figsize=(9, 0.36 * len(table) + 1.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    palette, hollow = _palette(table["quantizer"]), degenerate(table)
    places = np.arange(len(table))[::-1]
    for place, (_, row), empty in zip(places, table.iterrows(), hollow, strict=True):
        colour = palette[family(row["quantizer"])]
        style = {
            "fmt": "o",
            "color": colour,
            "mfc": "none" if empty else colour,
            "capsize": 2,
            "elinewidth": 1,
        }
        left.errorbar(UNIT * row["r"], place, xerr=_reach(row, "r", "r_low", "r_high", UNIT), **style)
        right.errorbar(
            row["generalization_gap"],
            place,
            xerr=_reach(row, "generalization_gap", "gap_low", "gap_high"),
            **style,
        )
    _rate_axis(left, "x", table)
    left.set_yticks(places, table["quantizer"])
    left.set_xlabel("indicator r × 10⁴  (right = more private)")
    right.axvline(0, color="0.8", lw=0.8, zorder=0)
    right.set_xlabel("generalisation gap  (left = more private)")
    useful = table.loc[~hollow if not hollow.all() else hollow, ["gap_low", "gap_high"]]
    span = max(float(useful["gap_high"].max() - min(useful["gap_low"].min(), 0.0)), 1e-9)
    lowest = min(float(useful["gap_low"].min()), 0.0) - 0.06 * span
    highest = max(float(useful["gap_high"].max()), 0.0) + 0.06 * span
    right.set_xlim(lowest, highest)  # a useless model may lose millions; it must not hide the others
    beyond = table[~table["generalization_gap"].between(lowest, highest)]
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    if hollow.any():
        left.plot([], [], "o", mfc="none", color="0.4", label="hollow: useless model")
    _legend(figure, {"r unknown": table[table["r"].isna()], "gap beyond the axis": beyond})
    return figure


def write_figures(table: pd.DataFrame, metric_label: str, title: str, folder: Path) -> list[Path]:
    """Write both figures as PNG and SVG below ``folder``; return the paths."""
    drawn = {
        "privacy_performance": lambda: privacy_performance(table, metric_label, title),
        "privacy_by_quantizer": lambda: privacy_by_quantizer(table, title),
    }
    paths = {name: [folder / f"{name}.{suffix}" for suffix in ("png", "svg")] for name in drawn}
    for name, draw in drawn.items():
        save(draw, paths[name])
    return [path for written in paths.values() for path in written]
