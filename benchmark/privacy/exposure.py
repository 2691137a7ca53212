"""Which records leak: how well an attack tells the runs that had a record from those that had not.

An attack scores every record in every run. Over records, for one run, its scores give the AUC that stands in
a table; over runs, for one record, they give the *exposure* of the record: the probability that a run with it
scores it above a run without it (0.5 = a coin). That is the vulnerability of single records which Carlini et
al. (IEEE S&P 2022) and Pollock et al. (arXiv 2411.05743) look for.

Scores are cross-fitted: those of each half of the runs by what was fitted on the other half. Only runs of one
half, which were scored by one and the same fit, are compared; of scores of two fits no order need be true.
The two halves are not independent, for each is the fit of the other: by chance alone both agree that a record
leaks, or both that it does the opposite. So what chance does is not computed but tried, by permuting who was
a member.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.privacy.membership import Floats, Truths
from benchmark.privacy.panel import halves
from molecules.streams import stream

#: Fewest runs from which single records can be told: below, hardly any outcome is beyond chance.
FEWEST_RUNS = 16
#: Exposures by chance that a p-value is taken from, at least.
CHANCES = 20_000
#: Steps of the bisection for the limits of an interval.
_STEPS = 40

#: Cross-fitted scores (R, N) of an attack, from who was a member (R, N).
Scorer = Callable[[Truths], Floats]


@dataclass(frozen=True, eq=False)
class Exposures:
    """The exposure of every record; each attribute an ndarray of shape (N,).

    Attributes
    ----------
    exposure : ndarray
        Probability that a run with the record scores it above a run without, ties one half; NaN where no
        half of the runs has both.
    low, high : ndarray
        Its 95 % interval.
    p_value : ndarray
        One-sided, of an exposure above 0.5.
    difference : ndarray
        Mean score of the runs with the record less that of those without, over the same pairs.
    member_runs : ndarray of int
        How many runs had the record.
    """

    exposure: Floats
    low: Floats
    high: Floats
    p_value: Floats
    difference: Floats
    member_runs: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Counts of pairs of a run with a record and one without, within each half; shapes (2, N)."""

    inside: Floats
    outside: Floats

    @classmethod
    def of(cls, members: Truths) -> "_Pairs":
        parts = [members[half] for half in halves(len(members))]
        inside, outside = (np.stack([f(part) for part in parts]).astype(float) for f in (_true, _false))
        return cls(inside, outside)

    @property
    def share(self) -> Floats:
        """Share of each half in the pairs of a record, shape (2, N); NaN where there is none."""
        pairs = self.inside * self.outside
        with np.errstate(invalid="ignore"):
            return np.asarray(pairs / pairs.sum(0))

    def variance(self, area: Floats) -> Floats:
        """Return the variance of an estimate of ``area`` (N,), if halves were independent, shape (N,).

        Hanley & McNeil, Radiology 143 (1982) 29, with both sample sizes replaced by their mean less one
        (Newcombe, Statist. Med. 25 (2006) 559, method 5).
        """
        half = (self.inside + self.outside) / 2 - 1
        first = area * (1 - area)
        second = 1 + half * (1 - area) / (2 - area) + half * area / (1 + area)
        with np.errstate(invalid="ignore", divide="ignore"):
            own = first * second / (self.inside * self.outside)
            return np.asarray(np.nansum(np.where(self.share > 0, self.share**2 * own, 0.0), axis=0))

    def by_chance(self) -> Floats:
        """Return the standard error of a chance exposure, if halves were independent, shape (N,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            own = (self.inside + self.outside + 1) / (12 * self.inside * self.outside)
            return np.asarray(np.sqrt(np.nansum(np.where(self.share > 0, self.share**2 * own, 0.0), axis=0)))


def _true(part: Truths) -> NDArray[np.int64]:
    return np.asarray(part.sum(0))


def _false(part: Truths) -> NDArray[np.int64]:
    return np.asarray((~part).sum(0))


def exposures(score: Scorer, members: Truths, level: float = 0.95) -> Exposures:
    """Return the exposure of every record.

    Parameters
    ----------
    score : callable
        Cross-fitted scores (R, N) of an attack, given who was a member (R, N): it is called with the truth,
        and with members permuted over the runs of each half.
    members : ndarray of bool, shape (R, N)
        Which records each run was trained on.
    level : float
        Of the intervals.

    Notes
    -----
    A p-value is the share of the exposures by chance, of all records together and each in units of its
    standard error, that reach the record's (Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39). The
    interval holds what the exposure could be in truth for the estimate to lie within its error; that error is
    widened by as much as exposures by chance vary more than independent halves would.
    """
    pairs = _Pairs.of(members)
    scores = score(members)
    found = _areas(scores, members, pairs)
    unit = pairs.by_chance()
    told = unit > 0
    repeats = -(-CHANCES // max(int(told.sum()), 1))
    chance = np.sort(
        np.concatenate([_chance(score, members, pairs, k)[told] / unit[told] for k in range(repeats)])
    )
    standard = (found - 0.5) / np.where(told, unit, np.nan)
    beyond = len(chance) - np.searchsorted(chance, standard - 1e-9)
    widened = max(float((chance**2).mean()), 1.0)
    low, high = _interval(found, pairs, stats.norm.ppf((1 + level) / 2) * np.sqrt(widened))
    return Exposures(
        found,
        low,
        high,
        np.where(told, (1 + beyond) / (1 + len(chance)), np.nan),
        _differences(scores, members, pairs),
        members.sum(0).astype(np.int64),
    )


def _chance(score: Scorer, members: Truths, pairs: _Pairs, repeat: int) -> Floats:
    """Return exposures less 0.5 where nobody was a member of more than chance, shape (N,)."""
    rng = stream(0, "exposure", repeat)
    # within each half, so that every record keeps its numbers of pairs
    permuted = np.concatenate([rng.permuted(members[half], axis=0) for half in halves(len(members))])
    return _areas(score(permuted), permuted, pairs) - 0.5


def _areas(scores: Floats, members: Truths, pairs: _Pairs) -> Floats:
    """Return the exposure of every record, shape (N,): Mann-Whitney's statistic of both halves together."""
    total = np.zeros(members.shape[1])
    for half, inside in zip(halves(len(members)), pairs.inside, strict=True):
        ranks = stats.rankdata(scores[half], axis=0)
        total += np.where(members[half], ranks, 0.0).sum(0) - inside * (inside + 1) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (pairs.inside * pairs.outside).sum(0))


def _differences(scores: Floats, members: Truths, pairs: _Pairs) -> Floats:
    """Return the mean difference of scores over all pairs, shape (N,)."""
    total = np.zeros(members.shape[1])
    for half, inside, outside in zip(halves(len(members)), pairs.inside, pairs.outside, strict=True):
        with_it = np.where(members[half], scores[half], 0.0).sum(0)
        total += with_it * outside - (scores[half].sum(0) - with_it) * inside
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (pairs.inside * pairs.outside).sum(0))


def _interval(found: Floats, pairs: _Pairs, reach: float) -> tuple[Floats, Floats]:
    """Return which areas an estimate is within ``reach`` standard errors of, as limits of shape (N,)."""
    limits = []
    for end in (0.0, 1.0):
        near, far = found.copy(), np.full_like(found, end)
        for _ in range(_STEPS):
            middle = (near + far) / 2
            within = np.abs(found - middle) <= reach * np.sqrt(pairs.variance(middle))
            near, far = np.where(within, middle, near), np.where(within, far, middle)
        limits.append(np.where(np.isnan(found), np.nan, (near + far) / 2))
    return limits[0], limits[1]


def benjamini_hochberg(p_values: Floats, level: float = 0.05) -> Truths:
    """Return which null hypotheses are rejected at a false discovery rate; NaN is never rejected.

    Benjamini & Hochberg, J. R. Statist. Soc. B 57 (1995) 289.
    """
    rejected = np.zeros(len(p_values), dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    passes = np.flatnonzero(p_values[order] <= level * np.arange(1, len(order) + 1) / max(len(order), 1))
    if len(passes):
        rejected[order[: passes[-1] + 1]] = True
    return rejected
