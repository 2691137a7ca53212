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


def gaussians(margin: NDArray[np.float32], chosen: NDArray[np.bool_], *, fixed: bool) -> Gaussians:
    """Return the Gaussians over the models that ``chosen`` picks for each record.

    Parameters
    ----------
    margin : ndarray, shape (F, N, T)
        Signals of the shadow models.
    chosen : ndarray of bool, shape (F, N)
        Which of them count, for each record.
    fixed : bool
        One standard deviation for all records of a label (pooled over records), instead of one for each.
    """
    weight = chosen.astype(np.float64)
    count = weight.sum(0)[:, None]
    values = margin.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.einsum("fn,fnt->nt", weight, values) / count
        squares = np.einsum("fn,fnt->nt", weight, (values - mean) ** 2)
        pooled = np.sqrt(np.nansum(squares, 0) / np.maximum(np.where(np.isnan(mean), 0, count - 1).sum(0), 1))
        own = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
    mean = np.where(count > 0, mean, np.nan)
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
        members = shadows.members[fit]
        out = gaussians(shadows.margin[fit], ~members, fixed=self.fixed)
        observed = target.margin[scored]
        if self.online:
            inside = gaussians(shadows.margin[fit], members, fixed=self.fixed)
            terms = _log_density(observed, inside) - _log_density(observed, out)
        elif target.kind is Kind.CLASSIFICATION:
            terms = np.log(np.maximum(ndtr((observed - out.mean) / out.deviation), 1e-300))
        else:
            terms = np.log(np.maximum(_share_beyond(observed, out), 1e-300))
        return np.asarray(np.nansum(terms, axis=2))


def _log_density(values: NDArray[np.float32], law: Gaussians) -> Floats:
    """Return the log density up to a constant, shape (R, N, T)."""
    return np.asarray(-0.5 * ((values - law.mean) / law.deviation) ** 2 - np.log(law.deviation))


def _share_beyond(residual: NDArray[np.float32], out: Gaussians) -> Floats:
    """Return the probability that an OUT model's absolute residual is larger than the observed one."""
    size = np.abs(residual)
    inside = ndtr((size - out.mean) / out.deviation) - ndtr((-size - out.mean) / out.deviation)
    return np.asarray(1.0 - inside)


ATTACKS.add("lira-online", Lira(online=True, fixed=False))
ATTACKS.add("lira-online-fixed", Lira(online=True, fixed=True))
ATTACKS.add("lira-offline", Lira(online=False, fixed=False))
ATTACKS.add("lira-offline-fixed", Lira(online=False, fixed=True))
