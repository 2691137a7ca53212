"""The contract of an attack, and the registry.

An attack is given signals of a target and of shadow models and returns one score for every record of every
scored run, higher = more likely a member. It may look at the membership of the runs in ``fit`` only; the runs
in ``scored`` are never among them. Shadows are the heads of the same bank: quantized as the target is
(*matched*), or in full precision (*mismatched*).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.attacks.signals import Signals
from molecules.registry import Registry

Scores = NDArray[np.float64]
Runs = NDArray[np.intp]


class Attack(ABC):
    """An attack: a frozen dataclass of its parameters.

    Subclasses give ``reference``, where it comes from; ``fewest``, the fewest runs that it can be fitted on;
    and ``score``.
    """

    reference: ClassVar[str]
    fewest: ClassVar[int] = 1

    @abstractmethod
    def score(self, target: Signals, shadows: Signals, fit: Runs, scored: Runs) -> Scores:
        """Return scores of every record, shape (len(scored), N).

        Parameters
        ----------
        target : Signals
            Of the attacked heads.
        shadows : Signals
            Of the shadow heads, over the same runs and records.
        fit : ndarray of int
            Runs whose shadows and membership may be used.
        scored : ndarray of int
            Runs of the target that are attacked.
        """


#: Every attack by name.
ATTACKS: Registry[Attack] = Registry("attack", "benchmark.privacy.attacks")
