"""Figure 1: how stable the ranks of quantizers are with few runs, against those by many."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.reproductions import REPRODUCTIONS, Results
from molecules.command_line import Debug, user_errors

if TYPE_CHECKING:
    from benchmark.rank_stability import Stability
    from benchmark.results import CellResult

#: What the command writes below --out.
FILES = ("fig1.csv", "fig1_ranks.csv", "fig1.png", "fig1.svg")
#: Runs in a subset.
SIZES = (5, 10, 20, 50, 100, 200)
#: Sizes that are told in words.
TOLD = (10, 20, 50)


def sentences(stability: "Stability", result: "CellResult") -> Iterator[str]:
    """Yield what the subsets show, and what became of the paper's two findings."""
    from benchmark.findings import FINDINGS, findings
    from benchmark.privacy.indicator_name import Indicator

    figures = ["spearman", "spearman_others", "spearman_mis", "at_final_rank", "at_final_group"]
    means = stability.subsets.groupby(["indicator", "runs"], sort=False)[figures].mean()
    yield "Means over the subsets: Spearman with the order by all runs, by the others, and by MIS <=;"
    yield "share of the quantizers at their final rank, and in their final group (paired 95 % interval)."
    yield f"{'':18} runs   all  others  MIS<=   rank  group"
    for (indicator, runs), row in means.iterrows():
        if runs in TOLD:
            told = "  ".join(f"{row[name]:.3f}" for name in figures[:3])
            yield f"{indicator:18} {runs:4}  {told}  {row[figures[3]]:5.0%}  {row[figures[4]]:5.0%}"
    for indicator in Indicator:
        for finding, said in zip(FINDINGS, findings(result, indicator), strict=True):
            yield f"Paper: {finding}. By r ({indicator}): {said}."


@REPRODUCTIONS.register("fig1")
def fig1(
    out: Annotated[Path, typer.Option(help=f"Folder for {', '.join(FILES)}.")] = Path("out"),
    runs: Annotated[int, typer.Option(help="Heads trained (the paper's 300).", min=16)] = 300,
    subsets: Annotated[int, typer.Option(help="Random subsets of the runs of each size.", min=2)] = 100,
    task: Annotated[str, typer.Option(help="The task, with its parameters.")] = "gaussian-modes:m=5000",
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Draw how soon the ranks of quantizers are those of all runs: curves, pies and heat maps."""
    from molecules.cache import atomic_write, writable_file

    with user_errors(debug):
        paths = [writable_file(out / name, "--out") for name in FILES]
        from rich.console import Console

        from benchmark.attack_cell import published_signals
        from benchmark.cell_runs import CellRuns
        from benchmark.execute import Settings, measure_cell, plan_cell
        from benchmark.figure_file import save
        from benchmark.progress import Bar
        from benchmark.rank_stability import rank_stability
        from benchmark.reproductions.drawing.fig1 import draw
        from benchmark.tables import summarise
        from tasks.catalogue import get_task
        from tasks.task import DataOptions

        progress, settings = Bar(Console(stderr=True)), Settings(runs=runs, results=results)
        cell, flags = plan_cell(get_task(task), DataOptions(), settings, progress)
        result = measure_cell(cell, flags, settings, progress)
        bound = summarise(result)["mis_bound"].to_numpy(dtype=float)
        sizes = [size for size in SIZES if size < runs]
        signals = published_signals(cell, progress)
        stability = rank_stability(CellRuns(result), signals, bound, sizes, subsets, progress)
        for path, frame in zip(paths, (stability.subsets, stability.ranks), strict=False):
            with atomic_write(path) as temporary:
                frame.to_csv(temporary, index=False, float_format="%.6g")
        save(lambda: draw(stability, runs), paths[2:])
        for text in sentences(stability, result):
            typer.echo(text)
        for path in paths:
            typer.echo(f"wrote {path}", err=True)
