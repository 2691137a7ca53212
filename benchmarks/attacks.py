"""What the panel of attacks adds to the time of the indicator: ``python -m benchmarks.attacks``.

One bank of 64 runs is trained in a cache of its own; then the indicator, and after it all attacks, are
computed for the twelve quantizers of the paper in this one process. Both read the same trained runs. The
attacks are those on single models with the exposure of every record, and those on joint releases.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark.attack import exposed_records
from benchmark.attack_cell import attack_cell, published_signals
from benchmark.cell_data import cell_data
from benchmark.evaluate import evaluate_cell
from benchmark.plan import Cell, Protocol
from models.encoders.base import ENCODERS
from models.quantizers.zoo import resolve
from molecules.cache import cache_dir
from molecules.errors import MolmisError
from molecules.progress import SILENT
from tasks.catalogue import get_task, load_records
from tasks.task import DataOptions

TASKS = ("chembl2321810", "delaney", "tox21")


class Watch:
    """Measures the seconds of every stage."""

    note = staticmethod(SILENT.note)

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        started = time.perf_counter()
        with SILENT.stage(name, total) as step:
            yield step
        self.seconds[name] = time.perf_counter() - started


def measure(name: str, runs: int) -> dict[str, float]:
    """Return the seconds of every stage of a cell with the quantizers of the paper, and of ``records``."""
    task = get_task(name)
    quantizers = resolve(["float32", "paper"])
    cell = Cell(task, load_records(task, DataOptions()), ENCODERS["gin"](), quantizers, Protocol(runs))
    watch = Watch()
    evaluate_cell(cell, watch)
    attack_cell(cell, watch)
    data, signals = cell_data(cell), published_signals(cell)
    started = time.perf_counter()
    for own in signals.values():  # once more, to tell their part of the stage
        exposed_records(own, data)
    watch.seconds["records"] = time.perf_counter() - started
    return watch.seconds


def main() -> None:
    """Measure every task and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=64)
    runs = parser.parse_args().runs
    encoders = cache_dir("encoders")
    if not any(encoders.glob("*.safetensors")):
        sys.exit("error: the encoder is not pretrained yet; run python -m benchmark.run once")
    seconds_of = ("training s", "indicator s", "panel s", "records s", "joint s")
    table = Table("task", *seconds_of, "panel / indicator", "all / indicator", "note")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(encoders, Path(folder) / "encoders")
        os.environ["MOLMIS_CACHE"] = folder
        for name in TASKS:
            try:
                seconds = measure(name, runs)
            except MolmisError as error:
                table.add_row(name, *[""] * 7, str(error))
                continue
            indicator, attacks = seconds["quantizing and evaluating"], seconds["attacking"]
            panel, joint = attacks - seconds["records"], seconds["joint releases"]
            parts = (seconds["training heads"], indicator, panel, seconds["records"], joint)
            ratios = (panel / indicator, (attacks + joint) / indicator)
            table.add_row(name, *(f"{part:.1f}" for part in parts), *(f"{ratio:.2f}" for ratio in ratios), "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
