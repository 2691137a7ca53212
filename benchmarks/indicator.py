"""Which indicator orders quantizers as attacks do: ``python -m benchmarks.indicator [--out DIR]``.

On every task a bank of 64 runs is trained. The indicators see the first 10 runs (their heads, members and
records); matched LiRA, the yardstick, is read off the 54 others. Figures are Spearman's rank correlations
over the twelve quantizers of the paper. One half of the tasks was looked at while the indicator was made; the
other half was not, and there only the gap, the plain indicator and the membership effect are tried.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmark.figure_file import save
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.ranking import aggregate_runs
from benchmark.progress import Bar
from benchmark.rank_stability import spearman
from benchmarks.indicator_study import FEW, study
from benchmarks.indicator_tasks import CHOOSE, CONFIRM
from molecules.cache import atomic_write
from molecules.errors import MolmisError
from molecules.progress import Progress
from tasks.task import Task

PLAIN = "snapshots · OUT · best · min · corrected"
PLAIN_NAME = "plain indicator"
NAMED = ("membership effect", "gap", "gap / deviation", PLAIN, "snapshots · OUT · best · min · plain")


def main() -> None:
    """Study, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/indicator"), help="folder of the CSV files")
    parser.add_argument("--tasks", nargs="*", help="names of tasks; all of them if not given")
    parser.add_argument("--best", type=int, default=12, help="candidates shown")
    chosen = parser.parse_args()
    progress, console = Bar(Console(stderr=True)), Console(width=200)
    frames = []
    for part, tasks in (("chosen on", CHOOSE), ("confirmed on", CONFIRM)):
        for name, make in tasks.items():
            if chosen.tasks and name not in chosen.tasks:
                continue
            frame = correlations(name, part, chosen.out, make, progress)
            if frame is not None:
                frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    with atomic_write(chosen.out / "indicator.csv") as temporary:
        rows.to_csv(temporary, index=False)
    save(lambda: draw(rows[rows["aggregate"] == "mean"]), [chosen.out / "indicator.png"])
    show(rows, console, chosen.best)
    console.print(f"wrote {chosen.out / 'indicator.csv'} and indicator.png beside it")


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the correlation of every indicator that is named on every task."""
    names = ["LiRA of other runs", *NAMED[:3], PLAIN_NAME]
    rows = rows.replace({"indicator": {PLAIN: PLAIN_NAME}})
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    panel = figure.subplots()
    shown = rows[rows["indicator"].isin(names)]
    sns.swarmplot(
        shown,
        x="spearman",
        y="indicator",
        hue="part",
        order=names,
        hue_order=["chosen on", "confirmed on"],
        dodge=True,
        size=4,
        palette=sns.color_palette("colorblind", 2),
        ax=panel,
    )
    for place, name in enumerate(names):
        mean = shown.loc[shown["indicator"] == name, "spearman"].mean()
        panel.plot([mean, mean], [place - 0.35, place + 0.35], color="black", lw=1.5)
    panel.set(xlabel="Spearman with matched LiRA, a point a task; line: mean", ylabel="")
    panel.legend(title="", frameon=False, loc="upper left")
    return figure


def correlations(
    name: str, part: str, out: Path, make: Callable[[], Task], progress: Progress
) -> pd.DataFrame | None:
    """Return the correlation of every indicator with LiRA on one task; None where its file is missing."""
    kept = out / "tasks" / f"{name}.csv"
    if not kept.exists():
        try:
            figures, lira = study(make(), progress, candidates=part == "chosen on")
        except MolmisError as error:
            progress.note(f"{name}: left out: {error}")
            return None
        rows = compared(figures, lira).assign(task=name, part=part)
        with atomic_write(kept) as temporary:
            rows.to_csv(temporary, index=False)
    return pd.read_csv(kept)


def compared(figures: pd.DataFrame, lira: pd.DataFrame) -> pd.DataFrame:
    """Return one row per indicator and aggregate: Spearman's correlation with minus LiRA's AUC.

    The AUC is that of the runs that the indicators have not seen; ``itself`` is the correlation of the AUC of
    one half of these with that of the other: what a perfect indicator could reach.
    """
    names = list(dict.fromkeys(lira["quantizer"]))
    aucs = _wide(lira, "auc", names)[:, FEW:]
    middle = aucs.shape[1] // 2
    security = -aucs.mean(1)
    itself = spearman(aucs[:, :middle].mean(1), aucs[:, middle:].mean(1))
    rows = [{"indicator": "LiRA of other runs", "aggregate": "mean", "spearman": itself, "unknown": 0}]
    for indicator, own in figures.groupby("indicator", sort=False):
        values = _wide(own, "value", names)
        for how in Aggregate:
            point = aggregate_runs(values, how)
            found = spearman(point, security)
            rows.append({"indicator": indicator, "aggregate": str(how), "spearman": found})
            rows[-1]["unknown"] = int(np.isnan(point).sum())
    return pd.DataFrame(rows)


def _wide(rows: pd.DataFrame, value: str, names: list[str]) -> np.ndarray:
    """Return a column as (quantizers, runs)."""
    table = rows.pivot_table(index="quantizer", columns="run", values=value, dropna=False)
    return np.asarray(table.loc[names].to_numpy(dtype=float))


def show(rows: pd.DataFrame, console: Console, best: int) -> None:
    """Print what was chosen and what was confirmed."""
    means = rows[rows["aggregate"] == "mean"]
    chosen = means[means["part"] == "chosen on"]
    if len(chosen):
        order = chosen.groupby("indicator")["spearman"].mean().sort_values(ascending=False)
        shown = list(dict.fromkeys([*order.index[:best], *(n for n in NAMED if n in order)]))
        console.print(_table("chosen on", chosen, shown))
        console.print(_parts(rows[rows["part"] == "chosen on"]))
    confirmed = means[means["part"] == "confirmed on"]
    if len(confirmed):
        console.print(_table("confirmed on", confirmed, ["LiRA of other runs", *NAMED]))
        for baseline in ("gap", "gap / deviation"):
            console.print(_difference(confirmed, "membership effect", baseline))
    console.print(_by_task(means))


def _difference(rows: pd.DataFrame, one: str, two: str) -> str:
    """Say how much better one indicator is than another, paired by tasks."""
    of = rows.pivot_table(index="task", columns="indicator", values="spearman")
    return f"{one} less {two}, over {len(of)} tasks: {_mean_text((of[one] - of[two]).to_numpy())}"


def _mean_text(values: np.ndarray) -> str:
    """Return a mean with its interval over resampled tasks."""
    resampled = np.random.default_rng(0).choice(values, (4000, len(values))).mean(1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def _by_task(rows: pd.DataFrame) -> Table:
    """Return the correlations of what is named, task by task."""
    names = ["LiRA of other runs", "membership effect", "gap", "gap / deviation", PLAIN]
    table = Table("part", "task", *names, title="task by task", title_justify="left")
    for (part, task), own in rows.groupby(["part", "task"], sort=False):
        found = own.set_index("indicator")["spearman"]
        table.add_row(str(part), str(task), *(f"{found[name]:.2f}" for name in names))
    return table


def _table(title: str, rows: pd.DataFrame, shown: list[str]) -> Table:
    tasks = list(dict.fromkeys(rows["task"]))
    table = Table(title=f"Spearman with matched LiRA, {title} {len(tasks)} tasks", title_justify="left")
    for head in ("indicator", "mean [95 %, tasks resampled]", "lowest", "median"):
        table.add_column(head, justify="left" if head == "indicator" else "right")
    for name in shown:
        values = rows.loc[rows["indicator"] == name, "spearman"].dropna().to_numpy()
        table.add_row(name, _mean_text(values), f"{values.min():.2f}", f"{np.median(values):.2f}")
    return table


def _parts(rows: pd.DataFrame) -> Table:
    """Return the mean over everything else of every choice of every part of an indicator."""
    own = rows[rows["indicator"].str.count(" · ") == 4]
    parts = own["indicator"].str.split(" · ", expand=True)
    parts.columns = ["candidates", "records", "reference", "over candidates", "moment"]
    parts["over runs"] = own["aggregate"]
    table = Table(
        "part", "choice", "mean", "best of its kind", title="every part by itself", title_justify="left"
    )
    for part in parts:
        for choice in dict.fromkeys(parts[part]):
            chosen = own[parts[part] == choice]
            best = chosen.groupby(["indicator", "aggregate"])["spearman"].mean()
            table.add_row(
                part, choice, f"{chosen['spearman'].mean():.2f}", f"{best.max():.2f}: {best.idxmax()[0]}"
            )
    return table


if __name__ == "__main__":
    main()
