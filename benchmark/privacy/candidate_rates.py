"""Ways to make one figure of the losses of the published head and its candidates.

Parts: which candidate is the reference theta_1 (the one of the smallest mean loss, or the published head);
how the rate of a gap is estimated; and how the rates of all gaps become one.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.cramer import cramer_rate
from benchmark.privacy.indicator import gaussian_rate

Floats = NDArray[np.float64]


class Moment(StrEnum):
    """How the rate of a gap is estimated."""

    PLAIN = "plain"  # delta^2 / (2 sigma^2)
    CORRECTED = "corrected"  # the same less the noise floor 1 / (2 m)
    CROSS = "cross-fitted"  # reference and nearest chosen on one half of the records, read off the other
    CRAMER = "cramer"  # the Cramer rate itself, of the empirical law of the gap


class Reference(StrEnum):
    """Which candidate the gaps are measured from."""

    BEST = "best"
    FINAL = "final"


class Over(StrEnum):
    """How the rates of all candidates become one."""

    MIN = "min"
    MEAN = "mean"


def figure(losses: Floats, reference: Reference, moment: Moment, over: Over) -> float:
    """Return one figure of a run; NaN where there is no gap to measure.

    Parameters
    ----------
    losses : ndarray, shape (C, m)
        Of the published head (first) and the candidates, all distinct.
    reference, moment, over
        See above.
    """
    if moment is Moment.CROSS:
        halves = losses[:, ::2], losses[:, 1::2]
        found = [_cross(one, two, reference, over) for one, two in (halves, halves[::-1])]
        return float(np.mean(found))
    gaps = _gaps(losses, _reference(losses, reference))
    if not len(gaps):
        return np.nan
    if moment is Moment.CRAMER:
        rates = np.array([cramer_rate(gap).value for gap in gaps])
        rates = rates[np.isfinite(rates)]
    else:
        rates = _rates(gaps, floor_corrected=moment is Moment.CORRECTED)
    if not len(rates):
        return np.nan
    return float(rates.min() if over is Over.MIN else rates.mean())


def _cross(one: Floats, two: Floats, reference: Reference, over: Over) -> float:
    """Choose on the first records, measure on the second."""
    theta = _reference(one, reference)
    chosen, measured = _gaps(one, theta), _gaps(two, theta)
    if not len(chosen) or len(chosen) != len(measured):
        return np.nan
    rates = _rates(measured, floor_corrected=True)
    return float(
        rates[np.argmin(_rates(chosen, floor_corrected=False))] if over is Over.MIN else rates.mean()
    )


def _reference(losses: Floats, reference: Reference) -> int:
    return int(np.argmin(losses.mean(1))) if reference is Reference.BEST else 0


def _gaps(losses: Floats, theta: int) -> Floats:
    """Return the gaps to the reference that vary over records, shape (C - 1 or fewer, m)."""
    gaps = np.delete(losses, theta, axis=0) - losses[theta]
    return np.asarray(gaps[np.ptp(gaps, axis=1) > 0])


def _rates(gaps: Floats, *, floor_corrected: bool) -> Floats:
    delta, variance = gaps.mean(1), gaps.var(1, ddof=1)
    return gaussian_rate(delta, variance, gaps.shape[1], floor_corrected=floor_corrected)
