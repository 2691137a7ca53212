"""Racing: r of a run from as few evaluations as tell it, to within its resolution.

The candidates of a run are evaluated on blocks of records that double in size. After every block, evaluations
of all candidates on all m records are simulated: given the n records seen, the mean losses over all of them
are normal around those seen, with covariance S (1/n - 1/m). Every simulated evaluation has its own reference
theta_1 and its own minimum r. Candidates that are neither in any of them are evaluated no further; and where
nearly all of them agree within the resolution of r, 1/(2m), their median is told. Else it ends with all
records, and r is that of the whole evaluation.

Two things are not simulated, and a margin stands for them: that variances of gaps are known to within an
error only, and that losses have heavier tails than normal variables. How often the resolution is missed is
measured: ``python -m benchmarks.audit``.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.gap_moments import GapMoments
from benchmark.privacy.indicator import RunRate, gaussian_rate, resolution, run_rate

#: Records of the first block: a share of all, and at least so many.
FIRST_SHARE, FIRST = 1 / 16, 128
#: Simulated evaluations, and the share of them that may lie outside of the resolution at either end.
DRAWS, OUTSIDE = 256, 0.01
#: A candidate may be the minimum where its rate is at most so many times the least of a simulation.
MARGIN = 1.2

#: Returns the losses (candidates, records) of some candidates on some records.
Losses = Callable[[NDArray[np.intp], slice], NDArray[np.float64]]


def raced_rate(losses: Losses, candidates: int, records: int, draws: np.random.Generator) -> RunRate:
    """Return the indicator of one run, evaluating only what may decide it.

    Parameters
    ----------
    losses : callable
        Given places of candidates, ascending, and a slice of the records, returns their losses. The records
        must be in random order.
    candidates, records : int
        How many there are.
    draws : numpy Generator
        Of the simulations.

    Returns
    -------
    RunRate
        As :func:`benchmark.privacy.indicator.run_rate` of all candidates on all records: the same where the
        race is run to its end without losing the minimum, else within ``resolution(records)`` of it but for
        two in a hundred runs; ``python -m benchmarks.audit`` measures how many.
    """
    left, moments = np.arange(candidates), GapMoments(candidates)
    for block in _blocks(records):
        found = losses(left, block)
        if not np.isfinite(found).all():
            return RunRate.unknown("losses not finite", candidates, records)
        moments.add(found)
        if block.stop == records:
            break
        told, may = _simulated(moments, records, draws)
        if (rate := _agreed(told, resolution(records))) is not None:
            at = int(left[moments.best()])
            return RunRate(rate, rate - resolution(records), candidates, at, records)
        left, moments = left[may], moments.keeping(may)
    found_rate = run_rate(moments)
    if found_rate.reference < 0:
        return replace(found_rate, candidates=candidates)
    return replace(found_rate, candidates=candidates, reference=int(left[found_rate.reference]))


def _agreed(rates: NDArray[np.float64], tolerance: float) -> float | None:
    """Return the median of simulated rates, where nearly all of them lie within a tolerance."""
    if not np.isfinite(rates).all():
        return None
    low, middle, high = np.quantile(rates, [OUTSIDE, 0.5, 1 - OUTSIDE])
    return float(middle) if high - low <= tolerance else None


def _blocks(records: int) -> Iterator[slice]:
    """Yield the blocks of a race: as many records again in each as were seen before."""
    start, stop = 0, min(records, max(FIRST, round(records * FIRST_SHARE)))
    while start < records:
        yield slice(start, stop)
        start, stop = stop, min(records, 2 * stop)


def _simulated(
    moments: GapMoments, records: int, draws: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Simulate the evaluation on all records.

    Returns
    -------
    rates : ndarray, shape (DRAWS,)
        r of every simulated evaluation.
    may : ndarray of bool, shape (C,)
        Which candidates are the reference of one, or may be its minimum.
    """
    means, covariance = moments.mean_losses(), moments.covariance()
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None) * (1 / moments.records - 1 / records))
    drawn = draws.normal(size=(DRAWS, len(means))) @ root.T
    drawn += means
    rows, references = np.arange(DRAWS), drawn.argmin(1)
    gaps = drawn - drawn[rows, references][:, None]
    diagonal = np.diag(covariance)
    variances = np.maximum(diagonal - 2 * covariance + diagonal[:, None], 0.0)
    rates = gaussian_rate(gaps, variances[references], records, floor_corrected=False)
    rates[rows, references] = np.inf
    rates[np.isnan(rates)] = np.inf  # candidates that act exactly as the reference does
    least = rates.min(1)
    may = (rates <= MARGIN * least[:, None]).any(0)
    may[references] = True
    return least, may
