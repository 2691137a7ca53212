"""Which quantizers are on the Pareto front, and which one to take; neither mistakes noise for an order."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from benchmark.cell_runs import CellRuns, distinguishable
from benchmark.privacy.ranking import percentile_interval

#: Resamples that the interval of a rank correlation is taken from.
_CORRELATIONS = 500


def pareto_front(
    r: NDArray[np.float64], relative: NDArray[np.float64], resampled: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which quantizers no other one beats.

    One beats another if it has at least its r and at least its performance, and either a larger r or a
    distinguishably better performance. So among quantizers tied in r a performance better by mere noise
    beats nothing.

    Parameters
    ----------
    r : ndarray, shape (Q,)
        Effective r (0 within the resolution); NaN for what is neither on the front nor beats others.
    relative : ndarray, shape (Q,)
        Relative performance.
    resampled : ndarray, shape (Q, resamples)
        The same in every paired resample.
    """
    eligible = ~(np.isnan(r) | np.isnan(relative))
    front = eligible.copy()
    for place in np.flatnonzero(eligible):
        at_least = eligible & (r >= r[place]) & (relative >= relative[place])
        better = (r > r[place]) | ((relative > relative[place]) & distinguishable(resampled, int(place)))
        front[place] = not (at_least & better).any()
    return front


@dataclass(frozen=True)
class Agreement:
    """How far r and the generalisation gap order the quantizers alike.

    Attributes
    ----------
    spearman, low, high : float
        Rank correlation of r with minus the gap over the quantizers, and its bootstrap interval over runs.
    reason : str
        Why it cannot be known; empty where it is.
    """

    spearman: float
    low: float
    high: float
    reason: str = ""

    @classmethod
    def unknown(cls, reason: str) -> "Agreement":
        """Return that of orders which cannot be compared."""
        return cls(np.nan, np.nan, np.nan, reason)


def agreement(runs: CellRuns) -> Agreement:
    """Return the rank correlation of r with minus the gap, over the quantizers that leave a useful model."""
    (r, rs), (gap, gaps) = (runs.compared(figure) for figure in ("r", "gap"))
    usable = ~(np.isnan(r) | np.isnan(gap) | runs.degenerate())
    if usable.sum() < 3:
        return Agreement.unknown("fewer than three quantizers have both and leave a useful model")
    if min(np.ptp(r[usable]), np.ptp(gap[usable])) == 0:
        return Agreement.unknown("one of the two is the same for all quantizers")

    def correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
        if np.isnan(one).any() or min(np.ptp(one), np.ptp(two)) == 0:
            return np.nan
        return float(scipy.stats.spearmanr(one, two).statistic)

    drawn = range(min(_CORRELATIONS, rs.shape[1]))
    values = np.array([correlation(rs[usable, draw], gaps[usable, draw]) for draw in drawn])
    low, high = percentile_interval(values)
    return Agreement(correlation(r[usable], gap[usable]), float(low), float(high))


@dataclass(frozen=True)
class Recommendation:
    """The most private quantizer within a loss of performance.

    Attributes
    ----------
    quantizer : str or None
        Its name; None where there is none to recommend.
    by : str
        What "most private" went by: ``"r"`` or ``"gap"``. Where there is none, why: ``"no skill"``;
        ``"useless"``, of all but the reference; ``"loss"``, nothing but the reference is within the loss;
        ``"alone"``, nothing else was measured; ``"unknown"``, neither figure is known.
    untold : tuple of str
        Quantizers within the loss that the figure does not tell apart from it.
    other : str
        What the other figure would choose.
    """

    quantizer: str | None
    by: str
    untold: tuple[str, ...] = ()
    other: str = ""


def recommend(runs: CellRuns, max_drop: float) -> Recommendation:
    """Return the most private quantizer whose relative performance is at least ``1 - max_drop``.

    By r; by the generalisation gap where no r is known within the loss, or r tells none of them apart. Of
    those that r holds equal, the one of the best performance.

    Parameters
    ----------
    runs : CellRuns
        The measured cell.
    max_drop : float
        Share of the performance that may be lost, 0.02 = 2 %.
    """
    useful = ~runs.degenerate()
    if not useful.any():
        return Recommendation(None, "no skill")
    relative, _ = runs.relative()
    fit = useful & (relative >= 1 - max_drop)
    if len(runs.names) == 1:
        return Recommendation(None, "alone")
    if not np.delete(fit, runs.reference).any():
        return Recommendation(None, "loss" if np.delete(useful, runs.reference).any() else "useless")
    r, rs = runs.compared("r")
    gap, gaps = runs.compared("gap")
    by_gap = _best(np.where(fit, gap, np.nan))
    effective = np.where(fit, runs.scale.effective(r), np.nan)
    if np.nanmax(np.where(fit, effective, -np.inf), initial=-np.inf) > 0:
        best = effective == np.nanmax(effective)
        chosen, by, resampled, other = _best(np.where(best, relative, np.nan)), "r", rs, by_gap
    else:
        chosen, by, resampled, other = by_gap, "gap", gaps, -1
    if chosen < 0:
        return Recommendation(None, "unknown")
    untold = fit & ~distinguishable(resampled, chosen) & ~np.isnan(resampled).all(1)
    untold[chosen] = False
    names = np.array(runs.names, dtype=object)
    return Recommendation(names[chosen], by, tuple(names[untold]), names[other] if other >= 0 else "")


def _best(values: NDArray[np.float64]) -> int:
    """Return the place of the largest value; -1 where there is none."""
    return -1 if np.isnan(values).all() else int(np.nanargmax(values))


def degenerate(table: pd.DataFrame) -> pd.Series:
    """Return which rows of a table leave a useless model: constant predictions in most runs, or no skill."""
    return (table["constant_share"] > 0.5) | table["no_skill"]
