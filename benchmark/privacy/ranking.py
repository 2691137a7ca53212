"""From the figures of the runs to one r a quantizer, its interval, and its rank with what that is worth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.scales import PlainScale, Scale
from molecules.streams import stream

Floats = NDArray[np.float64]

#: Share of the runs left out at each end by ``Aggregate.TRIMMED``.
TRIM = 0.1
#: Share of the runs, and number of them, that must know their rate for the quantizer to have an r.
KNOWN_SHARE, KNOWN_RUNS = 0.5, 2


@dataclass(frozen=True)
class Ranking:
    """The indicator of every quantizer over all runs, with what it is worth.

    Attributes
    ----------
    r, low, high : ndarray, shape (Q,)
        The indicator, and its percentile interval from the bootstrap; NaN where fewer than half of the runs,
        or fewer than two, know their figure.
    effective : ndarray, shape (Q,)
        What ranks go by: what the indicator cannot tell apart is tied; NaN where r is unknown.
    rank, rank_low, rank_high : ndarray of float, shape (Q,)
        1 = most private, ties sharing the smallest; and the interval of the rank over the resamples. NaN for
        what is not ranked.
    stability : ndarray, shape (Q,)
        Share of bootstrap resamples in which the quantizer stands at its rank.
    """

    r: Floats
    low: Floats
    high: Floats
    effective: Floats
    rank: Floats
    rank_low: Floats
    rank_high: Floats
    stability: Floats


def aggregate_runs(values: Floats, how: Aggregate, axis: int = -1) -> Floats:
    """Return the mean, trimmed mean or median over runs, leaving out NaN; NaN where no run is left."""
    over_runs = np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1)
    result = np.full(over_runs.shape[:-1], np.nan)
    known = ~np.isnan(over_runs).all(-1)
    if known.any():
        result[known] = _REDUCE[how](over_runs[known])
    return result


def _trimmed_mean(values: Floats) -> Floats:
    """Return the trimmed mean of each row, leaving out NaN."""
    if not np.isnan(values).any():
        return np.asarray(scipy.stats.trim_mean(values, TRIM, axis=-1))
    return np.array([scipy.stats.trim_mean(row[~np.isnan(row)], TRIM) for row in values])


_REDUCE: dict[Aggregate, Callable[[Floats], Floats]] = {
    Aggregate.MEAN: lambda values: np.nanmean(values, axis=-1),
    Aggregate.TRIMMED: _trimmed_mean,
    Aggregate.MEDIAN: lambda values: np.nanmedian(values, axis=-1),
}


def known_rates(corrected: Floats) -> NDArray[np.bool_]:
    """Return which quantizers have an r, shape (Q,): those whose figure enough of the runs know."""
    known = (~np.isnan(corrected)).sum(1)
    return np.asarray((known >= KNOWN_RUNS) & (known >= KNOWN_SHARE * corrected.shape[1]))


def bootstrap_runs(runs: int, resamples: int, seed: int) -> NDArray[np.intp]:
    """Return resampled run indices, shape (resamples, runs), the same for every figure of a cell (paired)."""
    return stream(seed, "bootstrap").integers(0, runs, (resamples, runs))


def rank_rates(
    values: Floats,
    drawn: NDArray[np.intp],
    scale: Scale | None = None,
    how: Aggregate = Aggregate.MEAN,
    *,
    ranked: NDArray[np.bool_] | None = None,
    level: float = 0.95,
) -> Ranking:
    """Aggregate figures over runs and rank the quantizers, with a paired bootstrap over runs.

    Parameters
    ----------
    values : ndarray, shape (Q, runs)
        The figure of every quantizer and run, larger = more private; NaN where it cannot be known.
    drawn : ndarray of int, shape (resamples, runs)
        From :func:`bootstrap_runs`: the same runs for all quantizers, which share their snapshots, so that
        differences between quantizers are paired.
    scale : Scale or None
        How aggregated figures become r, and which are tied; None: rates without a floor.
    how : Aggregate
        Mean (the paper's), trimmed mean or median.
    ranked : ndarray of bool, shape (Q,), or None
        Which quantizers take part in the ranking; None: all whose r is known.
    level : float
        Of the intervals.
    """
    scale = PlainScale(0.0) if scale is None else scale
    known = known_rates(values)
    point = np.where(known, aggregate_runs(values, how), np.nan)
    resampled = np.where(known[:, None], resampled_rates(values, drawn, how), np.nan)
    low, high = percentile_interval(resampled, level)
    taking_part = known if ranked is None else known & ranked
    effective = scale.effective(point)
    rank = ranks(np.where(taking_part, effective, np.nan))
    others = ranks(np.where(taking_part[:, None], scale.effective(resampled), np.nan))
    rank_low, rank_high = percentile_interval(others, level)
    rank_low, rank_high = np.fmin(np.floor(rank_low), rank), np.fmax(np.ceil(rank_high), rank)
    stability = np.where(np.isnan(rank), np.nan, (others == rank[:, None]).mean(1))
    r, low, high = (scale.shown(part) for part in (point, low, high))
    return Ranking(r, low, high, effective, rank, rank_low, rank_high, stability)


def resampled_rates(corrected: Floats, drawn: NDArray[np.intp], how: Aggregate) -> Floats:
    """Return the aggregated figure of every quantizer in every resample, shape (Q, resamples)."""
    return np.stack([aggregate_runs(row[drawn], how) for row in corrected])


def ranks(values: Floats) -> Floats:
    """Rank along the first axis, 1 = largest, ties sharing the smallest; NaN stays NaN."""
    return np.asarray(
        scipy.stats.rankdata(-values, method="min", axis=0, nan_policy="omit"), dtype=np.float64
    )


def percentile_interval(resampled: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the central percentile interval of each row of (..., resamples), leaving out NaN."""
    tail = (1 - level) / 2
    known = ~np.isnan(resampled).all(-1)
    low, high = (np.full(resampled.shape[:-1], np.nan) for _ in range(2))
    if known.any():
        low[known], high[known] = np.nanquantile(resampled[known], [tail, 1 - tail], axis=-1)
    return low, high
