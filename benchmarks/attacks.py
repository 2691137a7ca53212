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
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark.evaluate import attack_cell, evaluate_cell
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


def measure(name: str, runs: int) -> tuple[float, float, float, float]:
    """Return the seconds of training and embedding, of the indicator, of all attacks and of joint ones."""
    task = get_task(name)
    cell = Cell(task, load_records(task, DataOptions()), ENCODERS["gin"](), {}, Protocol(runs))
    first = replace(cell, quantizers=resolve(["float32"]))
    second = replace(cell, quantizers=resolve(["float32", "paper"]))
    started = time.perf_counter()
    evaluate_cell(first)  # trains, and evaluates float32 alone
    trained = time.perf_counter()
    evaluate_cell(second)
    evaluated = time.perf_counter()
    watch = Watch()
    attack_cell(second, watch)
    attacked = time.perf_counter() - evaluated
    return trained - started, evaluated - trained, attacked, watch.seconds["joint releases"]


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
    table = Table(
        "task", "training s", "indicator s", "attacks s", "of it joint s", "attacks / indicator", "note"
    )
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(encoders, Path(folder) / "encoders")
        os.environ["MOLMIS_CACHE"] = folder
        for name in TASKS:
            try:
                trained, indicator, attacks, joint = measure(name, runs)
            except MolmisError as error:
                table.add_row(name, "", "", "", "", "", str(error))
                continue
            row = [f"{seconds:.1f}" for seconds in (trained, indicator, attacks, joint)]
            table.add_row(name, *row, f"{attacks / indicator:.2f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
