"""Indicators against the exact Delta_n: ``python -m benchmarks.indicator_exact [--out DIR]``.

On finitely many records and weights all is a finite sum: the leak Delta_n, the membership effect, the rate r
of the paper, the generalisation gap. Every configuration of ``benchmarks.exact`` is taken whose count vectors
can be enumerated. Spearman's correlations are over configurations of the same number of training records;
their intervals resample populations.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmark.privacy.exact import exact_leak
from benchmark.privacy.exact_effect import exact_effect
from benchmark.privacy.populations import loss_matrix
from benchmark.privacy.ranking import percentile_interval
from benchmark.progress import Bar
from benchmark.rank_stability import spearman
from benchmarks.exact_cases import Configuration, configurations
from molecules.cache import atomic_write
from molecules.errors import MolmisError
from molecules.progress import Progress
from molecules.streams import stream
from tasks.task import Kind

#: Training records: of more, too few configurations can be enumerated.
SIZES = (4, 8, 16)
#: What is compared with Delta_n; each larger = more leaks.
FIGURES = {"membership effect": "effect", "exp(-n r)": "plain", "exp(-n C)": "cramer", "gap": "gap"}


def main() -> None:
    """Compute, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/indicator"), help="folder of the CSV file")
    out = parser.parse_args().out
    console = Console(width=120)
    rows = measure(Bar(Console(stderr=True)))
    with atomic_write(out / "indicator_exact.csv") as temporary:
        rows.to_csv(temporary, index=False)
    console.print(_orders(rows))
    console.print(_bounds(rows))
    console.print(f"wrote {out / 'indicator_exact.csv'}")


def measure(progress: Progress) -> pd.DataFrame:
    """Return one row per configuration and n: Delta_n, and what is compared with it."""
    settings = [setting for setting in configurations() if setting.discrete]
    with progress.stage("exact figures", len(settings) * len(SIZES)) as advance:
        rows = []
        for setting in settings:
            for n in SIZES:
                rows += _row(setting, n)
                advance(1)
    return pd.DataFrame(rows)


def _row(setting: Configuration, n: int) -> Iterator[dict[str, object]]:
    """Yield the figures of a configuration; nothing where its count vectors are too many."""
    problem = setting.problem()
    try:
        leak = exact_leak(problem, n, setting.ties)
    except MolmisError:
        return
    rate = setting.rates()
    kind = Kind.REGRESSION if setting.loss == "squared" else Kind.CLASSIFICATION
    found = exact_effect(kind, leak, margins(setting))
    yield {
        "population": setting.population_name,
        "models": setting.models.name,
        "kind": str(kind),
        "n": n,
        "delta": leak.delta,
        "effect": found.effect,
        "leak": found.leak,
        "gap": found.gap,
        "plain": np.exp(-n * rate.gaussian),
        "cramer": np.exp(-n * rate.cramer),
        "minimisers": rate.minimisers,
    }


def margins(setting: Configuration) -> np.ndarray:
    """Return the margin of every hypothesis of the problem on every record, shape (K, S)."""
    population, problem = setting.population, setting.problem()
    x, y = population.x, population.y  # type: ignore[attr-defined]
    scores = setting.models.scores(x)
    values = scores - y if setting.loss == "squared" else scores * y
    losses = loss_matrix(scores, y, setting.loss)
    # hypotheses of equal losses are one in the problem: the first of them stands for it
    first = [int(np.abs(losses - row).max(1).argmin()) for row in problem.losses]
    return np.asarray(values[first])


def _orders(rows: pd.DataFrame) -> Table:
    """Return Spearman's correlations with Delta_n over configurations, for every n."""
    table = Table(
        "n", "configurations", "populations", *FIGURES, title="Spearman with Delta_n", title_justify="left"
    )
    single = rows[rows["minimisers"] == 1]
    for n, own in single.groupby("n"):
        cells = [_correlation(own, column) for column in FIGURES.values()]
        table.add_row(str(n), str(len(own)), str(own["population"].nunique()), *cells)
    return table


def _correlation(rows: pd.DataFrame, column: str) -> str:
    groups = [group for _, group in rows.groupby("population")]
    drawn = stream(0, "spearman").integers(0, len(groups), (1_000, len(groups)))
    resampled = []
    for indices in drawn:
        both = pd.concat([groups[i] for i in indices])
        resampled.append(spearman(both[column].to_numpy(), both["delta"].to_numpy()))
    low, high = percentile_interval(np.array([resampled]))
    value = spearman(rows[column].to_numpy(), rows["delta"].to_numpy())
    return f"{value:.2f} [{low[0]:.2f}, {high[0]:.2f}]"


def _bounds(rows: pd.DataFrame) -> Table:
    """Return how far 2 Phi(d / 2) - 1 stays below Delta_n."""
    table = Table(
        "n", "largest leak / Delta", "median", "above Delta", title="2 Phi(d / 2) - 1", title_justify="left"
    )
    for n, own in rows.groupby("n"):
        ratio = (own["leak"] / own["delta"]).dropna()
        above = int((own["leak"] > own["delta"] + 1e-12).sum())
        table.add_row(str(n), f"{ratio.max():.2f}", f"{ratio.median():.2f}", f"{above} of {len(ratio)}")
    return table


if __name__ == "__main__":
    main()
