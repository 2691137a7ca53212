"""From the rows of a cell (quantizer x run) to the table (one row a quantizer): pure functions of frames."""

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from benchmark.attack_table import attack_columns
from benchmark.cell_runs import NO_SKILL, REFERENCE, CellRuns
from benchmark.choice import degenerate, pareto_front
from benchmark.metrics import METRICS
from benchmark.metrics import relative as relative_to
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.privacy.ranking import (
    aggregate_runs,
    known_rates,
    percentile_interval,
    rank_rates,
    resampled_rates,
)
from benchmark.results import CellResult

__all__ = ["REFERENCE", "STABLE_COLUMNS", "degenerate", "summarise", "table_of"]

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


def summarise(
    result: CellResult,
    aggregate: Aggregate = Aggregate.MEAN,
    indicator: Indicator = Indicator.MEMBERSHIP,
) -> pd.DataFrame:
    """Return the privacy-vs-performance table of a cell.

    Parameters
    ----------
    result : CellResult
        Rows of every quantizer and run; ``float32`` must be among the quantizers.
    aggregate : Aggregate
        How r of the runs becomes one figure.
    indicator : Indicator
        What r is.

    Returns
    -------
    DataFrame
        One row a quantizer, in the order of the result; ``STABLE_COLUMNS`` first. Intervals are 95 %
        percentile intervals of a bootstrap over runs, which resamples the same runs for all quantizers.

    Raises
    ------
    DataError
        If the result lacks rows or columns.
    """
    return table_of(CellRuns(result, aggregate, indicator))


def table_of(runs: CellRuns) -> pd.DataFrame:
    """Return the table of a cell; see :func:`summarise`."""
    size = {
        name: runs.matrix(name).mean(1)
        for name in ("bits", "entropy_bits", "packed_bytes", "zeros", "coverage", "model_coverage")
    }
    table = pd.DataFrame(
        {"task": runs.facts["task"], "encoder": runs.facts["encoder"], "quantizer": runs.names, **size}
    )
    table["packed_bytes"] = table["packed_bytes"].round().astype("int64")
    useless = runs.degenerate()
    ranked = rank_rates(runs.rates(), runs.drawn, runs.scale, runs.aggregate, ranked=~useless)
    relative, resampled = runs.relative()
    privacy = {
        "r": ranked.r,
        "r_low": ranked.low,
        "r_high": ranked.high,
        "below_resolution": runs.scale.within(ranked.r),
        "privacy_rank": _whole(ranked.rank),
        "rank_stability": ranked.stability,
        "privacy_rank_low": _whole(ranked.rank_low),
        "privacy_rank_high": _whole(ranked.rank_high),
        "resolution": runs.scale.resolution,
        "indicator": str(runs.indicator),
        **_effect(runs),
        "r_plain": np.maximum(aggregate_runs(runs.matrix("rate_corrected"), runs.aggregate), 0.0),
        "r_uncorrected": aggregate_runs(runs.matrix("rate"), runs.aggregate),
        "candidates": runs.matrix("candidates").mean(1),
        "runs_without_r": np.isnan(runs.rates()).sum(1),
    }
    front = {"pareto": pareto_front(np.where(useless, np.nan, ranked.effective), relative, resampled)}
    parts = (
        privacy,
        attack_columns(runs.attacks, runs),
        _performance(runs, relative, resampled),
        _full_pool(runs),
        _gap(runs, useless),
        _flags(runs, ranked.r),
        front,
    )
    for part in parts:
        for name, column in part.items():
            table[name] = column
    table["scope"] = str(runs.scope)
    table["aggregate"], table["runs"], table["seed"] = str(runs.aggregate), runs.runs, runs.seed
    rest = [name for name in table.columns if name not in STABLE_COLUMNS]
    return table[[*STABLE_COLUMNS, *rest]]


def _effect(runs: CellRuns) -> dict[str, object]:
    """Return the membership effect, whichever the indicator."""
    values = runs.matrix("effect")
    known = known_rates(values)
    low, high = percentile_interval(resampled_rates(values, runs.drawn, runs.aggregate))
    point = aggregate_runs(values, runs.aggregate)
    figures = {"membership_effect": point, "effect_low": low, "effect_high": high}
    return {name: np.where(known, figure, np.nan) for name, figure in figures.items()}


def _whole(values: NDArray[np.float64]) -> pd.api.extensions.ExtensionArray:
    """Return whole numbers, missing where there is none."""
    return pd.array([None if np.isnan(x) else int(x) for x in values], dtype="Int64")


def _performance(
    runs: CellRuns, relative: NDArray[np.float64], resampled: NDArray[np.float64]
) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name in METRICS[runs.kind]:
        values = runs.matrix(name)
        low, high = runs.interval(values)
        columns |= {name: values.mean(1), f"{name}_low": low, f"{name}_high": high}
    main = runs.metric.name
    low, high = percentile_interval(resampled)
    head = {
        "metric": main,
        "performance": columns[main],
        "performance_low": columns[f"{main}_low"],
        "performance_high": columns[f"{main}_high"],
        "relative_performance": relative,
        "relative_low": low,
        "relative_high": high,
    }
    return {**head, **columns}


def _full_pool(runs: CellRuns) -> dict[str, object]:
    """Return the main metric of heads trained on the whole pool; missing where there are none."""
    names = ("full_performance", "full_sd", "full_relative")
    if runs.full_pool is None:
        return {**dict.fromkeys(names, np.nan), "full_runs": 0}
    of_names = runs.full_pool.groupby("quantizer")[runs.metric.name]
    mean, spread, count = (getattr(of_names, figure)().loc[runs.names] for figure in ("mean", "std", "count"))
    values = mean.to_numpy(dtype=np.float64)
    figures = (values, spread.to_numpy(), relative_to(runs.metric, values, values[runs.reference]))
    return {**dict(zip(names, figures, strict=True)), "full_runs": count.to_numpy()}


def _gap(runs: CellRuns, useless: NDArray[np.bool_]) -> dict[str, object]:
    gap = runs.gaps()
    low, high = runs.interval(gap)
    mean = gap.mean(1)
    order = scipy.stats.rankdata(np.where(useless, np.nan, mean), method="min", nan_policy="omit")
    return {
        "generalization_gap": mean,
        "gap_low": low,
        "gap_high": high,
        "gap_rank": _whole(np.asarray(order, dtype=np.float64)),
        "loss_in": runs.matrix("loss_in").mean(1),
        "loss_out": runs.matrix("loss_out").mean(1),
    }


def _flags(runs: CellRuns, r: NDArray[np.float64]) -> dict[str, object]:
    """Return what a reader must know before believing a row; empty where there is nothing."""
    constant = runs.matrix("constant").sum(1).astype(int)
    skill, nothing = NO_SKILL[runs.kind]
    no_skill = runs.no_skill()
    contract = runs.facts.get("quantizer_flags")
    flags = []
    for place, name in enumerate(runs.names):
        said = list(contract.get(name, [])) if isinstance(contract, dict) else []
        if no_skill[place]:
            said.append(f"no skill ({skill} not above {nothing})")
        if constant[place]:
            said.append(f"constant predictions in {constant[place]} of {runs.runs} runs")
        said += [
            f"r unknown in {count} of {runs.runs} runs ({reason})"
            for reason, count in runs.reasons(name).items()
        ]
        if np.isnan(r[place]) and not np.isnan(runs.rates()[place]).all():
            said.append("too few of them for an r")
        flags.append("; ".join(said))
    return {"constant_share": constant / runs.runs, "no_skill": no_skill, "flags": flags}
