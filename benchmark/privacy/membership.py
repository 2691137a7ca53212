"""How well scores tell members from non-members: figures of every run, and their errors.

Scores of an attack on R runs over the same N records become an AUC, an advantage and true-positive rates. Two
things could have come out otherwise, the runs and the records: the variance of a mean over runs is the one
between runs, plus the one between records, less what both count (Cameron, Gelbach & Miller 2011, two-way
clustering). The one between records is by influence: how far each record moves the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

#: False-positive rates at which the true-positive rate is told.
RATES = (0.1, 0.01, 0.001)
#: Scores that a threshold is chosen from, at most.
SCORES = 50_000


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure of an attack.

    Attributes
    ----------
    of_runs : ndarray, shape (R,)
        The figure of every run; NaN where it cannot be resolved.
    record_error : float
        Standard error of their mean for the choice of the records, beyond what differs between runs anyhow;
        NaN where it is not known.
    """

    of_runs: Floats
    record_error: float = float("nan")

    @property
    def mean(self) -> float:
        """Mean over runs."""
        return float(self.of_runs.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean over runs and records together."""
        between = self.of_runs.var(ddof=1) / len(self.of_runs) if len(self.of_runs) > 1 else np.nan
        return float(np.sqrt(between + np.nan_to_num(self.record_error) ** 2))


def auc(scores: Floats, members: Truths) -> Figure:
    """Return the area under the ROC curve of every run, ties counted as one half.

    Parameters
    ----------
    scores : ndarray, shape (R, N)
        Higher = more likely a member.
    members : ndarray of bool, shape (R, N)
        The same number in every run.
    """
    inside, outside = (part.sum(1) for part in (members, ~members))
    below = _others_below(scores, members)
    placement = np.where(members, below / outside[:, None], 1 - below / inside[:, None])
    values = np.where(members, placement, 0.0).sum(1) / inside
    influence = (placement - values[:, None]) / np.where(members, inside[:, None], outside[:, None])
    return Figure(values, _record_error(influence))


def _record_error(influence: Floats) -> float:
    """Return the standard error for the choice of records, of a mean over runs.

    Parameters
    ----------
    influence : ndarray, shape (R, N)
        How far each record moves the figure of each run. Were the records of every run drawn anew, their
        share would be in the variance between runs already; so it is taken away here.
    """
    shared = (influence**2).sum() / len(influence) ** 2
    return float(np.sqrt(max((influence.mean(0) ** 2).sum() - shared, 0.0)))


def _others_below(scores: Floats, members: Truths) -> Floats:
    """Return how many records of the other class score below each record, ties one half, shape (R, N)."""
    order = np.argsort(scores, axis=1)
    rising = np.take_along_axis(scores, order, axis=1)
    truth = np.take_along_axis(members, order, axis=1)
    inside = np.cumsum(truth, axis=1)  # members up to each place; one sort serves both classes
    place = np.arange(scores.shape[1])
    tied = rising[:, 1:] == rising[:, :-1]
    if tied.any():  # all of a tie count half of the others in it: the mean of before and after the tie
        edge = np.zeros((len(scores), 1), dtype=np.bool_)
        first = np.maximum.accumulate(np.where(np.hstack([edge, tied]), 0, place), axis=1)
        ends = np.where(np.hstack([tied, edge]), scores.shape[1], place)
        last = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
        padded = np.pad(inside, ((0, 0), (1, 0)))
        before, after = (np.take_along_axis(padded, ends, axis=1) for ends in (first, last + 1))
        others = np.where(truth, first + last + 1 - before - after, before + after) / 2
    else:
        others = np.where(truth, place + 1 - inside, inside).astype(np.float64)
    below = np.empty(scores.shape)
    np.put_along_axis(below, order, others, axis=1)
    return below


def best_threshold(scores: Floats, members: Truths) -> float:
    """Return the threshold that tells members best over all runs given (members score at least so).

    Of more than ``SCORES`` scores every k-th is looked at: the choice of a threshold needs no more.
    """
    flat, truth = scores.ravel(), members.ravel()
    step = max(1, len(flat) // SCORES)
    flat, truth = flat[::step], truth[::step]
    order = np.argsort(-flat)
    falling, truth = flat[order], truth[order]
    gained = np.cumsum(np.where(truth, 1 / max(truth.sum(), 1), -1 / max((~truth).sum(), 1)))
    last = np.append(np.diff(falling) < 0, True)  # a threshold takes all records of equal score
    best = int(np.argmax(np.where(last, gained, -np.inf)))
    return float(falling[best]) if gained[best] > 1e-12 else float("inf")


def advantage(scores: Floats, members: Truths, thresholds: Floats) -> Figure:
    """Return TPR - FPR of every run at a threshold that was chosen elsewhere.

    Parameters
    ----------
    scores, members : ndarray, shape (R, N)
        As in :func:`auc`.
    thresholds : ndarray, shape (R,)
        Of every run; chosen on other runs, so that the figure is not flattered by the choice.
    """
    called = scores >= thresholds[:, None]
    sizes = [part.sum(1) for part in (members, ~members)]
    hits = (called & members).sum(1)
    true_rate, false_rate = hits / sizes[0], (called.sum(1) - hits) / sizes[1]
    # what a record counts for is one of four numbers: called or not, a non-member or a member
    influence = np.stack(
        [
            false_rate / sizes[1],
            (false_rate - 1) / sizes[1],
            -true_rate / sizes[0],
            (1 - true_rate) / sizes[0],
        ],
        axis=1,
    )
    kinds = 2 * members.astype(np.intp) + called
    return Figure(true_rate - false_rate, _record_error(np.take_along_axis(influence, kinds, axis=1)))


def true_positive_rates(scores: Floats, members: Truths, rates: Sequence[float] = RATES) -> list[Figure]:
    """Return the true-positive rate of every run at each false-positive rate, by the ROC curve of that run.

    NaN where the non-members are too few to resolve the rate: fewer than one of them would pass. Of a tie at
    the threshold nobody passes. No error for the choice of records: see :func:`clopper_pearson`.
    """
    inside, outside = (scores[part].reshape(len(scores), -1) for part in (members, ~members))
    outside = np.sort(outside, axis=1)
    found = []
    for rate in rates:
        allowed = int(np.floor(rate * outside.shape[1] + 1e-9))
        if allowed < 1:
            found.append(Figure(np.full(len(scores), np.nan)))
            continue
        threshold = outside[:, -1 - allowed]  # the first that must not pass
        found.append(Figure((inside > threshold[:, None]).mean(1)))
    return found


def clopper_pearson(rate: float, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial rate.

    For a true-positive rate ``trials`` is the number of members of *one* run: the records of all runs are the
    same, so more runs make the rate no surer for other records.
    """
    if np.isnan(rate):
        return np.nan, np.nan
    found = scipy.stats.binomtest(round(rate * trials), trials).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def holm(p_values: Floats, level: float = 0.05) -> Truths:
    """Return which null hypotheses are rejected by Holm's procedure; NaN is never rejected.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979) 65.
    """
    flat = np.where(np.isnan(p_values), 1.0, p_values).ravel()
    order = np.argsort(flat, kind="stable")
    passes = flat[order] <= level / np.arange(len(flat), 0, -1)
    rejected = np.zeros(len(flat), dtype=np.bool_)
    rejected[order] = np.logical_and.accumulate(passes)
    return rejected.reshape(np.shape(p_values))


def above_chance(figure: Figure, chance: float) -> float:
    """Return the one-sided p-value of a mean above ``chance`` (normal approximation); NaN where unknown."""
    error = figure.error
    if np.isnan(error) or np.isnan(figure.mean):
        return float("nan")
    if error == 0:
        return 0.0 if figure.mean > chance else 1.0
    return float(scipy.stats.norm.sf((figure.mean - chance) / error))
