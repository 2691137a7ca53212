"""Several versions of one model are published: what an attacker learns from all of them together.

The float32 head and its quantized versions come from the same training run, so their margins on a record are
strongly correlated. Two attacks that extend LiRA (Carlini, Chien, Nasr, Song, Terzis, Tramer, IEEE S&P 2022):

*sum* adds LiRA's log-likelihood ratios of the versions, as if they were independent: it counts what several
versions say alike several times, but orders records well where each version is noisy by itself.

*joint* takes the versions' margins on a record as one Gaussian vector, with and without the record: means of
each record, one covariance of all records (LiRA's "one variance for all records", with as many dimensions as
versions). Its correlations are shrunk towards 0 (Ledoit & Wolf, J. Multivar. Anal. 88 (2004) 365: a convex
combination with a well-conditioned target), so that versions which are nearly copies of each other do not
make it singular: by one over the number of shadow models, which a larger bank needs less of.

With one version both are LiRA itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.attacks.base import Runs, Scores
from benchmark.privacy.attacks.lira import Gaussians, Lira, gaussians
from benchmark.privacy.attacks.signals import Signals
from benchmark.privacy.panel import cross_scored, halves

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

#: LiRA as it stands in the table: online, one variance for all records.
SINGLE = Lira(online=True, fixed=True)


def single_scores(version: Signals) -> Scores:
    """Return LiRA's cross-fitted log-likelihood ratio on one version, shape (R, N).

    Their sum over versions is the attack *sum*.
    """
    return cross_scored(SINGLE, version, version)


def joint_scores(versions: Sequence[Signals], shrinkage: float | None = None) -> Scores:
    """Return the cross-fitted log-likelihood ratio of the joint Gaussians, shape (R, N).

    Parameters
    ----------
    versions : sequence of Signals
        Of the same runs and records, one of each published version.
    shrinkage : float or None
        Share of every correlation between versions that is taken away: 0 leaves them as they are, 1 is none
        at all. None: one over the number of shadow models.
    """
    first, second = halves(versions[0].runs)
    parts = [
        joint_score(versions, fit, scored, shrinkage) for fit, scored in ((second, first), (first, second))
    ]
    return np.concatenate(parts)


def joint_score(
    versions: Sequence[Signals], fit: Runs, scored: Runs, shrinkage: float | None = None
) -> Scores:
    """Return the log-likelihood ratio of every record of ``scored``, shape (len(scored), N).

    Parameters
    ----------
    versions : sequence of Signals
        As in :func:`joint_scores`.
    fit : ndarray of int
        Runs whose margins and membership may be used.
    scored : ndarray of int
        Runs that are attacked; their membership is not looked at.
    shrinkage : float or None
        As in :func:`joint_scores`.
    """
    shrinkage = 1 / len(fit) if shrinkage is None else shrinkage
    members = versions[0].members[fit]
    laws = [[gaussians(v, fit, inside=inside, fixed=True) for v in versions] for inside in (True, False)]
    total = np.zeros((len(scored), members.shape[1]))
    for target in range(versions[0].margin.shape[2]):  # label by label: all at once would not fit in memory
        inside, out = (_Side.of(part, target) for part in laws)
        known = np.stack([v.margin[fit, :, target] for v in versions])
        inside.correlate(known, members, shrinkage)
        out.correlate(known, ~members, shrinkage)
        inside.mean, out.mean = _damped(inside, out, members)
        observed = np.stack([v.margin[scored, :, target] for v in versions])
        total += np.nan_to_num(_ratio(observed, inside, out))  # what is missing tells nothing
    return total


@dataclass(eq=False)
class _Side:
    """The Gaussian of one label, over the shadow models with the record or without it.

    Attributes
    ----------
    mean : ndarray, shape (V, N)
        Of every version and record.
    deviation : ndarray, shape (V,)
        Of every version, one for all records.
    correlation : ndarray, shape (V, V)
        Of the versions, shrunk; see :meth:`correlate`.
    """

    mean: Floats
    deviation: Floats
    correlation: Floats

    @classmethod
    def of(cls, laws: Sequence[Gaussians], target: int) -> "_Side":
        mean = np.stack([law.mean[:, target] for law in laws])
        return cls(mean, np.array([law.deviation[0, target] for law in laws]), np.eye(len(laws)))

    def correlate(self, known: NDArray[np.float32], chosen: Truths, shrinkage: float) -> None:
        """Estimate the correlation from the models (V, F, N) that ``chosen`` (F, N) picks for each record."""
        standard = (known - self.mean[:, None]) / self.deviation[:, None, None]
        self.correlation = correlation(standard, chosen, shrinkage)

    @property
    def precision(self) -> Floats:
        """Inverse covariance of the versions, shape (V, V)."""
        return np.asarray(np.linalg.inv(self.correlation * self.deviation * self.deviation[:, None]))


def _ratio(observed: NDArray[np.float32], inside: _Side, out: _Side) -> Floats:
    """Return the log-likelihood ratio of margins (V, S, N), shape (S, N).

    With u measured from the middle of the means it is u' A u + b' u + c: one product for all models and
    records.
    """
    half, middle = (inside.mean - out.mean) / 2, (inside.mean + out.mean) / 2
    a = (out.precision - inside.precision) / 2
    b = (out.precision + inside.precision) @ half
    c = (half * (a @ half)).sum(0)
    c += (np.linalg.slogdet(inside.precision)[1] - np.linalg.slogdet(out.precision)[1]) / 2
    u = observed - middle[:, None]
    slope = np.tensordot(a, u, axes=1)
    slope += b[:, None]
    return np.asarray(np.einsum("vsn,vsn->sn", u, slope) + c)


def _damped(inside: _Side, out: _Side, members: Truths) -> tuple[Floats, Floats]:
    """Return the means with the record and without it, shapes (V, N), where noise between them is damped.

    The means of a record come from a few shadow models. Their difference is noise in most of the V
    directions, and V noises drown one signal. How much of it is signal is known from all records together:
    in each principal direction of the differences, their second moment beyond that of the noise. Each
    direction keeps that share of its difference (empirical Bayes; Efron & Morris, Biometrika 59 (1972) 335),
    relative to the direction that keeps most: with one version nothing changes.
    """
    scale = np.sqrt((inside.deviation**2 + out.deviation**2) / 2)
    difference = (inside.mean - out.mean) / scale[:, None]
    told = ~np.isnan(difference).any(0)
    if not told.any():
        return inside.mean, out.mean
    values, vectors = np.linalg.eigh((inside.correlation + out.correlation) / 2)
    root = np.sqrt(values)
    white, colour = vectors / root @ vectors.T, vectors * root @ vectors.T
    found = white @ difference[:, told]
    noise = (1 / members.sum(0)[told] + 1 / (~members).sum(0)[told]).mean()
    moments, directions = np.linalg.eigh(found @ found.T / told.sum())
    signal = np.maximum(moments - noise, 0.0)
    share = signal / (signal + noise)
    if share.max() == 0:  # nothing leaks: any direction is as good
        return inside.mean, out.mean
    keep = colour @ (directions * (share / share.max())) @ directions.T @ white
    middle = (inside.mean + out.mean) / 2
    half = scale[:, None] * (keep @ difference) / 2
    return middle + half, middle - half


def correlation(standard: Floats, chosen: Truths, shrinkage: float) -> Floats:
    """Return the shrunk correlation of the versions, pooled over shadow models and records, shape (V, V).

    Parameters
    ----------
    standard : ndarray, shape (V, F, N)
        Deviations from the mean of the record; NaN where the label is missing.
    chosen : ndarray of bool, shape (F, N)
        Which shadow models count, for each record.
    shrinkage : float
        Share of the correlations that is taken away.
    """
    flat = np.where(chosen & ~np.isnan(standard).any(0), standard, 0.0).reshape(len(standard), -1)
    products = flat @ flat.T
    sizes = np.sqrt(np.diag(products))
    sizes = np.where(sizes > 0, sizes, 1.0)  # versions that never vary are correlated with nothing
    found = (1 - shrinkage) * products / sizes / sizes[:, None]
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)
