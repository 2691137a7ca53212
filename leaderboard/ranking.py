"""Ranking quantizers over cells: pure functions of arrays, of one row a cell and one column a quantizer.

Nothing is put in the place of a figure that is missing. Quantizers are compared on cells that they share:
those of the *block* with one another over all of its cells, every other one with those of the block over the
cells of it that it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.privacy.ranking import percentile_interval
from molecules.streams import stream

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RESAMPLES = 2000
#: Resamples that are held in memory together.
_TOGETHER = 100


def block(present: Flags) -> tuple[Flags, Flags]:
    """Return the largest part of a board in which nothing is missing: which cells, and which quantizers.

    The quantizers are taken in the order of the number of their cells, as many as make the number of figures
    (cells times quantizers) largest; of equally large blocks the one of most cells.

    Parameters
    ----------
    present : ndarray of bool, shape (C, Q)
        Whether a quantizer has its figures in a cell.

    Returns
    -------
    cells : ndarray of bool, shape (C,)
    quantizers : ndarray of bool, shape (Q,)
        None of either where nothing is present.
    """
    order = np.argsort(-present.sum(0), kind="stable")
    shared = np.logical_and.accumulate(present[:, order], axis=1)  # by the first, the first two, ...
    figures = shared.sum(0) * np.arange(1, present.shape[1] + 1)
    if not figures.any():
        return np.zeros(present.shape[0], dtype=bool), np.zeros(present.shape[1], dtype=bool)
    cells = shared[:, int(figures.argmax())]
    return cells, np.asarray(present[cells].all(0))


def cell_weights(tasks: NDArray[np.intp]) -> Floats:
    """Return weights of cells that sum to 1: every task alike, and every cell of a task alike, shape (C,)."""
    _, place, count = np.unique(tasks, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(count) * count[place]))


def resampled_weights(tasks: NDArray[np.intp], resamples: int = RESAMPLES) -> Iterator[Floats]:
    """Yield weights of cells in bootstrap resamples, some at a time, each of shape (some, C).

    Tasks are drawn with replacement, and of every task drawn as many cells as it has, with replacement. The
    same cells give the same resamples.
    """
    _, place, count = np.unique(tasks, return_inverse=True, return_counts=True)
    by_task = np.argsort(place, kind="stable")
    first = np.cumsum(count) - count
    share = 1.0 / (len(count) * count[place])
    random = stream(0, "board")
    for start in range(0, resamples, _TOGETHER):
        weights = np.empty((min(_TOGETHER, resamples - start), len(tasks)))
        for row in weights:
            drawn = random.integers(0, len(count), len(count))
            own = np.repeat(drawn, count[drawn])
            within = (random.random(len(own)) * count[own]).astype(np.intp)
            row[:] = np.bincount(by_task[first[own] + within], minlength=len(tasks)) * share
        yield weights


def win_shares(values: Floats) -> Floats:
    """Return in every cell the share of the others that a quantizer beats, ties one half, shape (C, Q).

    Parameters
    ----------
    values : ndarray, shape (C, Q)
        Larger = better; none missing.
    """
    others = values.shape[1] - 1
    if others < 1:
        return np.full(values.shape, np.nan)
    return np.asarray((stats.rankdata(values, method="average", axis=1) - 1.0) / others)


def beats(one: Floats, others: Floats) -> Floats:
    """Return 1 where a quantizer is better than another, one half where as good, else 0; shape (C, Q)."""
    own = one[:, None]
    return np.where(own > others, 1.0, np.where(own == others, 0.5, 0.0))


@dataclass(frozen=True, eq=False)
class Means:
    """Means over cells with their intervals.

    Attributes
    ----------
    mean, low, high : ndarray, shape (K,)
        Intervals are 95 % percentile intervals of the bootstrap; NaN where there is one cell only.
    rank_low, rank_high : ndarray, shape (K,)
        Interval of the rank by the mean, 1 = largest; NaN likewise.
    """

    mean: Floats
    low: Floats
    high: Floats
    rank_low: Floats
    rank_high: Floats


def means(values: Floats, tasks: NDArray[np.intp], resamples: int = RESAMPLES) -> Means:
    """Return means over cells, every task alike, of the figures that are there.

    Parameters
    ----------
    values : ndarray, shape (C, K)
        NaN where there is none: the others are weighted anew.
    tasks : ndarray of int, shape (C,)
        The task of every cell: tasks are resampled, and cells within them.
    """
    mean = mean_over_cells(values, tasks)
    unknown = np.full(values.shape[1], np.nan)
    if len(values) < 2:
        return Means(mean, *[unknown] * 4)
    drawn = np.concatenate([_weighted(weights, values) for weights in resampled_weights(tasks, resamples)]).T
    low, high = percentile_interval(drawn)
    ranks = stats.rankdata(-even(drawn), method="min", axis=0, nan_policy="omit")
    rank_low, rank_high = percentile_interval(np.asarray(ranks, dtype=np.float64))
    return Means(mean, low, high, np.floor(rank_low), np.ceil(rank_high))


def mean_over_cells(values: Floats, tasks: NDArray[np.intp]) -> Floats:
    """Return the means of :func:`means` alone."""
    return np.asarray(_weighted(cell_weights(tasks)[None], values)[0])


def even(values: Floats) -> Floats:
    """Return figures without the last digits, so that sums taken in another order are not told apart."""
    return np.asarray(np.round(values, 12))


def _weighted(weights: Floats, values: Floats) -> Floats:
    """Return weighted means of the known figures of every column, shape (some, K); NaN without any."""
    known = ~np.isnan(values)
    total = weights @ known.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((weights @ np.where(known, values, 0.0)) / np.where(total > 0, total, np.nan))


@dataclass(frozen=True, eq=False)
class Wins:
    """The win matrix.

    Attributes
    ----------
    cells : ndarray of int, shape (Q, Q)
        Cells in which both have a figure.
    rate : ndarray, shape (Q, Q)
        Share of them in which the one of the row is better, ties one half, every task alike; NaN where there
        are none, and on the diagonal.
    """

    cells: NDArray[np.intp]
    rate: Floats


def wins(values: Floats, tasks: NDArray[np.intp]) -> Wins:
    """Return the win matrix of figures, each pair over the cells that it shares.

    Parameters
    ----------
    values : ndarray, shape (C, Q)
        Larger = better; NaN where there is no figure.
    tasks : ndarray of int, shape (C,)
    """
    order = np.argsort(tasks, kind="stable")
    values = values[order]
    starts = np.flatnonzero(np.diff(tasks[order], prepend=-1))
    known = ~np.isnan(values)
    number = values.shape[1]
    rate, cells = np.full((number, number), np.nan), np.zeros((number, number), dtype=np.intp)
    for one in range(number):
        both = known & known[:, [one]]
        cells[one] = both.sum(0)
        counts = np.add.reduceat(both, starts, axis=0, dtype=np.float64)
        won = np.add.reduceat(np.where(both, beats(values[:, one], values), 0.0), starts, axis=0)
        of_task = np.divide(won, counts, out=np.zeros_like(won), where=counts > 0)
        shared = (counts > 0).sum(0)
        rate[one] = np.divide(of_task.sum(0), shared, out=np.full(number, np.nan), where=shared > 0)
    np.fill_diagonal(rate, np.nan)
    return Wins(cells, rate)


def dominated_by(privacy: Floats, performance: Floats, place: int) -> Flags:
    """Return which are at least as good as one in both, and better in one of the two, shape (K,)."""
    at_least = (privacy >= privacy[place]) & (performance >= performance[place])
    return np.asarray(
        at_least & ((privacy > privacy[place]) | (performance > performance[place])), dtype=np.bool_
    )


def pareto_layers(privacy: Floats, performance: Floats) -> NDArray[np.intp]:
    """Return the Pareto layer of each, shape (K,): 1 = none is better in both, 2 = only those of layer 1 ...

    Parameters
    ----------
    privacy, performance : ndarray, shape (K,)
        Larger = better; none missing.
    """
    layers = np.zeros(len(privacy), dtype=np.intp)
    while not layers.all():
        left = np.flatnonzero(layers == 0)
        own = privacy[left], performance[left]
        best = [not dominated_by(*own, place).any() for place in range(len(left))]
        layers[left[best]] = layers.max() + 1
    return layers


@dataclass(frozen=True)
class Guest:
    """Where a quantizer outside of the block stands, had only its cells counted.

    Attributes
    ----------
    privacy : float
        Mean share of those of the block that it beats.
    privacy_rank, performance_rank : int
        Among those of the block and itself.
    mean_rank : float
        Mean rank by privacy among them.
    layer : int
        Pareto layer: one below the deepest of those of the block that are better in both.
    """

    privacy: float
    privacy_rank: int
    performance_rank: int
    mean_rank: float
    layer: int


def guest(
    privacy: tuple[Floats, Floats],
    performance: tuple[Floats, Floats],
    tasks: NDArray[np.intp],
    layers: NDArray[np.intp],
) -> Guest:
    """Rank a quantizer with those of the block, over the cells that it has.

    Parameters
    ----------
    privacy, performance : pair of ndarray, shapes (C,) and (C, F)
        Its figures and those of the block, larger = better; none missing.
    tasks : ndarray of int, shape (C,)
    layers : ndarray of int, shape (F,)
        Layers of those of the block.
    """
    weights = cell_weights(tasks)
    own = weights @ beats(privacy[0], privacy[1]).mean(1)
    together = even(weights @ win_shares(np.column_stack(privacy)))
    relative = even(weights @ np.column_stack(performance))
    above = dominated_by(together, relative, 0)[1:]
    return Guest(
        float(own),
        1 + int((together[1:] > together[0]).sum()),
        1 + int((relative[1:] > relative[0]).sum()),
        float(1 + len(layers) * (1 - together[0])),
        1 + int(layers[above].max(initial=0)),
    )
