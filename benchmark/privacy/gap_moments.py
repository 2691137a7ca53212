"""Means and variances of loss gaps between candidates, accumulated over blocks of records.

For candidates ``k`` with per-record losses ``l_k(z)``, every gap ``xi = l_k - l_j`` has its mean and variance
in the means and in the co-moments of the losses (candidates x candidates). Both are accumulated in float64
over blocks of records, so memory does not grow with the number of records.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Variance of a gap, in those of its two losses, below which it is one of rounding.
ROUNDING = 1e-13


class NotFiniteError(ValueError):
    """A loss is infinite or not a number."""


class GapMoments:
    """Running moments of the losses of a fixed number of candidates.

    Two measures keep the digits of a gap that is far smaller than the losses. From every record, the smallest
    loss of any candidate on it is subtracted: no gap changes by this, and near the best candidate, where the
    gaps that matter are, what is left is of the size of the gaps. And every block is centred before its
    products are formed, and merged by the update of Chan, Golub & LeVeque (1979), so that no mean is squared.

    Parameters
    ----------
    candidates : int
        Number of candidates C.

    Attributes
    ----------
    records : int
        Records seen so far, m.
    """

    def __init__(self, candidates: int) -> None:
        self.records = 0
        self._level = 0.0  # mean of what the subtraction took away
        self._means = np.zeros(candidates)
        self._comoments = np.zeros((candidates, candidates))

    def add(self, losses: ArrayLike) -> None:
        """Add a block of records.

        Parameters
        ----------
        losses : array_like, shape (C, b)
            Loss of every candidate on every record of the block.

        Raises
        ------
        NotFiniteError
            If a loss is not finite, or too large for sums to be; nothing is added then.
        ValueError
            If the shape does not fit.
        """
        block = np.asarray(losses, dtype=np.float64)
        if block.ndim != 2 or block.shape[0] != len(self._means):
            raise ValueError(f"losses need shape ({len(self._means)}, records), got {block.shape}")
        if not (added := block.shape[1]):
            return
        lowest = block.min(0)
        with np.errstate(invalid="ignore"):
            above = block - lowest
            # sums: the means of NumPy take as long again beside them for so few numbers
            means, level = np.add.reduce(above, 1) / added, float(np.add.reduce(lowest)) / added
        if not (math.isfinite(level) and np.isfinite(means).all()):  # so is one of the losses
            raise NotFiniteError("losses must be finite")
        above -= means[:, None]
        before, self.records = self.records, self.records + added
        step = means - self._means
        self._comoments += above @ above.T + step[:, None] * step * (before * added / self.records)
        self._means += step * (added / self.records)
        self._level += (level - self._level) * (added / self.records)

    def mean_losses(self) -> NDArray[np.float64]:
        """Return the mean loss of every candidate, shape (C,)."""
        return self._means + self._level

    def best(self) -> int:
        """Return the candidate with the smallest mean loss (the first of equals)."""
        return int(np.argmin(self._means))

    def gaps_to(self, reference: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and variance of ``l_k - l_reference`` over records, for every candidate k.

        Parameters
        ----------
        reference : int
            Index of theta_1.

        Returns
        -------
        delta, variance : ndarray, shape (C,)
            Variance with divisor m - 1; both 0 at the reference itself.
        """
        delta = self._means - self._means[reference]
        diagonal = np.diag(self._comoments)
        squares = diagonal - 2 * self._comoments[reference] + diagonal[reference]
        # a candidate that acts exactly as the reference does has no gap, though products are rounded
        squares[(delta == 0) & (squares <= ROUNDING * (diagonal + diagonal[reference]))] = 0.0
        return delta, np.maximum(squares, 0.0) / max(self.records - 1, 1)

    def covariance(self) -> NDArray[np.float64]:
        """Return the covariance of the losses less the smallest of each record, shape (C, C).

        Divisor m - 1. Variances of gaps follow from it as from that of the losses themselves.
        """
        return self._comoments / max(self.records - 1, 1)

    def keeping(self, candidates: ArrayLike) -> "GapMoments":
        """Return the moments of some candidates, which may be added to further on.

        Parameters
        ----------
        candidates : array_like
            Index of the candidates, bool or int.
        """
        kept = np.arange(len(self._means))[np.asarray(candidates)]
        made = GapMoments(len(kept))
        made.records, made._level = self.records, self._level
        made._means = self._means[kept]
        made._comoments = self._comoments[kept][:, kept]
        return made
