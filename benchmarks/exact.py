"""The exact truth beside the indicator: ``python -m benchmarks.exact [--quick] [--figure PATH]``.

Three tables: (a) the exponent of the exact Delta_n against the Cramer rate C; (b) how r and C order
configurations, against Delta_n; (c) attacks against the exact Delta_n.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmark.progress import Bar
from benchmarks.exact_study import ATTACKS, attack, correlations, follow, rank, slopes
from molecules.cache import atomic_write


def main() -> None:
    """Compute, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer draws and sizes: half a minute")
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/exact.png"), help="where to draw")
    chosen = parser.parse_args()
    progress, console = Bar(Console(stderr=True)), Console(width=170)
    followed = follow(progress, chosen.quick)
    exponents, ranked = slopes(followed), rank(progress, chosen.quick)
    attacked = attack(progress, chosen.quick)
    console.print(_exponents(exponents))
    console.print(_correlations(correlations(ranked)))
    console.print(_attacks(attacked))
    sns.set_theme(style="ticks", rc={"axes.spines.top": False, "axes.spines.right": False})
    with atomic_write(chosen.figure) as temporary:
        draw(exponents, ranked, attacked).savefig(temporary, format="png", dpi=150)
    console.print(f"wrote {chosen.figure}")


def _exponents(rows: pd.DataFrame) -> Table:
    table = Table(title="(a) slope of -log Delta_n in n, and C", title_justify="left")
    heads = (
        "case",
        "how",
        "n",
        "slope",
        "slope, n^-1/2 taken off",
        "C",
        "r",
        "Delta / Pr(miss): measured, limit",
    )
    for head in heads:
        table.add_column(head, justify="left" if head in ("case", "how") else "right")
    for row in rows.itertuples():
        constant = f"{row.ratio:.3f}" + ("" if np.isnan(row.limit) else f", {row.limit:.3f}")
        error = f" ± {1.96 * row.C_error:.4f}" if row.C_error else ""
        table.add_row(
            f"{row.case}{f' ({row.note})' if row.note else ''}",
            row.how,
            f"{row.n_low}-{row.n_high}",
            f"{row.plain:.4f} [{row.plain_low:.4f}, {row.plain_high:.4f}]",
            f"{row.corrected:.4f} [{row.corrected_low:.4f}, {row.corrected_high:.4f}]",
            f"{row.C:.4f}{error}",
            f"{row.r:.4f}",
            constant,
        )
    return table


def _correlations(rows: pd.DataFrame) -> Table:
    table = Table("of", "with", "Spearman [95 %, populations resampled]", "within a population: mean, lowest")
    table.title, table.title_justify = "(b) orders of configurations", "left"
    for row in rows.to_dict("records"):
        table.add_row(
            row["of"],
            f"{row['with']} ({row['configurations']} of {row['populations']} populations)",
            f"{row['spearman']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            f"{row['within population']:.3f}, {row['lowest']:.3f}",
        )
    return table


def _attacks(rows: pd.DataFrame) -> Table:
    table = Table("case", "n", "Delta", *(f"{name}: exact, played" for name in ATTACKS))
    table.title, table.title_justify = "(c) advantage of attacks on the published weights", "left"
    for row in rows.to_dict("records"):
        shown = (
            f"{row[name]:.4f}, {row[f'{name} played']:.4f} ± {1.96 * row[f'{name} error']:.4f}"
            for name in ATTACKS
        )
        table.add_row(row["case"], str(row["n"]), f"{row['Delta']:.4f}", *shown)
    return table


def draw(exponents: pd.DataFrame, ranked: pd.DataFrame, attacked: pd.DataFrame) -> Figure:
    """Draw slopes against C, r against C, and advantages against Delta_n."""
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    single = exponents[exponents["minimisers"] == 1]
    for _, row in single.iterrows():
        below, above = row["corrected"] - row["corrected_low"], row["corrected_high"] - row["corrected"]
        reach = [[max(below, 0)], [max(above, 0)]]
        left.errorbar(row["C"], row["corrected"], yerr=reach, fmt="o", color="C0", capsize=2)
    left.set_xlabel("Cramér rate C")
    left.set_ylabel("slope of −log Δₙ in n, n^(−1/2) taken off")
    one = ranked[ranked["minimisers"] == 1]
    for number, (kind, rows) in enumerate(one.groupby("kind")):
        middle.loglog(rows["C"], rows["r"], "os"[number], ms=5, alpha=0.8, label=f"{kind} population")
    middle.set_xlabel("Cramér rate C")
    middle.set_ylabel("r = min δ² / 2σ²")
    for number, name in enumerate(ATTACKS):
        right.plot(attacked["Delta"], attacked[name], "o^s"[number], ms=5, alpha=0.8, label=name)
    right.set_xlabel("exact Δₙ")
    right.set_ylabel("exact advantage of the attack")
    for axes in (left, middle, right):  # equality
        low, high = axes.get_xlim()
        axes.axline((max(low, 0), max(low, 0)), (high, high), color="0.7", lw=1, zorder=0)
    middle.legend(frameon=False)
    right.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
