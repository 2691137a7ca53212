"""The loss trace: a record whose loss moved much while the model was trained was learned by heart."""

from dataclasses import dataclass

import numpy as np

from benchmark.privacy.attacks.base import ATTACKS, Attack, Runs, Scores
from benchmark.privacy.attacks.signals import Signals


@dataclass(frozen=True)
class LossTraceIqr(Attack):
    """The interquartile range of a record's loss over the snapshots; no shadow models, no further training.

    Proposed to find the records that are at risk; here it is read as an attack on membership. It sees
    snapshots that are not published: an auditor's attack.
    """

    reference = "Pollock, Shilov, Dodd, de Montjoye, arXiv 2411.05743"

    def score(self, target: Signals, shadows: Signals, fit: Runs, scored: Runs) -> Scores:
        """Return the interquartile range of the loss trace.

        Raises
        ------
        ValueError
            If the signals hold no trace.
        """
        del shadows, fit
        if target.trace is None:
            raise ValueError("the loss trace was not recorded")
        low, high = np.quantile(target.trace[scored], [0.25, 0.75], axis=1)
        return np.asarray(high - low, dtype=np.float64)


ATTACKS.add("trace-iqr", LossTraceIqr())
