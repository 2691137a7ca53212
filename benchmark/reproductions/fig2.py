"""Figure 2: r against the bound on MIS by attacks, over configurations of the synthetic tasks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.reproductions import REPRODUCTIONS, Results
from molecules.command_line import Debug, user_errors

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.privacy.attacks import Signals
    from benchmark.results import CellResult

#: What the command writes below --out.
FILES = ("fig2.csv", "fig2.png", "fig2.svg")
#: Changes to the default configuration (16 modes in R^128, 256 members, two hidden layers of 64).
CONFIGURATIONS = {
    "16 modes, 256 members, width 64": "gaussian-modes:{}",
    "4 modes": "gaussian-modes:modes=4,{}",
    "64 modes": "gaussian-modes:modes=64,{}",
    "64 members": "gaussian-modes:n=128,{}",
    "1,024 members": "gaussian-modes:n=2048,{}",
    "width 16": "gaussian-modes:width=16,{}",
    "width 128": "gaussian-modes:width=128,{}",
    "regression": "gaussian-modes-regression:{}",
}
#: Columns of Spearman's correlation with the bound on MIS, and what is correlated.
COMPARED = {
    "spearman": "membership effect",
    "spearman_plain": "plain indicator",
    "spearman_gap": "gap",
    "spearman_gap_deviation": "gap / deviation",
}


def rows_of(configuration: str, result: "CellResult", signals: "Mapping[str, Signals]") -> "pd.DataFrame":
    """Return the rows of ``fig2.csv`` of one configuration; the columns are in docs/columns.md.

    Parameters
    ----------
    configuration : str
        Its name.
    result : CellResult
        What was measured.
    signals : mapping of str to Signals
        Of the published heads, by quantizer.
    """
    import numpy as np

    from benchmark.cell_runs import CellRuns
    from benchmark.privacy.ranking import aggregate_runs
    from benchmark.rank_stability import indicators, spearman
    from benchmark.tables import summarise

    table, runs = summarise(result), CellRuns(result)
    point = {
        name: aggregate_runs(figures(np.arange(runs.runs)), runs.aggregate)
        for name, figures in indicators(runs, signals).items()
    }
    columns = ["quantizer", "r", "r_low", "r_high", "mis_bound", "mis_bound_low", "mis_bound_high"]
    rows = table[[*columns, "membership_effect", "lira_auc"]].copy()
    rows.insert(0, "configuration", configuration)
    rows["r_plain"], rows["gap"] = point["plain indicator"], -point["gap"]
    rows["gap_deviation"] = -point["gap / deviation"]
    bound = rows["mis_bound"].to_numpy(dtype=float)
    for column, name in COMPARED.items():
        rows[column] = spearman(point[name], bound)
    return rows


def sentences(rows: "pd.DataFrame", results: "dict[str, CellResult]") -> Iterator[str]:
    """Yield how far the indicators order quantizers as the bound does, and what became of the findings."""
    from collections import Counter

    from benchmark.findings import FINDINGS, findings
    from benchmark.privacy.indicator_name import Indicator

    by = rows.groupby("configuration", sort=False)[list(COMPARED)].first()
    yield f"Spearman with MIS <= over {len(by)} configurations:"
    for column, name in COMPARED.items():
        values = by[column].dropna()
        yield f"  {name}: {values.min():.2f} to {values.max():.2f}, median {values.median():.2f}"
    for number, finding in enumerate(FINDINGS):
        for indicator in Indicator:
            said = {name: list(findings(result, indicator))[number] for name, result in results.items()}
            counts = Counter(text.split(":")[0] for text in said.values())
            verdicts = ", ".join(f"{verdict} in {count}" for verdict, count in counts.most_common())
            yield f"Paper: {finding}. By r ({indicator}): {verdicts} of {len(said)} configurations:"
            yield from (f"  {name}: {text}" for name, text in said.items())


@REPRODUCTIONS.register("fig2")
def fig2(
    out: Annotated[Path, typer.Option(help=f"Folder for {', '.join(FILES)}.")] = Path("out"),
    runs: Annotated[int, typer.Option(help="Heads trained for each configuration.", min=16)] = 300,
    fresh: Annotated[
        int, typer.Option("--fresh", help="Fresh records that the plain indicator is measured on.", min=100)
    ] = 5000,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Draw r against the bound on MIS over configurations, and tell the paper's two findings."""
    from molecules.cache import atomic_write, writable_file

    with user_errors(debug):
        csv, *pictures = (writable_file(out / name, "--out") for name in FILES)
        import pandas as pd
        from rich.console import Console

        from benchmark.attack_cell import published_signals
        from benchmark.execute import Settings, measure_cell, plan_cell
        from benchmark.figure_file import save
        from benchmark.progress import Bar
        from benchmark.reproductions.drawing.fig2 import draw
        from tasks.catalogue import get_task
        from tasks.task import DataOptions

        progress, settings = Bar(Console(stderr=True)), Settings(runs=runs, results=results)
        measured, frames = {}, []
        for name, task in CONFIGURATIONS.items():
            cell, flags = plan_cell(get_task(task.format(f"m={fresh}")), DataOptions(), settings, progress)
            measured[name] = measure_cell(cell, flags, settings, progress)
            frames.append(rows_of(name, measured[name], published_signals(cell, progress)))
        rows = pd.concat(frames, ignore_index=True)
        with atomic_write(csv) as temporary:
            rows.to_csv(temporary, index=False, float_format="%.6g")
        save(lambda: draw(rows), pictures)
        for text in sentences(rows, measured):
            typer.echo(text)
        for path in (csv, *pictures):
            typer.echo(f"wrote {path}", err=True)
