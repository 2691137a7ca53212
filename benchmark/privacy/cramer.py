"""The Cramer rate of a loss gap, by numeric convex minimisation, and C, the exponent of Delta_n.

For theta_1 the population minimiser and ``xi_k(z) = loss(theta_k, z) - loss(theta_1, z)`` with mean
``delta_k > 0`` and variance ``sigma_k^2``,

    I_k = -log inf over t >= 0 of E exp(-t xi_k),     C = min over k of I_k,

is the rate at which theta_k wins on n records: Pr(sum of xi_k <= 0) = exp(-n I_k + o(n)). That C is the
exponent of ``Delta_n = 1 - MIS_n`` is our reading of Theorem 3.1 of arXiv 2502.06567. If xi is Gaussian,
``I = delta^2 / (2 sigma^2)``: the indicator r is the second-order approximation of C.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

from benchmark.privacy.indicator import gaussian_rate

Array = NDArray[np.float64]
Ties = Literal["uniform", "lowest"]

#: Gaps of this size or less are rounding: the two losses are equal.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Rate:
    """The Cramer rate of one gap.

    Attributes
    ----------
    value : float
        I; infinite where the gap is never 0 or less.
    tilt : float
        The minimising t; infinite where theta_1 is never worse (``xi >= 0``): theta_k then wins by ties only.
    error : float
        Standard error of ``value`` if the expectation was that of a sample (delta method; the minimising t
        adds nothing at first order). For an exact expectation it means nothing.
    """

    value: float
    tilt: float
    error: float


def cramer_rate(gap: ArrayLike, probability: ArrayLike | None = None) -> Rate:
    """Return the Cramer rate of a gap under a finite law.

    Parameters
    ----------
    gap : array_like, shape (S,)
        xi on every support point, or on every record of a sample.
    probability : array_like, shape (S,), optional
        Of the support points; equal shares by default.

    Returns
    -------
    Rate
        0 where the mean is not positive.
    """
    xi = np.asarray(gap, dtype=np.float64)
    xi = np.where(np.abs(xi) <= TOLERANCE, 0.0, xi)
    share = np.full(xi.shape, 1 / xi.size) if probability is None else np.asarray(probability, np.float64)
    if share @ xi <= TOLERANCE:
        return Rate(0.0, 0.0, 0.0)
    if xi.min() >= 0:
        equal = float(share[xi == 0].sum())
        with np.errstate(divide="ignore"):
            error = np.sqrt((1 - equal) / (equal * xi.size)) if equal else np.inf
            return Rate(float(-np.log(equal)), np.inf, float(error))
    tilt = _minimiser(xi, np.log(share))
    log_mean = float(logsumexp(-tilt * xi, b=share))
    relative = np.exp(-tilt * xi - log_mean)
    error = np.sqrt(max(float(share @ relative**2) - 1.0, 0.0) / xi.size)
    return Rate(-log_mean, tilt, float(error))


def _minimiser(xi: Array, log_share: Array) -> float:
    """Return the t at which the log of E exp(-t xi), convex in t, has slope 0."""

    def slope(t: float) -> float:
        exponent = log_share - t * xi
        weight = np.exp(exponent - exponent.max())
        return -float(weight @ xi) / float(weight.sum())

    upper = 1.0 / np.abs(xi).max()  # the natural scale of t; the slope is negative at 0
    while slope(upper) < 0:
        upper *= 2.0
    return float(brentq(slope, 0.0, upper, xtol=1e-13 * upper, rtol=1e-13))


@dataclass(frozen=True)
class Rates:
    """The exponents of one population and one set of hypotheses.

    Attributes
    ----------
    cramer : float
        C, over the hypotheses with ``delta > 0``; infinite where there is none that can win.
    gaussian : float
        r, the smallest ``delta^2 / (2 sigma^2)`` over the same.
    cramer_error, gaussian_error : float
        Standard errors if the losses are those of a sample.
    minimisers : int
        Hypotheses of smallest expected loss that act differently. Above 1, Delta_n falls as ``n^(-1/2)`` and
        its exponent is 0, whatever C is.
    reference, nearest : int
        Indices of theta_1 and of the hypothesis that attains C (-1: none).
    tilt : float
        The t of the hypothesis that attains C.
    """

    cramer: float
    gaussian: float
    cramer_error: float
    gaussian_error: float
    minimisers: int
    reference: int
    nearest: int
    tilt: float


def rates(losses: ArrayLike, probability: ArrayLike | None = None, *, ties: Ties = "uniform") -> Rates:
    """Return C and r of a matrix of losses.

    Parameters
    ----------
    losses : array_like, shape (K, S)
        Of every hypothesis on every support point, or on every record of a sample.
    probability : array_like, shape (S,), optional
        Of the support points; equal shares by default.
    ties : {"uniform", "lowest"}
        How the empirical minimiser is chosen among equals. With ``lowest`` (the lowest index), a hypothesis
        of higher index that is never better than theta_1 never wins, and is left out.
    """
    table = np.asarray(losses, dtype=np.float64)
    columns = table.shape[1]
    share = np.full(columns, 1 / columns) if probability is None else np.asarray(probability, np.float64)
    reference = int(np.argmin(table @ share))
    gaps = table - table[reference]
    delta = gaps @ share
    variance = (gaps - delta[:, None]) ** 2 @ share
    differs = np.abs(gaps).max(1) > TOLERANCE
    rivals = np.flatnonzero(delta > TOLERANCE)
    minimisers = 1 + len(_distinct(gaps[differs & (delta <= TOLERANCE)]))
    if ties == "lowest":
        rivals = rivals[(gaps[rivals] < -TOLERANCE).any(1) | (rivals < reference)]
    if not len(rivals):
        return Rates(np.inf, np.inf, 0.0, 0.0, minimisers, reference, -1, np.inf)
    # r is the second-order value of every hypothesis, so it is a good order to try them in
    second_order = gaussian_rate(delta[rivals], variance[rivals], columns, floor_corrected=False)
    nearest, best = _smallest(gaps, share, rivals[np.argsort(second_order)])
    by_moments = int(rivals[np.argmin(second_order)])
    return Rates(
        best.value,
        float(second_order.min()),
        best.error,
        _gaussian_error(gaps[by_moments], share),
        minimisers,
        reference,
        nearest,
        best.tilt,
    )


def _smallest(gaps: Array, share: Array, order: NDArray[np.intp]) -> tuple[int, Rate]:
    """Return the hypothesis of smallest rate, skipping those that a single t shows to be larger.

    I_k is the maximum over t of ``-log E exp(-t xi_k)``, so its value at any t is a lower bound.
    """
    nearest, best = -1, Rate(np.inf, np.inf, 0.0)
    for k in order:
        if np.isfinite(best.tilt) and -logsumexp(-best.tilt * gaps[k], b=share) >= best.value:
            continue
        found = cramer_rate(gaps[k], share)
        if found.value < best.value:
            nearest, best = int(k), found
    return nearest, best


def _gaussian_error(xi: Array, share: Array) -> float:
    """Return the standard error of delta^2 / (2 sigma^2) over ``len(xi)`` records, by the delta method."""
    delta = float(share @ xi)
    centred = xi - delta
    variance = float(share @ centred**2)
    if variance <= TOLERANCE**2:
        return 0.0
    influence = delta / variance * centred - delta**2 / (2 * variance**2) * (centred**2 - variance)
    return float(np.sqrt(share @ influence**2 / xi.size))


def _distinct(rows: Array) -> Array:
    return np.unique(np.round(rows / (10 * TOLERANCE)), axis=0)
