"""Attacks on a published hypothesis of known law: their exact advantage, and trials that confirm it.

Every attack is a score of (theta_hat, z), higher = more likely a member; its advantage is the largest
TPR - FPR over thresholds. Given the joint law, both rates are finite sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.cramer import Ties
from benchmark.privacy.exact import Leak, Problem, choice
from molecules.streams import stream

Array = NDArray[np.float64]


def loss_threshold(leak: Leak) -> Array:
    """Return the score of the loss-threshold attack (Yeom et al. 2018): the negative loss, shape (K, S)."""
    return -leak.problem.losses


def calibrated_loss(leak: Leak) -> Array:
    """Return the loss below what published models have on the record on average, shape (K, S).

    The difficulty calibration of Watson et al. 2022, with the exact law of the published model
    in the place of shadow models.
    """
    return leak.published @ leak.problem.losses - leak.problem.losses


def likelihood_ratio(leak: Leak) -> Array:
    """Return Pr(theta_hat = k | z_1 = s) / Pr(theta_hat = k), shape (K, S).

    This is the Bayes-optimal attack, at threshold 1. Hypotheses that are never published score 1.
    """
    published = leak.published[:, None]
    ratio = leak.difference / np.where(published > 0, published, 1.0) / leak.problem.probability
    return 1.0 + ratio


def advantage(score: Array, leak: Leak) -> tuple[float, float]:
    """Return the exact advantage of an attack, and the threshold that attains it (members score at least so).

    Scores that differ by rounding only (a part in 10^12) share a threshold.
    """
    flat = score.reshape(-1)
    order = np.argsort(-flat, kind="stable")
    falling = flat[order]
    gained = np.cumsum(leak.difference.reshape(-1)[order])  # TPR - FPR when all up to here are called members
    last = np.append(np.diff(falling) < -1e-12 * np.maximum(1.0, np.abs(falling[1:])), True)
    best = int(np.argmax(np.where(last, gained, -np.inf)))
    if gained[best] <= 0:
        return 0.0, np.inf
    return float(gained[best]), float(falling[best])


@dataclass(frozen=True)
class Trials:
    """An attack played ``size`` times against members and non-members: its advantage and standard error."""

    advantage: float
    error: float
    size: int


def play(
    problem: Problem, member: NDArray[np.bool_], n: int, size: int, *, ties: Ties = "uniform", seed: int = 0
) -> Trials:
    """Play the membership game and count: n records are drawn, a hypothesis is published, the attack guesses.

    Parameters
    ----------
    problem : Problem
    member : ndarray of bool, shape (K, S)
        What the attack answers on (theta_hat, z).
    n, ties :
        Training records and tie rule.
    size : int
        Games; in each, one guess on a training record and one on a fresh record.
    seed : int
    """
    generator = stream(seed, "game")
    records = generator.choice(len(problem.probability), (size, n), p=problem.probability)
    fresh = generator.choice(len(problem.probability), size, p=problem.probability)
    counts = np.zeros((size, len(problem.probability)))
    np.add.at(counts, (np.arange(size)[:, None], records), 1.0)
    chosen = choice(counts @ problem.losses.T, problem.multiplicity, ties)
    published = (np.cumsum(chosen, 1) < generator.random((size, 1)) * (1 - 1e-12)).sum(1)
    gain = member[published, records[:, 0]].astype(float) - member[published, fresh]
    return Trials(float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(size)), size)
