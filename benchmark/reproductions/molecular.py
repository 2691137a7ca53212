"""Figures 3 and 4: r against relative performance on molecular tasks, classification and regression."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmark.reproductions import REPRODUCTIONS, Results
from molecules.command_line import Debug, user_errors

#: Suite of each figure.
SUITES = {"fig3": "paper-classification", "fig4": "paper-regression"}
#: What the labels of its tasks are.
KINDS = {"fig3": "classification", "fig4": "regression"}

Encoders = Annotated[
    str | None, typer.Option("--encoder", help="Encoders, separated by commas, instead of the suite's.")
]
Tasks = Annotated[str | None, typer.Option(help="Tasks, separated by commas, instead of the suite's.")]
Runs = Annotated[int, typer.Option(help="Heads trained for each cell.", min=16)]
Out = Annotated[Path, typer.Option(help="Folder for the CSV file and the figure.")]
DataDir = Annotated[Path | None, typer.Option(help="Where raw data files are looked for first.")]


def _command(name: str) -> Callable[..., None]:
    """Return the sub-command of a figure."""

    def command(
        out: Out = Path("out"),
        runs: Runs = 16,
        encoder: Encoders = None,
        tasks: Tasks = None,
        data_dir: DataDir = None,
        results: Results = Path("results"),
        debug: Debug = False,
    ) -> None:
        with user_errors(debug):
            _figure(name, out, runs, encoder, tasks, data_dir, results)

    command.__doc__ = (
        f"Draw r against relative performance on {KINDS[name]} tasks, and tell the paper's findings."
    )
    return command


for _name in SUITES:
    REPRODUCTIONS.add(_name, _command(_name))


def _figure(
    name: str,
    out: Path,
    runs: int,
    encoder: str | None,
    tasks: str | None,
    data_dir: Path | None,
    results: Path,
) -> None:
    from molecules.cache import atomic_write, writable_file
    from molecules.errors import MolmisError

    csv, *pictures = (writable_file(out / f"{name}.{ending}", "--out") for ending in ("csv", "png", "svg"))
    import pandas as pd
    from rich.console import Console

    from benchmark.execute import Settings
    from benchmark.figure_file import save
    from benchmark.molecular_experiment import rows_of, sentences
    from benchmark.progress import Bar
    from benchmark.reproductions.drawing.molecular import draw
    from benchmark.suite_run import Failed, chosen_suite, run_cells
    from benchmark.suites import get_suite
    from tasks.catalogue import get_task
    from tasks.task import DataOptions

    progress = Bar(Console(stderr=True))
    settings = Settings(runs=runs, results=results)
    suite = chosen_suite(get_suite(SUITES[name]), encoder, tasks)
    wrong = [task for task in suite.tasks if get_task(task).kind != KINDS[name]]
    if wrong:
        raise MolmisError(f"--tasks: {', '.join(wrong)} is no task of {KINDS[name]}, which {name} is about")
    cells = list(run_cells(suite, DataOptions(data_dir, progress=progress), settings, rows_of, progress))
    failed = [f"{c.task} · {c.encoder}: {c.reason}" for c in cells if isinstance(c, Failed)]
    frames = [cell.table for cell in cells if not isinstance(cell, Failed)]
    if not frames:
        raise MolmisError(f"no cell of {suite.description} could be measured: {failed[0]}")
    rows = pd.concat(frames, ignore_index=True)
    with atomic_write(csv) as temporary:
        rows.to_csv(temporary, index=False, float_format="%.6g")
    save(lambda: draw(rows), pictures)
    beside = out / f"{next(other for other in SUITES if other != name)}.csv"
    other = pd.read_csv(beside, keep_default_na=False, na_values=[""]) if beside.exists() else None
    for text in sentences(rows, other, failed):
        typer.echo(text)
    for path in (csv, *pictures):
        typer.echo(f"wrote {path}", err=True)
