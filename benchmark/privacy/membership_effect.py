"""The membership effect: how far being trained on a record moves its signal, in standard deviations.

For a record z let ``xi(z)`` be its margin under a model trained with z, less that under a model trained
without it (the logit of its true class; in regression its residual, counted towards 0); ``delta = E xi``, and
``sigma`` the deviation of the margin from training to training. The plain indicator asks for the same ratio
of the loss gap between *some* candidates; here the candidates are those that membership inference has to tell
apart, models with and without the record, which a bank of runs on random halves holds for every record at
once. Of two Gaussians ``delta`` apart, with ``d = delta / sigma``, the total variation is
``2 Phi(d / 2) - 1``: what a single look at the margin gives away, and so a lower bound of ``Delta_n`` as far
as margins are Gaussian. In the units of the plain indicator, ``MIS_n = 1 - exp(-n r)``:

    r = -log(2 Phi(d / 2) - 1) / n.

Source: the indicator is ours; the form of the rate is that of Aubinais, Formont, Piantanida, Gassiat (arXiv
2502.06567), the Gaussian model of the margins that of LiRA (Carlini et al., IEEE S&P 2022).
"""

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from tasks.task import Kind

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

#: Quantile of the effect, where nothing leaks, that counts as resolved: 95 % one-sided.
_RESOLVED = 1.6449


def membership_effects(kind: Kind, margins: NDArray[np.floating], members: Truths) -> tuple[Floats, str]:
    """Return the membership effect d of every run.

    Each run is compared with the others: the margin of a record is measured from the middle between the means
    over the other runs that were trained on it and that were not, so that what makes a record easy or hard
    drops out; twice its distance, signed by membership, has the mean ``delta``. The effect of a run is its
    mean over records and observed labels, in pooled standard deviations of a margin within either class.

    Parameters
    ----------
    kind : Kind
        Of the task. In regression a member's residual is the nearer to 0: the direction is that from the mean
        residual of the other runs without the record.
    margins : ndarray, shape (R, N, T)
        Of every run, record and label; NaN where the label is missing. See
        :func:`benchmark.privacy.attacks.signals.margins`.
    members : ndarray of bool, shape (R, N)
        Which records each run was trained on.

    Returns
    -------
    effects : ndarray, shape (R,)
        NaN where it cannot be known.
    reason : str
        Why not; empty where it is.
    """
    runs = len(margins)
    unknown = np.full(runs, np.nan)
    if runs < 3:
        return unknown, "fewer than three runs to compare"
    observed = ~np.isnan(margins).all(0)
    values = np.where(observed, margins, 0.0).astype(np.float64)
    if not np.isfinite(values).all():
        return unknown, "margins not finite"
    classes = [_Class.of(values, part[:, :, None] & observed) for part in (members, ~members)]
    variance = sum(part.squares(values) for part in classes) / np.maximum(
        sum(part.freedom() for part in classes), 1
    )
    if not (variance > 0).any():
        return unknown, "all runs have the same margins"
    deviation = np.sqrt(np.where(variance > 0, variance, np.inf))
    own = members[:, :, None]
    inside, outside = (part.of_others(values) for part in classes)
    compared = observed & ~np.isnan(inside) & ~np.isnan(outside) & (variance > 0)
    sign = np.where(own, 1.0, -1.0) * _direction(kind, outside)
    distance = 2.0 * sign * (values - (inside + outside) / 2) / deviation
    both = (compared & own).any((1, 2)) & (compared & ~own).any((1, 2))
    counts = np.where(both, compared.sum((1, 2)), 1)
    effects = np.where(both, np.where(compared, distance, 0.0).sum((1, 2)) / counts, np.nan)
    return effects, "" if both.all() else "too few runs to compare"


class _Class:
    """Sums over the runs with a record, or over those without it, by record and label."""

    def __init__(self, chosen: Truths, sums: Floats) -> None:
        self.chosen, self.sums, self.counts = chosen, sums, chosen.sum(0)

    @classmethod
    def of(cls, values: Floats, chosen: Truths) -> "_Class":
        return cls(chosen, np.where(chosen, values, 0.0).sum(0))

    def squares(self, values: Floats) -> Floats:
        """Return the squared distances from the mean over the runs, summed over records, shape (T,)."""
        mean = self.sums / np.maximum(self.counts, 1)
        return np.asarray((np.where(self.chosen, values - mean, 0.0) ** 2).sum((0, 1)))

    def freedom(self) -> Floats:
        """Return the degrees of freedom of that, shape (T,)."""
        return np.asarray(np.maximum(self.counts - 1.0, 0.0).sum(0))

    def of_others(self, values: Floats) -> Floats:
        """Return the mean over the runs other than each, shape (R, N, T); NaN where there is none."""
        counts = self.counts - self.chosen
        means = (self.sums - np.where(self.chosen, values, 0.0)) / np.maximum(counts, 1)
        return np.where(counts > 0, means, np.nan)


def _direction(kind: Kind, outside: Floats) -> Floats:
    """Return the sign that a member's margin moves to."""
    return np.ones_like(outside) if kind is Kind.CLASSIFICATION else -np.sign(np.nan_to_num(outside))


def effect_resolution(records: int, runs: int, compared: int) -> float:
    """Return the effect that a mean over runs exceeds in about 5 % of the cases where nothing leaks.

    ``Var(d) = 4 / (records * runs)``, and a little more for the middles that are themselves means over few
    runs. Several labels of a record count as one, for they move together: at most too careful.

    Parameters
    ----------
    records, runs : int
        N and R.
    compared : int
        Runs that are compared with each other at once.
    """
    return float(_RESOLVED * 2.0 * np.sqrt((1.0 + 2.0 / compared) / (records * runs)))


def leak_of_effect(effect: ArrayLike) -> Floats:
    """Return ``2 Phi(d / 2) - 1``, the total variation of two Gaussians; 0 for an effect below 0."""
    return np.asarray(
        2.0 * scipy.special.ndtr(np.maximum(np.asarray(effect, dtype=np.float64), 0.0) / 2.0) - 1.0
    )


def rate_of_effect(effect: ArrayLike, members: int) -> Floats:
    """Return r = -log(2 Phi(d / 2) - 1) / n; infinite for an effect of 0 or below, NaN for NaN."""
    leak = leak_of_effect(effect)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(leak) / members)
