"""Time and peak memory of a board of thousands of cells: ``python -m benchmarks.board``.

A store of synthetic cells is made in a temporary folder: files as measured cells have them, attacks included.
``--base`` of them are summarised, which is timed; all others are those again under other names of tasks and
encoders, so their summaries are these with other names. Then the command line exports the board in fresh
processes: the first puts the index together from the summaries of all cells, the others find it there.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import CellResult, path_beside, write_cell
from benchmark.summaries import (
    Summary,
    file_digest,
    setting_key,
    summary_key,
    summary_of,
    summary_path,
    write_summary,
)
from benchmarks.synthetic_cells import path_of, synthetic_cell
from molecules.cache import content_key

DEFAULT = (Aggregate.MEAN, Indicator.MEMBERSHIP)
#: Encoders of every task.
ENCODERS = 4
EXPORTS = {
    "long CSV, index made from summaries": ["--format", "csv"],
    "long CSV": ["--format", "csv"],
    "long CSV again, files copied": ["--format", "csv"],
    "long Parquet": ["--format", "parquet"],
    "page": ["--format", "html"],
    "wide CSV": ["--table", "wide"],
    "standing of the quantizers": ["--table", "entries"],
    "win matrix": ["--table", "wins"],
    "--sql over the board": ["--sql", "select quantizer, avg(lira_auc) from board group by 1"],
    "--sql over the rows of all runs": ["--sql", "select quantizer, count(*) from runs group by 1"],
}


def again(result: CellResult, number: int) -> CellResult:
    """Return a cell under the names of another task and encoder."""
    task, encoder = f"task-{number // ENCODERS:05d}", f"encoder-{number % ENCODERS}"
    key = content_key(task, encoder)
    names = {"task": task, "encoder": encoder, "key": key, "sha256": task}
    return replace(result, facts={**result.facts, **names})


def renamed(summary: Summary, path: Path, result: CellResult) -> Summary:
    """Return the summary of a cell that has the figures of another and names of its own."""
    facts = result.facts
    names = {"task": facts["task"], "encoder": facts["encoder"], "cell": facts["key"]}
    table = summary.table.assign(**names, setting=setting_key(facts))
    files = {kind: file_digest(path_beside(path, kind).read_bytes()) for kind in ("rows", "attacks")}
    return replace(summary, arrow=pa.Table.from_pandas(table, preserve_index=False), files=files)


def make_store(folder: Path, cells: int, base: int, console: Console) -> float:
    """Write the store with the summaries of all its cells; return seconds a summary took to make."""
    seconds, made = 0.0, []
    for number in range(min(base, cells)):
        result = again(synthetic_cell(number, regression=number // ENCODERS % 2 == 1), number)
        write_cell(path_of(folder, result), result)
        started = time.perf_counter()
        made.append((result, summary_of(path_of(folder, result))))
        seconds += time.perf_counter() - started
    for number in range(base, cells):
        result, summary = made[number % base]
        result = again(result, number)
        path = path_of(folder, result)
        write_cell(path, result)
        write_summary(summary_path(path, *DEFAULT), renamed(summary, path, result), summary_key(*DEFAULT))
        if number % 1000 == 0:
            console.print(f"{number:,} of {cells:,} cells written")
    return seconds / len(made)


def export(folder: Path, arguments: list[str], out: Path) -> tuple[float, float, float, str]:
    """Return wall and processor seconds and peak memory in MiB of an export, and what it said."""
    command = [sys.executable, "-m", "leaderboard.export", "--results", str(folder), "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
    said = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    lines = said.strip().splitlines()
    said = f"failed: {said}" if status else lines[-1] if lines else ""
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


def main() -> None:
    """Make the store, export it, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--base", type=int, default=40, help="cells that are drawn and summarised")
    parser.add_argument("--keep", type=Path, help="folder to make the store in, and to leave it there")
    asked = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.keep or Path(temporary)) / "results"
        if not folder.exists():
            seconds = make_store(folder, asked.cells, asked.base, console)
            console.print(f"{seconds * 1000:.0f} ms a cell to summarise ({asked.base} cells)")
        columns = ("export", "wall s", "processor s", "peak MiB", "file MiB", "said")
        table = Table(*columns, title=f"{asked.cells:,} cells")
        for name, arguments in EXPORTS.items():
            if "copied" in name:
                shutil.copytree(folder, copied := Path(temporary) / "copied")
                folder = copied
            out = Path(temporary) / "board.out"
            wall, used, peak, said = export(folder, arguments, out)
            size = out.stat().st_size / 2**20 if out.exists() else 0.0
            figures = (f"{wall:.1f}", f"{used:.1f}", f"{peak:.0f}", f"{size:.0f}")
            table.add_row(name, *figures, said.split(": ")[-1])
    console.print(table)


if __name__ == "__main__":
    main()
