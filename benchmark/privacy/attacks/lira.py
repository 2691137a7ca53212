"""LiRA, the likelihood-ratio attack: the signal of models with the record, against that of models without.

Every record has its own Gaussians, over the shadow models that were trained on it (IN) and those that were
not (OUT). Labels of a multi-label task, and the residual of a regression, are treated alike: each observed
label has its Gaussians, and their log-likelihood ratios are added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmark.privacy.attacks.base import ATTACKS, Attack, Runs, Scores
from benchmark.privacy.attacks.signals import Signals
from tasks.task import Kind

Floats = NDArray[np.float64]

#: Standard deviations are never below this share of the one over all records: a few runs may agree by chance.
FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Mean and standard deviation of the signal of every record and label over some shadow models.

    Attributes
    ----------
    mean, deviation : ndarray of float64, shape (N, T)
        NaN where too few models saw, or did not see, the record.
    """

    mean: Floats
    deviation: Floats


def gaussians(shadows: Signals, fit: Runs, *, inside: bool, fixed: bool) -> Gaussians:
    """Return the Gaussians over the shadow models with each record, or over those without it.

    Parameters
    ----------
    shadows : Signals
        Of the shadow models.
    fit : ndarray of int, shape (F,)
        Runs that may be used.
    inside : bool
        Over those trained on the record.
    fixed : bool
        One standard deviation for all records of a label (pooled over records), instead of one for each.
    """
    mean, squares, count = shadows.moments(fit, inside=inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.sqrt(np.nansum(squares, 0) / np.maximum(np.where(np.isnan(mean), 0, count - 1).sum(0), 1))
        own = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
    deviation = np.broadcast_to(pooled, mean.shape) if fixed else own
    return Gaussians(mean, np.maximum(deviation, max(FLOOR * float(pooled.max()), 1e-12)))


@dataclass(frozen=True)
class Lira(Attack):
    """LiRA (Carlini et al. 2022).

    Parameters
    ----------
    online : bool
        Log-likelihood ratio of the IN and the OUT Gaussian; else the probability that an OUT model has a
        smaller signal (in regression: a larger absolute residual).
    fixed : bool
        One variance for all records, which takes fewer shadow models; else one for each record.
    """

    online: bool
    fixed: bool

    reference = "Carlini, Chien, Nasr, Song, Terzis, Tramer, IEEE S&P 2022"

    @property
    def fewest(self) -> int:  # type: ignore[override]
        """Fewest runs to fit on: each record is a member of half of them."""
        return 4 if self.fixed else 8

    def score(self, target: Signals, shadows: Signals, fit: Runs, scored: Runs) -> Scores:
        """Return the score of every record; 0 for one whose shadow models do not tell."""
        out = gaussians(shadows, fit, inside=False, fixed=self.fixed)
        observed = target.margin[scored]
        if self.online:
            inside = gaussians(shadows, fit, inside=True, fixed=self.fixed)
            return log_ratio(observed, inside, out)
        if target.kind is Kind.CLASSIFICATION:
            terms = np.log(np.maximum(ndtr((observed - out.mean) / out.deviation), 1e-300))
        else:
            terms = np.log(np.maximum(_share_beyond(observed, out), 1e-300))
        return np.asarray(np.nansum(terms, axis=2))


def log_ratio(observed: NDArray[np.float32], inside: Gaussians, out: Gaussians) -> Scores:
    """Return the log-likelihood ratio of the Gaussians, summed over labels, shape (R, N).

    A missing label, or a record without shadow models on either side, adds nothing.
    """
    precision_in, precision_out = 1 / inside.deviation**2, 1 / out.deviation**2
    half = (inside.mean - out.mean) / 2
    # with u measured from the middle of the means the ratio is a u^2 + b u + c: one pass over all runs
    a = (precision_out - precision_in) / 2
    b = half * (precision_in + precision_out)
    c = a * half**2 + np.log(out.deviation / inside.deviation)
    # a label is missing in all runs or in none
    known = ~(np.isnan(b) | np.isnan(observed).any(0))
    a, b, c = (np.where(known, part, 0.0) for part in (a, b, c))
    u = observed - np.where(known, (inside.mean + out.mean) / 2, 0.0)
    np.copyto(u, 0.0, where=~known)
    slope = a * u
    slope += b
    return np.asarray(np.einsum("rnt,rnt->rn", u, slope) + c.sum(-1))


def _share_beyond(residual: NDArray[np.float32], out: Gaussians) -> Floats:
    """Return the probability that an OUT model's absolute residual is larger than the observed one."""
    size = np.abs(residual)
    inside = ndtr((size - out.mean) / out.deviation) - ndtr((-size - out.mean) / out.deviation)
    return np.asarray(1.0 - inside)


ATTACKS.add("lira-online", Lira(online=True, fixed=False))
ATTACKS.add("lira-online-fixed", Lira(online=True, fixed=True))
ATTACKS.add("lira-offline", Lira(online=False, fixed=False))
ATTACKS.add("lira-offline-fixed", Lira(online=False, fixed=True))
