"""The float32 row of every task with both encoders: ``python -m benchmarks.accuracy [--preset standard]``.

Each head is trained on half of the pool, so these are figures of models with 40 % of the records. Tasks
whose file is not found are left out with the reason.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark.execute import Settings, measure
from benchmark.metrics import METRICS
from benchmark.progress import Bar
from benchmark.tables import summarise
from molecules.errors import MolmisError
from tasks.catalogue import get_task
from tasks.task import DataOptions

TASKS = ("tox21", "delaney", "chembl2321810", "chembl2321810-active", "pains")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=16)
    runs = parser.parse_args().runs
    progress = Bar(Console(stderr=True))
    table = Table("task", "encoder", "metric", "float32 [95 % interval over runs]")
    for task in map(get_task, TASKS):
        for encoder in ("gin", "ecfp"):
            with tempfile.TemporaryDirectory() as folder:
                settings = Settings(encoder, ["float32"], runs, results=Path(folder))
                try:
                    row = summarise(measure(task, DataOptions(download=False), settings, progress)).iloc[0]
                except MolmisError as error:
                    table.add_row(task.name, encoder, "", f"left out: {error}")
                    continue
            for name, metric in METRICS[task.kind].items():
                figure = f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"
                table.add_row(task.name, encoder, metric.label, figure)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
