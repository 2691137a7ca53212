"""The indicator r: how private a quantizer is, without an attack. Larger = more private.

Source: Aubinais, Formont, Piantanida, Gassiat, arXiv 2502.06567, Theorem 3.3 and Algorithm 1. The full text
was not at hand; the procedure below is our reading of it. If the published weights minimise the empirical
loss over the finite set of quantized weights, theta_1 is the population minimiser and ``xi_k`` the per-record
loss gap of candidate k to it, then ``MIS_n ~ 1 - exp(-n r)`` with

    r = min over k of  delta_k^2 / (2 sigma_k^2),    delta_k = E xi_k,  sigma_k^2 = Var xi_k.

r ranks the quantizers of one task; it is not an absolute measure of what leaks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.gap_moments import GapMoments
from molecules.streams import stream

#: Share of the runs left out at each end by ``Aggregate.TRIMMED``.
TRIM = 0.1


def resolution(records: int) -> float:
    """Return the noise floor of a rate estimated on ``records`` records, 1 / (2 m).

    With m records, ``E[delta_hat^2 / (2 sigma^2)] = r + 1 / (2 m)``: the squared mean carries its own
    sampling variance, however small the true gap.

    This holds for each single gap, so subtracting it is exact for two candidates. The minimum over more of
    them picks the gap whose noise is lowest, so there the whole floor is too much and the corrected rate lies
    too low, the more the candidates and the nearer the rates to the floor. The tests of this module state by
    how much for 5 and 20 candidates of equal rate.
    """
    return 1.0 / (2.0 * records)


def gaussian_rate(
    delta: ArrayLike, variance: ArrayLike, records: int, *, floor_corrected: bool = True
) -> NDArray[np.float64]:
    """Return delta^2 / (2 sigma^2) of every gap.

    Parameters
    ----------
    delta, variance : array_like
        Mean and variance of the gap over ``records`` records.
    records : int
        m; sets the noise floor.
    floor_corrected : bool
        Subtract the floor 1/(2m). The value is *not* clipped at 0 here: clipping before averaging over
        runs would lift the average, so it is left to :func:`aggregate_runs`.

    Returns
    -------
    ndarray
        NaN where mean and variance are both 0 (the candidate acts exactly as the reference does, so
        there is no gap to measure), infinity where only the variance is.
    """
    mean, var = np.asarray(delta, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = mean**2 / (2.0 * var)
    return rate - resolution(records) if floor_corrected else rate


@dataclass(frozen=True)
class RunRate:
    """The indicator of one run.

    Attributes
    ----------
    rate : float
        r of the run without any correction; NaN where it cannot be known (see ``reason``).
    corrected : float
        The same less the noise floor; may be negative.
    candidates : int
        Distinct quantized snapshots compared.
    reference : int
        Index of theta_1, the candidate of smallest mean loss; -1 where there is none.
    records : int
        Records the losses were evaluated on, m.
    reason : str
        Why the rate cannot be known; empty where it is.
    """

    rate: float
    corrected: float
    candidates: int
    reference: int
    records: int
    reason: str = ""

    @classmethod
    def unknown(cls, reason: str, candidates: int, records: int) -> "RunRate":
        """Return the record of a run whose rate cannot be known."""
        return cls(np.nan, np.nan, candidates, -1, records, reason)


def run_rate(moments: GapMoments) -> RunRate:
    """Return the indicator of one run from the moments of its candidates' losses on held-out records."""
    delta, variance = moments.gaps_to(reference := moments.best())
    candidates = len(delta)
    if candidates < 2:
        return RunRate.unknown("one candidate only", candidates, moments.records)
    rates = np.delete(gaussian_rate(delta, variance, moments.records, floor_corrected=False), reference)
    if np.isnan(rates).all():
        return RunRate.unknown("all candidates act alike", candidates, moments.records)
    rate = float(np.nanmin(rates))
    return RunRate(rate, rate - resolution(moments.records), candidates, reference, moments.records)


def aggregate_runs(values: NDArray[np.float64], how: Aggregate, axis: int = -1) -> NDArray[np.float64]:
    """Return the mean, trimmed mean or median over runs, leaving out NaN; NaN where no run is left."""
    over_runs = np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1)
    result = np.full(over_runs.shape[:-1], np.nan)
    known = ~np.isnan(over_runs).all(-1)
    if known.any():
        result[known] = _REDUCE[how](over_runs[known])
    return result


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the trimmed mean of each row, leaving out NaN."""
    if not np.isnan(values).any():
        return np.asarray(stats.trim_mean(values, TRIM, axis=-1))
    return np.array([stats.trim_mean(row[~np.isnan(row)], TRIM) for row in values])


_REDUCE: dict[Aggregate, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    Aggregate.MEAN: lambda values: np.nanmean(values, axis=-1),
    Aggregate.TRIMMED: _trimmed_mean,
    Aggregate.MEDIAN: lambda values: np.nanmedian(values, axis=-1),
}


@dataclass(frozen=True)
class Ranking:
    """The indicator of every quantizer over all runs, with what it is worth.

    Attributes
    ----------
    r, low, high : ndarray, shape (Q,)
        Aggregated floor-corrected rate, clipped at 0, and its percentile interval from the bootstrap.
    rank : ndarray of float, shape (Q,)
        1 = most private; NaN where r cannot be known. Ties share the smallest rank.
    stability : ndarray, shape (Q,)
        Share of bootstrap resamples in which the quantizer stands at its rank.
    """

    r: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rank: NDArray[np.float64]
    stability: NDArray[np.float64]


def bootstrap_weights(runs: int, resamples: int, seed: int) -> NDArray[np.intp]:
    """Return resampled run indices, shape (resamples, runs), the same for every figure of a cell (paired)."""
    return stream(seed, "bootstrap").integers(0, runs, (resamples, runs))


def rank_rates(
    corrected: NDArray[np.float64],
    how: Aggregate = Aggregate.MEAN,
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Ranking:
    """Aggregate rates over runs and rank the quantizers, with a paired bootstrap over runs.

    Parameters
    ----------
    corrected : ndarray, shape (Q, runs)
        Floor-corrected rates of every quantizer and run; NaN where a rate cannot be known.
    how : Aggregate
        Mean (the paper's), trimmed mean or median.
    resamples, seed, level :
        Of the bootstrap. Every resample draws runs, and the same runs for all quantizers, which share
        their snapshots: differences between quantizers are paired.
    """
    point = aggregate_runs(corrected, how)
    rank = _ranks(point)
    drawn = bootstrap_weights(corrected.shape[1], resamples, seed)
    resampled = np.stack([aggregate_runs(row[drawn], how) for row in corrected])  # (Q, resamples)
    low, high = percentile_interval(resampled, level)
    with np.errstate(invalid="ignore"):
        stability = np.where(np.isnan(rank), np.nan, (_ranks(resampled) == rank[:, None]).mean(1))
    return Ranking(_clip(point), _clip(low), _clip(high), rank, stability)


def percentile_interval(
    resampled: NDArray[np.float64], level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the central percentile interval of each row of (..., resamples), leaving out NaN."""
    tail = (1 - level) / 2
    known = ~np.isnan(resampled).all(-1)
    low, high = (np.full(resampled.shape[:-1], np.nan) for _ in range(2))
    if known.any():
        low[known], high[known] = np.nanquantile(resampled[known], [tail, 1 - tail], axis=-1)
    return low, high


def _clip(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(values), np.nan, np.maximum(values, 0.0))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank along the first axis, 1 = largest, ties sharing the smallest; NaN stays NaN."""
    return np.asarray(stats.rankdata(-values, method="min", axis=0, nan_policy="omit"), dtype=np.float64)
