"""The membership effect and the gap of a published hypothesis of known law: expectations, no samples.

What ``membership_effect`` estimates from a bank of runs is here a finite sum over the joint law of the
published hypothesis and a training record, so that it can be held against the exact Delta_n.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.exact import Leak
from benchmark.privacy.membership_effect import leak_of_effect
from tasks.task import Kind

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ExactEffect:
    """Expected figures of a published hypothesis.

    Attributes
    ----------
    effect : float
        The membership effect d, mean over the population; NaN where no margin ever varies.
    leak : float
        ``2 Phi(d / 2) - 1``: Delta_n, were margins Gaussian and all records alike.
    gap : float
        Expected loss on a fresh record less that on a training record.
    """

    effect: float
    leak: float
    gap: float


def exact_effect(kind: Kind, leak: Leak, margins: Array) -> ExactEffect:
    """Return the membership effect and the gap by the joint law.

    Parameters
    ----------
    kind : Kind
        Of the task: decides which way a member's margin moves.
    leak : Leak
        Joint law of the published hypothesis and one training record.
    margins : ndarray, shape (K, S)
        Of every hypothesis on every support point: the logit of the true class, or the residual.
    """
    share = leak.problem.probability
    published = leak.published[:, None]
    inside, outside = leak.joint / share, np.broadcast_to(published, leak.joint.shape)
    means = [(law * margins).sum(0) for law in (inside, outside)]
    variances = [
        (law * (margins - mean) ** 2).sum(0) for law, mean in zip((inside, outside), means, strict=True)
    ]
    deviation = np.sqrt(share @ (variances[0] + variances[1]) / 2)
    direction = 1.0 if kind is Kind.CLASSIFICATION else -np.sign(means[1])
    gap = -float((leak.difference * leak.problem.losses).sum())
    if deviation == 0:
        return ExactEffect(np.nan, np.nan, gap)
    effect = float(share @ (direction * (means[0] - means[1]))) / float(deviation)
    return ExactEffect(effect, float(leak_of_effect(effect)), gap)
