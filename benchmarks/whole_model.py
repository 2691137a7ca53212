"""What quantizing the encoder with the head costs and hides: ``python -m benchmarks.whole_model``.

The same trained runs with the head quantized, with the whole model quantized, and with the running statistics
of the encoder's normalisation taken anew of public molecules after that. Printed and drawn for each task and
quantizer of the paper: performance relative to float32, and how well LiRA tells members.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmark.execute import Settings, measure
from benchmark.figure_file import save
from benchmark.progress import Bar
from benchmark.scope import Scope
from benchmark.tables import REFERENCE, summarise
from molecules.cache import atomic_write
from tasks.catalogue import get_task
from tasks.task import DataOptions

TASKS = ("tox21", "delaney", "chembl2321810")
LABELS = {Scope.HEAD: "head", Scope.MODEL: "whole model", Scope.MODEL_NORMS: "whole model, statistics anew"}
COLOURS = {Scope.HEAD: "#0173b2", Scope.MODEL: "#d55e00", Scope.MODEL_NORMS: "#029e73"}


def measured(tasks: list[str], quantizers: list[str], runs: int, results: Path) -> pd.DataFrame:
    """Return the tables of every task and scope."""
    progress, frames = Bar(Console(stderr=True)), []
    for name in tasks:
        for scope in Scope:
            settings = Settings("gin", quantizers, runs, results=results, scope=scope)
            frames.append(summarise(measure(get_task(name), DataOptions(), settings, progress)))
    return pd.concat(frames, ignore_index=True)


def shown(frame: pd.DataFrame) -> Table:
    """Return the table: one row a task and quantizer."""
    heads = [f"{figure}, {label}" for figure in ("relative", "LiRA AUC") for label in LABELS.values()]
    table = Table("task", "quantizer", "coverage", *heads)
    for (task, name), rows in frame.groupby(["task", "quantizer"], sort=False):
        by_scope = rows.set_index("scope")
        cells = [
            f"{row[figure]:.3f} [{row[low]:.3f}, {row[high]:.3f}]"
            for figure, low, high in (
                ("relative_performance", "relative_low", "relative_high"),
                ("lira_auc", "lira_auc_low", "lira_auc_high"),
            )
            for _, row in by_scope.loc[list(Scope)].iterrows()
        ]
        table.add_row(str(task), str(name), f"{by_scope.loc[Scope.MODEL, 'coverage']:.1%}", *cells)
    return table


def draw(frame: pd.DataFrame) -> Figure:
    """Draw LiRA AUC against relative performance, a panel a task."""
    tasks = list(frame["task"].unique())
    figure, axes = plt.subplots(
        1, len(tasks), figsize=(4.6 * len(tasks), 4.2), layout="constrained", squeeze=False
    )
    for panel, task in zip(axes[0], tasks, strict=True):
        rows = frame[frame["task"] == task]
        for scope, label in LABELS.items():
            own = rows[(rows["scope"] == scope) & (rows["quantizer"] != REFERENCE)]
            panel.errorbar(
                own["relative_performance"],
                own["lira_auc"],
                xerr=[
                    own["relative_performance"] - own["relative_low"],
                    own["relative_high"] - own["relative_performance"],
                ],
                yerr=[own["lira_auc"] - own["lira_auc_low"], own["lira_auc_high"] - own["lira_auc"]],
                fmt="o",
                ms=4,
                lw=0.8,
                color=COLOURS[scope],
                label=label,
            )
        full = rows[rows["quantizer"] == REFERENCE].iloc[0]
        panel.plot(1, full["lira_auc"], "k*", ms=9, label=REFERENCE)
        panel.axhline(0.5, color="0.6", lw=0.8, ls=":")
        panel.set(title=task, xlabel="performance relative to float32")
    axes[0][0].set_ylabel("LiRA AUC (0.5 = a coin)")
    axes[0][0].legend(frameon=False, fontsize=8)
    return figure


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--quantizers", nargs="+", default=["paper"])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path, default=Path("out/whole_model"))
    given = parser.parse_args()
    frame = measured(given.tasks, given.quantizers, given.runs, given.results)
    Console(width=200).print(shown(frame))
    given.out.mkdir(parents=True, exist_ok=True)
    with atomic_write(given.out / "whole_model.csv") as temporary:
        frame.to_csv(temporary, index=False)
    save(lambda: draw(frame), [given.out / "whole_model.png"])


if __name__ == "__main__":
    main()
