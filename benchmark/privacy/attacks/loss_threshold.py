"""The loss threshold: a small loss is a member's."""

from dataclasses import dataclass

import numpy as np

from benchmark.privacy.attacks.base import ATTACKS, Attack, Runs, Scores
from benchmark.privacy.attacks.signals import Signals


@dataclass(frozen=True)
class LossThreshold(Attack):
    """The negative loss of the record (Yeom et al. 2018); no shadow models."""

    reference = "Yeom, Giacomelli, Fredrikson, Jha, CSF 2018"

    def score(self, target: Signals, shadows: Signals, fit: Runs, scored: Runs) -> Scores:
        """Return minus the loss."""
        del shadows, fit
        return -target.loss[scored].astype(np.float64)


ATTACKS.add("loss", LossThreshold())
