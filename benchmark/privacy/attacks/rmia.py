"""RMIA, the robust attack: whether the model favours this record more than it favours others.

The likelihood of the record under the target, relative to reference models, is compared with the same ratio
of a population; the score is the share of that which it reaches.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from benchmark.privacy.attacks.base import ATTACKS, Attack, Runs, Scores
from benchmark.privacy.attacks.signals import Signals
from tasks.task import Kind

#: Records of the population that every record is compared with.
POPULATION = 2000


@dataclass(frozen=True)
class Rmia(Attack):
    """RMIA (Zarifzadeh, Liu, Shokri 2024) with gamma = 1.

    Parameters
    ----------
    references : int
        Reference models used; 0 stands for all that may be. A record is referred to those of them that were
        not trained on it, or to all of them where there is none.
    """

    references: int = 0

    reference = "Zarifzadeh, Liu, Shokri, ICML 2024"

    @property
    def fewest(self) -> int:  # type: ignore[override]
        """Fewest runs to fit on."""
        return max(self.references, 1)

    def score(self, target: Signals, shadows: Signals, fit: Runs, scored: Runs) -> Scores:
        """Return for every record the share of the population whose ratio it reaches."""
        used = fit[: self.references] if self.references else fit
        spread = _spread(shadows, used)
        reference = _reference(log_likelihood(shadows, used, spread), shadows.members[used])
        ratio = log_likelihood(target, scored, spread) - reference
        # The pool itself is the population, members and all: who they are must not enter a score, not even
        # by who is left out of the population. The order is the same: a score is a share below.
        scores = np.empty(ratio.shape)
        step = max(1, ratio.shape[1] // POPULATION)
        for place, own in enumerate(ratio):
            known = np.sort(own[::step])
            scores[place] = np.searchsorted(known, own, side="right") / len(known)
        # where every other record is passed, the ratio itself still orders
        return scores + 1e-9 * np.clip(ratio, -1e3, 1e3)


def log_likelihood(signals: Signals, runs: Runs, spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log probability of the labels of every record, shape (len(runs), N).

    Classification: the sum of the log probabilities of the observed labels. Regression: that of a Gaussian of
    deviation ``spread`` (T,) around the prediction.
    """
    if signals.kind is Kind.CLASSIFICATION:
        return signals.log_probability[runs]
    margin = signals.margin[runs].astype(np.float64)
    return np.asarray(np.nansum(-0.5 * (margin / spread) ** 2 - np.log(spread), axis=2))


def _spread(shadows: Signals, used: Runs) -> NDArray[np.float64]:
    """Return the root mean square residual of the references on records without them, shape (T,)."""
    outside = np.where(shadows.members[used][:, :, None], np.nan, shadows.margin[used].astype(np.float64))
    known = ~np.isnan(outside)
    squares = np.where(known, outside, 0.0) ** 2
    return np.asarray(np.maximum(np.sqrt(squares.sum((0, 1)) / np.maximum(known.sum((0, 1)), 1)), 1e-6))


def _reference(logs: NDArray[np.float64], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the log of the mean likelihood over the references without the record, shape (N,)."""
    without = ~members | members.all(0)
    return np.asarray(logsumexp(np.where(without, logs, -np.inf), axis=0) - np.log(without.sum(0)))


ATTACKS.add("rmia-1", Rmia(1))
ATTACKS.add("rmia-2", Rmia(2))
ATTACKS.add("rmia-4", Rmia(4))
ATTACKS.add("rmia", Rmia())
