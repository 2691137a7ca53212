"""Performance of heads on whole training sets beside published figures: ``python -m benchmarks.performance``.

Official or scaffold splits; five float32 heads on the whole pool for each task and encoder, mean and standard
deviation on the test set. What is to be reached lies at or below what published models score (chemprop, RDKit
descriptors with an MLP, graph convolutions).
"""

import argparse
from dataclasses import dataclass

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmark.execute import Settings, plan_cell
from benchmark.full_pool import full_pool
from benchmark.metrics import METRICS
from benchmark.progress import Bar
from models.heads import HeadConfig
from molecules.errors import MolmisError
from tasks.catalogue import get_task
from tasks.task import DataOptions

#: Heads that are trained for performance: wider than those of the audit, with dropout.
HEAD = HeadConfig(hidden=(256, 128), epochs=40, dropout=0.2)
ENCODERS = ("ecfp", "rdkit2d", "gin", "gine", "dmpnn", "attentivefp")


@dataclass(frozen=True)
class Target:
    """What is to be reached on a task: at least, or at most where the metric is an error."""

    metric: str
    figure: float
    split: str | None = None


TARGETS = {
    "bbb_martins": Target("roc_auc", 0.86),
    "herg": Target("roc_auc", 0.78),
    "caco2_wang": Target("mae", 0.42),
    "solubility_aqsoldb": Target("mae", 0.95),
    "lipophilicity_astrazeneca": Target("mae", 0.60),
    "bbbp": Target("roc_auc", 0.68, "scaffold"),
    "delaney": Target("rmse", 0.95, "scaffold"),
}


def measured(name: str, encoder: str, progress: Bar) -> pd.Series:
    """Return the metric of the five heads of a task and an encoder."""
    target = TARGETS[name]
    settings = Settings(encoder, ["float32"], split=target.split, head=HEAD)
    cell, _ = plan_cell(get_task(name), DataOptions(), settings, progress)
    return full_pool(cell, progress)[target.metric]


def main() -> None:
    """Measure every task and encoder and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    given = parser.parse_args()
    progress = Bar(Console(stderr=True))
    table = Table("task", "split", "metric", "to reach", *given.encoders, "best", "reached")
    for name in given.tasks:
        target, task = TARGETS[name], get_task(name)
        up = METRICS[task.kind][target.metric].greater_is_better
        cells, means = [], {}
        for encoder in given.encoders:
            try:
                values = measured(name, encoder, progress)
            except MolmisError as error:
                progress.note(str(error))
                cells.append("no data")
                continue
            means[encoder] = float(values.mean())
            cells.append(f"{values.mean():.3f} ± {values.std():.3f}")
        sign = "≥" if up else "≤"
        row = (name, target.split or task.split, target.metric, f"{sign} {target.figure:.2f}", *cells)
        if not means:
            table.add_row(*row, "", "")
            continue
        best = max(means, key=lambda encoder: means[encoder] if up else -means[encoder])
        reached = means[best] >= target.figure if up else means[best] <= target.figure
        table.add_row(*row, best, "yes" if reached else "no")
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
