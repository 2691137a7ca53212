"""What an attacker sees of the published heads: per-record signals of every run, and who was a member."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.task import Kind

#: Points of the loss trace: so many snapshots, evenly spread, the last one included. Each costs a pass over
#: all runs and records; with five of them no AUC was larger by more than 0.007 on tox21 and delaney.
TRACE_POINTS = 3


#: Mean, sum of squared distances, count.
Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


#: What attacks read of a block of runs: margins (runs, N, T) of the published heads, and losses (runs, P, N)
#: of the snapshots of the trace.
BlockSignals = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Signals:
    """Signals of one quantizer over all runs and all records of the pool.

    Attributes
    ----------
    kind : Kind
        Of the task.
    margin : ndarray of float32, shape (R, N, T)
        Classification: the logit of the true class, ``log p / (1 - p)`` with p the probability of the label
        (the signal of Carlini et al. 2022). Regression: the residual, prediction less label, in standard
        deviations of the run's members. NaN where the label is missing.
    loss : ndarray of float32, shape (R, N)
        Mean loss over the observed labels of a record.
    trace : ndarray of float32, shape (R, P, N), or None
        The same at P snapshots of the training, the last one included.
    members : ndarray of bool, shape (R, N)
        Which records each run was trained on.
    """

    kind: Kind
    margin: NDArray[np.float32]
    loss: NDArray[np.float32]
    trace: NDArray[np.float32] | None
    members: NDArray[np.bool_]
    _moments: dict[tuple[bytes, bool], Moments] = field(init=False, default_factory=dict, repr=False)

    def moments(self, fit: NDArray[np.intp], *, inside: bool) -> Moments:
        """Return moments of the margins over some runs with each record, or over those without it.

        They are kept: several attacks fit the same.

        Parameters
        ----------
        fit : ndarray of int, shape (F,)
            Which runs.
        inside : bool
            Over those trained on the record.

        Returns
        -------
        mean, squares : ndarray, shape (N, T)
            Mean, and sum of the squared distances from it; NaN where there is no such run.
        count : ndarray, shape (N, 1)
            How many runs that are.
        """
        key = (fit.tobytes(), inside)
        if key not in self._moments:
            chosen = self.members[fit] if inside else ~self.members[fit]
            weight = chosen.astype(np.float64)
            count = weight.sum(0)[:, None]
            values = self.margin[fit].astype(np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = np.einsum("fn,fnt->nt", weight, values) / count
            values -= mean
            values *= values
            squares = np.einsum("fn,fnt->nt", weight, values)
            self._moments[key] = mean, squares, count
        return self._moments[key]

    @property
    def runs(self) -> int:
        """Number of runs R."""
        return len(self.members)

    @cached_property
    def log_probability(self) -> NDArray[np.float64]:
        """Classification: log probability of the observed labels of a record, summed, shape (R, N)."""
        known = ~np.isnan(self.margin)
        terms = np.logaddexp(np.float32(0.0), np.where(known, -self.margin, np.float32(0.0)))
        return np.asarray(-np.where(known, terms, 0.0).sum(2, dtype=np.float64))

    def problem(self) -> str:
        """Return why no attack can read these signals; empty where they can be read."""
        if not np.isfinite(self.loss).all():
            return "losses not finite"
        return ""


def margins(kind: Kind, outputs: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the margin of every output; see :class:`Signals`.

    Parameters
    ----------
    kind : Kind
        Of the task.
    outputs : ndarray, shape (R, N, T)
        Logits, or standardised predictions.
    labels : ndarray, shape (N, T) or (R, N, T)
        0 or 1, or values in the unit of the outputs; NaN where missing.
    """
    if kind is Kind.CLASSIFICATION:
        return np.asarray(outputs * (2 * labels - 1), dtype=np.float32)
    return np.asarray(outputs - labels, dtype=np.float32)


def trace_epochs(epochs: int, points: int = TRACE_POINTS) -> list[int]:
    """Return which snapshots make up the loss trace: evenly spread, the last one included."""
    return sorted({round(epochs * point / points) - 1 for point in range(1, points + 1)} - {-1})
