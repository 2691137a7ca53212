"""Racing: r of a run from as few evaluations as tell it, to within its resolution.

The candidates of a run are evaluated on blocks of records that double in size. After every block, evaluations
of all candidates on all m records are simulated: given the n records seen, of covariance S, the mean losses
of C candidates over all of them are those seen plus a multivariate t of n - C degrees of freedom and scale
S (1/n - 1/m) (n - 1)/(n - C): means of normal losses whose covariance is not known either. Every simulated
evaluation has its own reference theta_1 and its own minimum r. Kept are all references, and of the others as
few as give every simulated r to within a quarter of its resolution, 1/(2m); the others are evaluated no
further. Where nearly all simulated r agree within the resolution, their median is told. Else it ends with all
records, and r is the minimum over what was kept.

Losses have heavier tails than normal variables, which is not simulated. How often the resolution is missed is
measured: ``python -m benchmarks.audit``.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.gap_moments import ROUNDING, GapMoments, NotFiniteError
from benchmark.privacy.indicator import RunRate, resolution, run_rate
from molecules.streams import stream

#: Records of the first block: a share of all, and at least so many.
FIRST_SHARE, FIRST = 1 / 16, 128
#: Simulated evaluations, and the share of them that may lie outside of the resolution at either end.
DRAWS, OUTSIDE = 256, 0.01
_EVERY = np.arange(DRAWS)
#: Sets of normal variables that simulations are made of.
SETS = 8
#: Share of the resolution by which a simulated r may be missed where a candidate is dropped.
MISSED = 0.25

#: Yields the losses (candidates, records) of some candidates on some records, a few records at a time.
Losses = Callable[[NDArray[np.intp], slice], Iterable[NDArray[np.float64]]]


@lru_cache(maxsize=32)
def race_order(seed: int, run: int, records: int) -> NDArray[np.int64]:
    """Return the order in which the records of a run are evaluated, the same for all quantizers."""
    order = stream(seed, "race", run).permutation(records)
    order.flags.writeable = False
    return order


def raced_rate(losses: Losses, candidates: int, records: int, run: int = 0) -> RunRate:
    """Return the indicator of one run, evaluating only what may decide it.

    Parameters
    ----------
    losses : callable
        Given places of candidates, ascending, and a slice of the records, yields their losses in parts of
        the records. The records must be in random order.
    candidates, records : int
        How many there are.
    run : int
        Which run it is; see :func:`_normal`.

    Returns
    -------
    RunRate
        As :func:`benchmark.privacy.indicator.run_rate` of all candidates on all records: the same where the
        race is run to its end without losing the minimum, else within ``resolution(records)`` of it but for a
        few in a hundred runs: ``python -m benchmarks.audit`` measures how many of trained heads, and the
        tests of this module how many of losses with heavy tails (5 % at worst).
    """
    left, moments = np.arange(candidates), GapMoments(candidates)
    for block in _blocks(records):
        try:
            for found in losses(left, block):
                moments.add(found)
        except NotFiniteError:
            return RunRate.unknown("losses not finite", candidates, records)
        if block.stop == records:
            break
        told, may = _simulated(moments, records, run)
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
    ordered, last = np.sort(rates), len(rates) - 1  # np.quantile takes thirty times as long
    low, middle, high = (float(ordered[round(share * last)]) for share in (OUTSIDE, 0.5, 1 - OUTSIDE))
    return middle if np.isfinite(ordered[-1]) and high - low <= tolerance else None


def _blocks(records: int) -> Iterator[slice]:
    """Yield the blocks of a race: as many records again in each as were seen before."""
    start, stop = 0, min(records, max(FIRST, round(records * FIRST_SHARE)))
    while start < records:
        yield slice(start, stop)
        start, stop = stop, min(records, 2 * stop)


def _simulated(moments: GapMoments, records: int, run: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Simulate the evaluation on all records.

    Returns
    -------
    rates : ndarray, shape (DRAWS,)
        r of every simulated evaluation.
    kept : ndarray of bool, shape (C,)
        Which candidates are the reference of one, or are needed for its minimum.
    """
    means, covariance, seen = moments.mean_losses(), moments.covariance(), moments.records
    unit = math.sqrt((1 / seen - 1 / records) * (seen - 1))
    drawn = _normal(run % SETS, len(means)) @ (unit * _root(covariance)).T
    drawn /= _chi(run % SETS, max(1, seen - len(means)))
    drawn += means - means.min()
    references = drawn.argmin(1)
    drawn -= drawn[_EVERY, references][:, None]
    own = covariance.diagonal()
    both = own + own[:, None]
    twice = 2 * (both - 2 * covariance)
    twice[twice <= 2 * ROUNDING * both] = np.nan  # the reference itself, and what acts exactly as it does
    drawn *= drawn
    drawn /= twice.take(references, 0)
    least = np.fmin.reduce(drawn, axis=1)
    if not np.isfinite(least).all():  # candidates that act alike, perhaps: nothing is known of them
        return least, np.ones(len(means), dtype=np.bool_)
    kept = np.zeros(len(means), dtype=np.bool_)
    kept[references] = True
    return least, _covering(drawn <= (least + MISSED * resolution(records))[:, None], kept)


def _normal(which: int, candidates: int) -> NDArray[np.float64]:
    """Return normal variables, shape (DRAWS, C), that simulations are made of.

    There are few sets of them, of which each run uses one, so that they are drawn once: what differs from run
    to run is the losses.
    """
    return _drawn(which, 1 << max(candidates - 1, 63).bit_length())[:, :candidates]


@lru_cache(maxsize=16)
def _drawn(which: int, columns: int) -> NDArray[np.float64]:
    return stream(0, "simulations", which).standard_normal((columns, DRAWS)).T


@lru_cache(maxsize=1024)
def _chi(which: int, freedom: int) -> NDArray[np.float64]:
    """Return roots of chi-square variables, shape (DRAWS, 1)."""
    return np.sqrt(stream(0, "freedom", which).chisquare(freedom, size=(DRAWS, 1)))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix whose product with its transpose is the covariance."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:  # candidates that act alike, or more of them than records
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


def _covering(serves: NDArray[np.bool_], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is kept, and as few candidates more as serve every simulation, found greedily.

    Parameters
    ----------
    serves : ndarray of bool, shape (DRAWS, C)
        Whether a candidate's rate stands for the r of a simulation.
    kept : ndarray of bool, shape (C,)
        What is kept in any case.
    """
    kept, left = kept.copy(), serves[~serves[:, kept].any(1)]
    while len(left):
        most = int(left.sum(0).argmax())
        kept[most] = True
        left = left[~left[:, most]]
    return kept
