"""What an encoder trained with every head changes: ``python -m benchmarks.trained_encoder``.

The usual protocol trains heads on one frozen encoder, so the head alone can leak. Here every run trains a
copy of the encoder with its head, and both are quantized. Printed for each task and quantizer, side by side:
performance on the test records, relative performance, generalisation gap, and how well LiRA tells members.
"""

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmark.execute import Settings, measure
from benchmark.head_options import TRAINED_EPOCHS
from benchmark.progress import Bar
from benchmark.scope import Scope
from benchmark.tables import summarise
from models.heads import HeadConfig
from molecules.cache import atomic_write
from tasks.catalogue import get_task
from tasks.task import DataOptions

TASKS = ("delaney", "chembl2321810-active")
FIGURES = {
    "performance": ("performance", "performance_low", "performance_high"),
    "relative": ("relative_performance", "relative_low", "relative_high"),
    "gap": ("generalization_gap", "gap_low", "gap_high"),
    "LiRA AUC": ("lira_auc", "lira_auc_low", "lira_auc_high"),
}


def measured(tasks: list[str], encoder: str, quantizers: list[str], runs: int, results: Path) -> pd.DataFrame:
    """Return the tables of every task, of a frozen encoder and of trained ones."""
    progress, frames = Bar(Console(stderr=True)), []
    protocols = {
        "frozen": Settings(encoder, quantizers, runs, results=results),
        "trained": Settings(
            encoder,
            quantizers,
            runs,
            results=results,
            scope=Scope.MODEL,
            train_encoder=True,
            head=HeadConfig(epochs=TRAINED_EPOCHS),
        ),
    }
    for name in tasks:
        for label, settings in protocols.items():
            table = summarise(measure(get_task(name), DataOptions(), settings, progress))
            frames.append(table.assign(protocol=label))
    return pd.concat(frames, ignore_index=True)


def shown(frame: pd.DataFrame) -> Table:
    """Return the table: one row a task and quantizer."""
    table = Table("task", "quantizer", *(f"{name}, {p}" for name in FIGURES for p in ("frozen", "trained")))
    for (task, name), rows in frame.groupby(["task", "quantizer"], sort=False):
        own = rows.set_index("protocol")
        cells = [
            f"{own.loc[p, value]:.3f} [{own.loc[p, low]:.3f}, {own.loc[p, high]:.3f}]"
            for value, low, high in FIGURES.values()
            for p in ("frozen", "trained")
        ]
        table.add_row(str(task), str(name), *cells)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--encoder", default="gin")
    parser.add_argument("--quantizers", nargs="+", default=["paper"])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path, default=Path("out/trained_encoder"))
    given = parser.parse_args()
    frame = measured(given.tasks, given.encoder, given.quantizers, given.runs, given.results)
    Console(width=240).print(shown(frame))
    given.out.mkdir(parents=True, exist_ok=True)
    with atomic_write(given.out / "trained_encoder.csv") as temporary:
        frame.to_csv(temporary, index=False)


if __name__ == "__main__":
    main()
