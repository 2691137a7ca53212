"""A suite is measured cell by cell: what is there is reused, what fails is recorded, and it goes on."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.execute import Settings
from benchmark.execution import HERE, Executor
from benchmark.failures import reason_of
from benchmark.privacy.ranking import percentile_interval
from benchmark.report import MISSING, number
from benchmark.results import CellResult
from benchmark.suites import Suite
from benchmark.tables import STABLE_COLUMNS
from models.encoders.base import trainable_encoders
from models.encoders.choice import chosen_encoder
from molecules.cache import atomic_write
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.catalogue import get_task
from tasks.task import DataOptions, plain_name

#: Files below --out, beside a folder for each cell.
SUITE_FILES = ("suite.csv", "summary.csv", "failed.csv")
RESAMPLES = 2000
T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """A cell that could not be measured, and why."""

    task: str
    encoder: str
    reason: str


@dataclass(frozen=True, eq=False)
class Measured:
    """A cell of a suite.

    Attributes
    ----------
    task, encoder : str
        Names.
    table : DataFrame
        Its table; see :func:`benchmark.tables.summarise`.
    """

    task: str
    encoder: str
    table: pd.DataFrame


def run_cells(
    suite: Suite,
    options: DataOptions,
    settings: Settings,
    report: Callable[[CellResult], pd.DataFrame],
    progress: Progress = SILENT,
    executor: Executor = HERE,
) -> Iterator[Measured | Failed]:
    """Measure every cell of a suite, task by task.

    Parameters
    ----------
    suite : Suite
        The matrix.
    options : DataOptions
        Where the data is.
    settings : Settings
        As for one cell; the encoder is each of the suite's.
    report : callable
        What makes the table of a result, and writes what else is wanted of it.
    progress : Progress
        Listener.
    executor : Executor
        What measures them: as many at once as it takes.

    Yields
    ------
    Measured or Failed
        One a cell, in the order of the suite. Whatever a cell raises is its reason, in one line; the next
        one is begun.
    """
    cells = [(task, encoder) for task in suite.tasks for encoder in suite.encoders]
    begun: deque[tuple[str, str, Callable[[], CellResult] | Failed]] = deque()
    for place, (task, encoder) in enumerate(cells, 1):
        progress.note(f"cell {place} of {len(cells)}: {task} · {encoder}")
        start = partial(_start, executor, task, options, replace(settings, encoder=encoder), progress)
        begun.append((task, encoder, _tried(task, encoder, start)))
        if len(begun) >= executor.ahead:
            yield _ended(*begun.popleft(), report)
    while begun:
        yield _ended(*begun.popleft(), report)


def _start(
    executor: Executor, task: str, options: DataOptions, settings: Settings, progress: Progress
) -> Callable[[], CellResult]:
    return executor.start(get_task(task), options, settings, progress)


def _ended(
    task: str,
    encoder: str,
    begun: Callable[[], CellResult] | Failed,
    report: Callable[[CellResult], pd.DataFrame],
) -> Measured | Failed:
    """Return what became of a cell that was begun."""
    if isinstance(begun, Failed):
        return begun
    return _tried(task, encoder, lambda: Measured(task, encoder, report(begun())))


def _tried(task: str, encoder: str, work: Callable[[], T]) -> T | Failed:
    """Return what a piece of work returns, or why it could not be done."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # a mistake of ours in one cell must not cost the others
        return Failed(task, encoder, reason_of(error))


def chosen_suite(suite: Suite, encoders: str | None, tasks: str | None = None) -> Suite:
    """Return a suite with other encoders or tasks than its own where some are named, by commas.

    Raises
    ------
    MolmisError
        If a name is unknown: before anything is measured.
    """
    wanted = [_names(text) for text in (tasks, encoders)]
    suite = replace(suite, tasks=wanted[0] or suite.tasks, encoders=wanted[1] or suite.encoders)
    for task in suite.tasks if wanted[0] else ():
        get_task(task)
    found: dict[str, str] = {}
    for encoder in suite.encoders if wanted[1] else ():
        name = chosen_encoder(get_task(suite.tasks[0]), encoder).name
        if found.setdefault(name, encoder) != encoder:
            raise MolmisError(
                f"{found[name]} and {encoder} would both be called {name}; rename one, to tell them apart"
            )
    return suite


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def write_suite(folder: Path, cells: Sequence[Measured | Failed]) -> list[Path]:
    """Write all tables as one, the summary over cells, and what failed; return the paths.

    Figures and tables of each cell are written by :meth:`benchmark.report.Report.write`.
    """
    failed = [cell for cell in cells if isinstance(cell, Failed)]
    frames = {
        "suite.csv": all_tables(cells),
        "summary.csv": summary(cells),
        "failed.csv": pd.DataFrame([vars(cell) for cell in failed], columns=["task", "encoder", "reason"]),
    }
    paths = []
    for name, frame in frames.items():
        paths.append(folder / name)
        with atomic_write(paths[-1]) as temporary:
            frame.to_csv(temporary, index=False)
    return paths


def cell_folder(folder: Path, result: CellResult) -> Path:
    """Return the folder of the files of one cell."""
    return folder / ".".join(plain_name(str(result.facts[name])) for name in ("task", "encoder"))


def all_tables(cells: Sequence[Measured | Failed]) -> pd.DataFrame:
    """Return the tables of all cells, one below the other."""
    tables = [cell.table for cell in cells if isinstance(cell, Measured)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*STABLE_COLUMNS])


def summary(cells: Sequence[Measured | Failed]) -> pd.DataFrame:
    """Return one row a quantizer: means over cells, each with the 95 % interval of a bootstrap over cells.

    Returns
    -------
    DataFrame
        ``quantizer``; ``cells``, those in which it was measured; ``ranked``, those in which it has a rank;
        ``privacy``, the mean of its place by r, from 0 (first to leak) to 1 (most private) so that cells with
        other numbers of ranked quantizers count alike; ``relative``, the mean relative performance; ``lira``,
        the mean LiRA AUC; each with ``_low`` and ``_high``.
    """
    frame = all_tables(cells)
    if frame.empty:
        return pd.DataFrame(columns=["quantizer", "cells"])
    lengths = [len(cell.table) for cell in cells if isinstance(cell, Measured)]
    frame = frame.assign(cell=np.repeat(np.arange(len(lengths)), lengths))
    ranked = frame.groupby("cell")["privacy_rank"].transform("count").astype(float)
    rank = frame["privacy_rank"].astype(float)
    frame["privacy"] = np.where(ranked > 1, (ranked - rank) / (ranked - 1).clip(lower=1), np.nan)
    rows = []
    for name, own in frame.groupby("quantizer", sort=False):
        row = {"quantizer": name, "cells": len(own), "ranked": int(own["privacy"].notna().sum())}
        for label, column in (
            ("privacy", "privacy"),
            ("relative", "relative_performance"),
            ("lira", "lira_auc"),
        ):
            row |= _mean(label, own[column].to_numpy(dtype=float))
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(label: str, values: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    """Return a mean over cells and its interval; missing where there is none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return dict.fromkeys((label, f"{label}_low", f"{label}_high"), np.nan)
    drawn = np.random.default_rng(0).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = percentile_interval(known[drawn].mean(1))
    return {label: known.mean(), f"{label}_low": float(low), f"{label}_high": float(high)}


def show(console: Console, cells: Sequence[Measured | Failed]) -> None:
    """Print the summary over cells, and what failed."""
    done = [cell for cell in cells if isinstance(cell, Measured)]
    if done:
        title = f"Means over {len(done)} cells (task × encoder), with 95 % intervals over cells"
        table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
        table.add_column("quantizer", no_wrap=True)
        for head in ("cells", "place by r (1 = most private)", "LiRA AUC", "relative performance"):
            table.add_column(head, justify="right")
        for _, row in summary(cells).iterrows():
            shown = [_shown(row, label) for label in ("privacy", "lira", "relative")]
            table.add_row(escape(str(row["quantizer"])), f"{row['cells']}", *shown)
        console.print(table)
    for cell in cells:
        if isinstance(cell, Failed):
            console.print(
                f"Failed: {cell.task} · {cell.encoder}: {cell.reason}", highlight=False, markup=False
            )


def _shown(row: pd.Series, label: str) -> str:
    if pd.isna(row[label]):
        return MISSING
    return f"{number(row[label])} [{number(row[f'{label}_low'])}, {number(row[f'{label}_high'])}]"


def trainable_suite(suite: Suite, progress: Progress) -> Suite:
    """Return a suite without the encoders that cannot be trained with heads, and say which these are.

    Raises
    ------
    MolmisError
        If there are no others.
    """
    fitting = trainable_encoders()
    kept = tuple(name for name in suite.encoders if name in fitting)
    if left := [name for name in suite.encoders if name not in kept]:
        progress.note(f"--train-encoder: left out of the suite, as they cannot be trained: {', '.join(left)}")
    if not kept:
        raise MolmisError(f"--train-encoder: give --encoder {', '.join(fitting)}, several by commas")
    return replace(suite, encoders=kept)
