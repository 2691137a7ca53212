"""Means and variances of loss gaps between candidates, accumulated over blocks of records.

For candidates ``k`` with per-record losses ``l_k(z)``, every gap ``xi = l_k - l_j`` has its mean and variance
in the sums and in ``G = L L^T`` (candidates x candidates). Both are accumulated in float64 over blocks
of records, so memory does not grow with the number of records.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


class GapMoments:
    """Running moments of the losses of a fixed number of candidates.

    The loss of the first candidate is subtracted from every record before it is accumulated. No gap
    changes by this, and what is left is as small as the gaps themselves: without it, the variance of a
    gap far smaller than the losses would drown in the rounding of their squares.

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
        self._level = 0.0  # sum of the first candidate's losses: what the subtraction took away
        self._sums = np.zeros(candidates)
        self._products = np.zeros((candidates, candidates))

    def add(self, losses: ArrayLike) -> None:
        """Add a block of records.

        Parameters
        ----------
        losses : array_like, shape (C, b)
            Loss of every candidate on every record of the block.

        Raises
        ------
        ValueError
            If the shape does not fit or a loss is not finite.
        """
        block = np.asarray(losses, dtype=np.float64)
        if block.ndim != 2 or block.shape[0] != len(self._sums):
            raise ValueError(f"losses need shape ({len(self._sums)}, records), got {block.shape}")
        if not np.isfinite(block).all():
            raise ValueError("losses must be finite")
        self.records += block.shape[1]
        self._level += block[0].sum()
        gaps = block - block[0]
        self._sums += gaps.sum(1)
        self._products += gaps @ gaps.T

    def mean_losses(self) -> NDArray[np.float64]:
        """Return the mean loss of every candidate, shape (C,)."""
        return (self._sums + self._level) / self.records

    def best(self) -> int:
        """Return the candidate with the smallest mean loss (the first of equals)."""
        return int(np.argmin(self._sums))

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
        m = self.records
        delta = (self._sums - self._sums[reference]) / m
        diagonal = np.diag(self._products)
        squares = diagonal - 2 * self._products[reference] + diagonal[reference]
        variance = np.maximum(squares - m * delta**2, 0.0) / max(m - 1, 1)
        return delta, variance
