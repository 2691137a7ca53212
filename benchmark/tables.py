"""From the rows of a cell (quantizer x run) to the table (one row a quantizer): pure functions of frames."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.metrics import METRICS, metric_named, relative
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator import (
    aggregate_runs,
    bootstrap_weights,
    percentile_interval,
    rank_rates,
    resolution,
)
from benchmark.results import CellResult
from tasks.task import Kind

#: The reference row of every table.
REFERENCE = "float32"

#: The columns that other programs may rely on, in this order; further ones follow them.
STABLE_COLUMNS = (
    "task",
    "encoder",
    "quantizer",
    "bits",
    "entropy_bits",
    "packed_bytes",
    "zeros",
    "coverage",
    "r",
    "r_low",
    "r_high",
    "below_resolution",
    "privacy_rank",
    "rank_stability",
    "metric",
    "performance",
    "performance_low",
    "performance_high",
    "relative_performance",
    "pareto",
)

_RESAMPLES = 2000


@dataclass(frozen=True)
class Agreement:
    """How far r and the generalisation gap order the quantizers alike.

    Attributes
    ----------
    spearman, low, high : float
        Rank correlation of r with minus the gap over the quantizers, and its bootstrap interval over runs;
        NaN where fewer than three quantizers have both.
    """

    spearman: float
    low: float
    high: float


class _Runs:
    """The rows of a cell as arrays (quantizers, runs), with one paired bootstrap for all of them."""

    def __init__(self, result: CellResult, seed: int) -> None:
        rows = result.rows
        self.names = list(dict.fromkeys(rows["quantizer"]))
        self._rows = rows
        runs = rows["run"].nunique()
        self.drawn = bootstrap_weights(runs, _RESAMPLES, seed)

    def matrix(self, column: str) -> NDArray[np.float64]:
        """Return a column as (quantizers, runs)."""
        wide = self._rows.pivot_table(index="quantizer", columns="run", values=column, dropna=False)
        return np.asarray(wide.loc[self.names].to_numpy(), dtype=np.float64)

    def resampled_means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of every bootstrap resample of the runs, shape (quantizers, resamples)."""
        return np.stack([row[self.drawn].mean(1) for row in values])


def summarise(result: CellResult, aggregate: Aggregate = Aggregate.MEAN) -> pd.DataFrame:
    """Return the privacy-vs-performance table of a cell.

    Parameters
    ----------
    result : CellResult
        Rows of every quantizer and run; ``float32`` must be among the quantizers.
    aggregate : Aggregate
        How r of the runs becomes one figure.

    Returns
    -------
    DataFrame
        One row a quantizer, in the order of the result; ``STABLE_COLUMNS`` first. Intervals are 95 %
        percentile intervals of a bootstrap over runs, which resamples the same runs for all quantizers.
    """
    facts = result.facts
    kind, seed = Kind(str(facts["kind"])), int(str(facts["seed"]))
    runs = _Runs(result, seed)
    size = {
        name: runs.matrix(name).mean(1)
        for name in ("bits", "entropy_bits", "packed_bytes", "zeros", "coverage")
    }
    table = pd.DataFrame(
        {"task": facts["task"], "encoder": facts["encoder"], "quantizer": runs.names, **size}
    )
    table["packed_bytes"] = table["packed_bytes"].round().astype("int64")
    for name, column in {
        **_privacy(runs, aggregate, seed),
        **_performance(runs, kind, str(facts["metric"])),
        **_gap(runs),
        **_flags(result.rows, runs, kind),
    }.items():
        table[name] = column
    table["pareto"] = pareto_front(table)
    table["aggregate"], table["runs"], table["seed"] = str(aggregate), runs.drawn.shape[1], seed
    rest = [name for name in table.columns if name not in STABLE_COLUMNS]
    return table[[*STABLE_COLUMNS, *rest]]


def _privacy(runs: _Runs, aggregate: Aggregate, seed: int) -> dict[str, object]:
    corrected = runs.matrix("rate_corrected")
    ranking = rank_rates(corrected, aggregate, resamples=_RESAMPLES, seed=seed)
    floor = resolution(int(runs.matrix("records")[0, 0]))
    return {
        "r": ranking.r,
        "r_low": ranking.low,
        "r_high": ranking.high,
        "below_resolution": ~(ranking.r > floor),  # an unknown r is resolved no better
        "privacy_rank": pd.array([None if np.isnan(x) else int(x) for x in ranking.rank], dtype="Int64"),
        "rank_stability": ranking.stability,
        "resolution": floor,
        "r_uncorrected": aggregate_runs(runs.matrix("rate"), aggregate),
        "candidates": runs.matrix("candidates").mean(1),
        "runs_without_r": np.isnan(corrected).sum(1),
    }


def _performance(runs: _Runs, kind: Kind, main: str) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name in METRICS[kind]:
        values = runs.matrix(name)
        low, high = percentile_interval(runs.resampled_means(values))
        columns |= {name: values.mean(1), f"{name}_low": low, f"{name}_high": high}
    metric, values = metric_named(kind, main), runs.matrix(main)
    base = runs.names.index(REFERENCE)
    means, resampled = values.mean(1), runs.resampled_means(values)
    low, high = percentile_interval(relative(metric, resampled, resampled[base]))
    head = {
        "metric": main,
        "performance": columns[main],
        "performance_low": columns[f"{main}_low"],
        "performance_high": columns[f"{main}_high"],
        "relative_performance": relative(metric, means, means[base]),
        "relative_low": low,
        "relative_high": high,
    }
    return {**head, **columns}


def _gap(runs: _Runs) -> dict[str, object]:
    gap = runs.matrix("loss_out") - runs.matrix("loss_in")
    low, high = percentile_interval(runs.resampled_means(gap))
    mean = gap.mean(1)
    order = stats.rankdata(mean, method="min", nan_policy="omit")
    return {
        "generalization_gap": mean,
        "gap_low": low,
        "gap_high": high,
        "gap_rank": pd.array([None if np.isnan(x) else int(x) for x in order], dtype="Int64"),
        "loss_in": runs.matrix("loss_in").mean(1),
        "loss_out": runs.matrix("loss_out").mean(1),
    }


#: What a model without any skill scores, by kind of task: the metric and its figure.
_NO_SKILL = {Kind.CLASSIFICATION: ("roc_auc", 0.5), Kind.REGRESSION: ("r2", 0.0)}


def _flags(rows: pd.DataFrame, runs: _Runs, kind: Kind) -> dict[str, object]:
    """Return what a reader must know before believing a row; empty where there is nothing."""
    total = runs.drawn.shape[1]
    constant = runs.matrix("constant").sum(1).astype(int)
    name_of_skill, nothing = _NO_SKILL[kind]
    low, _ = percentile_interval(runs.resampled_means(runs.matrix(name_of_skill)))
    no_skill = low <= nothing
    flags = []
    for name, times, useless in zip(runs.names, constant, no_skill, strict=True):
        reasons = rows.loc[(rows["quantizer"] == name) & (rows["reason"] != ""), "reason"].value_counts()
        said = [f"r unknown in {count} of {total} runs ({reason})" for reason, count in reasons.items()]
        if times:
            said.insert(0, f"constant predictions in {times} of {total} runs")
        if useless:
            said.insert(0, f"no skill ({name_of_skill} not above {nothing})")
        flags.append("; ".join(said))
    return {"constant_share": constant / total, "no_skill": no_skill, "flags": flags}


def degenerate(table: pd.DataFrame) -> pd.Series:
    """Return which quantizers leave a useless model: constant predictions in most runs, or no skill."""
    return (table["constant_share"] > 0.5) | table["no_skill"]


def pareto_front(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which quantizers no other one beats in both r and relative performance.

    Rows without one of the two figures, and degenerate ones, are neither on the front nor beat others.
    """
    points = table[["r", "relative_performance"]].to_numpy(dtype=float)
    eligible = ~np.isnan(points).any(1) & ~degenerate(table).to_numpy()
    at_least = (points[None] >= points[:, None]).all(2)  # [i, j]: j is as good as i in both
    better = (points[None] > points[:, None]).any(2)
    beaten = (at_least & better & eligible[None]).any(1)
    return np.asarray(eligible & ~beaten)


def agreement(result: CellResult, aggregate: Aggregate = Aggregate.MEAN) -> Agreement:
    """Return the rank correlation of r with minus the generalisation gap over the quantizers."""
    seed = int(str(result.facts["seed"]))
    runs = _Runs(result, seed)
    rates, gaps = runs.matrix("rate_corrected"), runs.matrix("loss_out") - runs.matrix("loss_in")
    known = ~np.isnan(rates).all(1) & np.isfinite(gaps).all(1)
    if known.sum() < 3:
        return Agreement(np.nan, np.nan, np.nan)

    def correlation(r: NDArray[np.float64], gap: NDArray[np.float64]) -> float:
        return float(stats.spearmanr(r, -gap, nan_policy="omit").statistic)

    point = correlation(aggregate_runs(rates[known], aggregate), gaps[known].mean(1))
    drawn = runs.drawn[:500]
    resampled_r = np.stack([aggregate_runs(row[drawn], aggregate) for row in rates[known]], 1)
    resampled_gap = np.stack([row[drawn].mean(1) for row in gaps[known]], 1)
    values = np.array([correlation(r, gap) for r, gap in zip(resampled_r, resampled_gap, strict=True)])
    low, high = percentile_interval(values)
    return Agreement(point, float(low), float(high))


@dataclass(frozen=True)
class Recommendation:
    """The most private quantizer within a loss of performance, by one yardstick.

    Attributes
    ----------
    quantizer : str
        Its name; ``float32`` if nothing else is within the loss.
    max_drop : float
        The share of performance that may be lost.
    """

    quantizer: str
    max_drop: float


def recommend(table: pd.DataFrame, max_drop: float, by: str = "r") -> Recommendation | None:
    """Return the most private quantizer whose relative performance is at least ``1 - max_drop``.

    Parameters
    ----------
    table : DataFrame
        From :func:`summarise`.
    max_drop : float
        Share of the performance that may be lost, 0.02 = 2 %.
    by : {"r", "generalization_gap"}
        What "most private" goes by: largest r, or smallest gap.

    Returns
    -------
    Recommendation or None
        None if no quantizer within the loss has the figure.
    """
    fit = table[(table["relative_performance"] >= 1 - max_drop) & ~degenerate(table) & table[by].notna()]
    if fit.empty:
        return None
    # the rank rather than r itself: r is clipped at 0, the rank is taken before
    place = fit["privacy_rank" if by == "r" else by].astype(float).idxmin()
    return Recommendation(str(fit.loc[place, "quantizer"]), max_drop)
