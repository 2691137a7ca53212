"""The indicator r: how private a quantizer is, without an attack. Larger = more private.

Source: Aubinais, Formont, Piantanida, Gassiat, arXiv 2502.06567, Theorem 3.3 and Algorithm 1. The full text
was not at hand; the procedure below is our reading of it. If the published weights minimise the empirical
loss over the finite set of quantized weights, theta_1 is the population minimiser and ``xi_k`` the per-record
loss gap of candidate k to it, then ``MIS_n ~ 1 - exp(-n r)`` with

    r = min over k of  delta_k^2 / (2 sigma_k^2),    delta_k = E xi_k,  sigma_k^2 = Var xi_k.

r ranks the quantizers of one task; it is not an absolute measure of what leaks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.privacy.gap_moments import GapMoments


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
        runs would lift the average, so it is left to the table.

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
    if np.isinf(rate):
        return RunRate.unknown("every gap is the same for all records", candidates, moments.records)
    return RunRate(rate, rate - resolution(moments.records), candidates, reference, moments.records)
