"""What the command line of the main job does: one cell with its report, or a suite of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmark.data_sheet import FILE, data_sheet
from benchmark.execute import Settings, checked_quantizers
from benchmark.execution import Execution, opened
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.report import FIGURES, REPORT_FILES, Report
from benchmark.results import CellResult
from benchmark.suite_run import (
    SUITE_FILES,
    Failed,
    Measured,
    cell_folder,
    chosen_suite,
    run_cells,
    show,
    trainable_suite,
    write_suite,
)
from benchmark.suites import get_suite
from molecules.cache import writable, writable_file
from molecules.errors import MolmisError, UnknownNameError
from molecules.progress import Progress
from molecules.splits import SPLITS
from tasks.task import DataOptions, Task


@dataclass(frozen=True)
class Asked:
    """What a user asked for, apart from the task.

    Attributes
    ----------
    options : DataOptions
        Where the data is.
    settings : Settings
        How it is measured.
    out : Path or None
        Folder of the report.
    aggregate, indicator, max_drop
        See :class:`benchmark.report.Report`.
    console : Console
        Where the report goes.
    progress : Progress
        Listener.
    execution : Execution
        Where cells are measured.
    """

    options: DataOptions
    settings: Settings
    out: Path | None
    aggregate: Aggregate
    indicator: Indicator
    max_drop: float
    console: Console
    progress: Progress
    execution: Execution = field(default_factory=Execution)

    def report(self, result: CellResult) -> Report:
        """Return the report of a result."""
        return Report.of(result, self.aggregate, self.max_drop, self.indicator)


def run_cell(task: Task, asked: Asked) -> None:
    """Measure one cell, print its report and write it."""
    if asked.out is not None:
        for file in REPORT_FILES:  # before an hour of training, not after
            writable_file(asked.out / file, "--out")
        writable(asked.out / FIGURES, "--out")
    with opened(asked.execution, asked.settings, asked.progress) as executor:
        result = executor.start(task, asked.options, asked.settings, asked.progress)()
    report = asked.report(result)
    report.render(asked.console)
    if asked.out is not None:
        for path in _written(report, asked.out, asked.progress):
            asked.progress.note(f"wrote {path}")


def show_data(task: Task, asked: Asked, unused: Sequence[str] = ()) -> None:
    """Print the data of a task, and write it where a folder is given; nothing is trained.

    Parameters
    ----------
    task : Task
        Which one.
    asked : Asked
        What else was asked for.
    unused : sequence of str
        Options that were given and have no effect on it.
    """
    if unused:
        asked.progress.note(f"--report trains nothing; without effect: {', '.join(unused)}")
    if asked.out is not None:
        writable_file(asked.out / FILE, "--out")
    sheet = data_sheet(task, asked.options, asked.settings, asked.progress)
    sheet.render(asked.console)
    if asked.out is not None:
        asked.progress.note(f"wrote {sheet.write(asked.out)}")


def _written(report: Report, folder: Path, progress: Progress) -> list[Path]:
    with progress.stage("drawing figures", 1) as step:
        paths = report.write(folder)
        step(1)
    return paths


def run_suite(name: str, asked: Asked) -> None:
    """Measure a suite, print the means over its cells, and write them with the report of every cell.

    Raises
    ------
    MolmisError
        If there is no such suite, or no cell of it could be measured.
    """
    suite, out, progress = chosen_suite(get_suite(name), asked.settings.encoder), asked.out, asked.progress
    if asked.settings.train_encoder:
        suite = trainable_suite(suite, progress)
    checked_quantizers(asked.settings)  # what is wrong with every cell is told once
    if asked.settings.split not in (None, *SPLITS):
        raise UnknownNameError("split", str(asked.settings.split), SPLITS)
    for file in SUITE_FILES if out is not None else ():
        writable_file(Path(out or "") / file, "--out")
    cells: list[Measured | Failed] = []
    with opened(asked.execution, asked.settings, progress) as executor:
        report = partial(_told, asked=asked)
        for cell in run_cells(suite, asked.options, asked.settings, report, progress, executor):
            if isinstance(cell, Failed):
                progress.note(f"failed: {cell.task} · {cell.encoder}: {cell.reason}")
            cells.append(cell)
            if out is not None:  # after every cell, so that a stopped suite has its tables
                write_suite(out, cells)
    show(asked.console, cells)
    if all(isinstance(cell, Failed) for cell in cells):
        raise MolmisError(f"no cell of the suite {name} could be measured; the reasons are above")
    if out is not None:
        progress.note(f"wrote {', '.join(SUITE_FILES)} and a folder for each cell below {out}")


def _told(result: CellResult, asked: Asked) -> pd.DataFrame:
    """Say what was found in a cell of a suite, write its report, and return its table."""
    report = asked.report(result)
    for line in (report.title(), report.notes()[-1]):
        asked.console.print(line, highlight=False, markup=False)
    if asked.out is not None:
        _written(report, cell_folder(asked.out, result), asked.progress)
    return report.table
