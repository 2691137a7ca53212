"""Populations of records whose law is known, and the losses of models on them.

On a :class:`DiscretePopulation` every expectation is a finite sum, so all that the theorem speaks of can be
computed exactly. :class:`GaussianModes` and :class:`LinearGaussian` are continuous and are sampled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from molecules.errors import MolmisError

Array = NDArray[np.float64]
Records = tuple[Array, Array]
Loss = Literal["logistic", "squared", "zero-one"]


class Population(Protocol):
    """What can be drawn from."""

    def draw(self, generator: np.random.Generator, size: int) -> Records:
        """Return ``size`` i.i.d. records: inputs (size, d) and targets (size,)."""


@dataclass(frozen=True, eq=False)
class DiscretePopulation:
    """A population of finitely many records.

    Attributes
    ----------
    x : ndarray, shape (S, d)
        Inputs of the records.
    y : ndarray, shape (S,)
        Targets; -1 and +1 for the logistic and the zero-one loss.
    probability : ndarray, shape (S,)
        Positive, sums to 1.

    Raises
    ------
    MolmisError
        If shapes differ or the probabilities are no distribution.
    """

    x: Array
    y: Array
    probability: Array

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.y) == len(self.probability):
            lengths = [len(part) for part in (self.x, self.y, self.probability)]
            raise MolmisError(f"x, y and probability differ in length: {lengths}")
        if not (np.all(self.probability > 0) and abs(self.probability.sum() - 1) < 1e-9):
            raise MolmisError("probabilities of a discrete population must be positive and sum to 1")

    def draw(self, generator: np.random.Generator, size: int) -> Records:
        """Return ``size`` i.i.d. records."""
        chosen = generator.choice(len(self.y), size, p=self.probability)
        return self.x[chosen], self.y[chosen]


@dataclass(frozen=True, eq=False)
class GaussianModes:
    """Binary classification: a mode is drawn uniformly, the input is Gaussian around its centre.

    Attributes
    ----------
    centres : ndarray, shape (modes, d)
    labels : ndarray, shape (modes,)
        -1 or +1, the class of each mode.
    spread : float
        Standard deviation of every coordinate around the centre.
    """

    centres: Array
    labels: Array
    spread: float = 1.0

    def draw(self, generator: np.random.Generator, size: int) -> Records:
        """Return ``size`` i.i.d. records."""
        mode = generator.integers(0, len(self.centres), size)
        noise = generator.standard_normal((size, self.centres.shape[1]))
        return self.centres[mode] + self.spread * noise, self.labels[mode]


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """Regression: ``y = weights . x`` plus Gaussian noise of deviation ``noise``, with x standard normal."""

    weights: Array
    noise: float

    def draw(self, generator: np.random.Generator, size: int) -> Records:
        """Return ``size`` i.i.d. records."""
        x = generator.standard_normal((size, len(self.weights)))
        return x, x @ self.weights + self.noise * generator.standard_normal(size)


def noisy_labels(x: Array, teacher: Array, flip: float) -> DiscretePopulation:
    """Return equally likely inputs, labelled by the sign of ``teacher . x`` and flipped at rate ``flip``.

    Raises
    ------
    MolmisError
        If ``flip`` is not above 0 and below 1.
    """
    if not 0 < flip < 1:
        raise MolmisError(f"flip must lie between 0 and 1, got {flip}")
    clean = np.where(x @ teacher >= 0, 1.0, -1.0)
    share = np.full(len(x), 1 / len(x))
    return DiscretePopulation(
        np.vstack([x, x]),
        np.concatenate([clean, -clean]),
        np.concatenate([(1 - flip) * share, flip * share]),
    )


def noisy_targets(x: Array, teacher: Array, noise: float) -> DiscretePopulation:
    """Return equally likely inputs with targets ``teacher . x`` plus or minus ``noise``."""
    clean = x @ teacher
    return DiscretePopulation(
        np.vstack([x, x]),
        np.concatenate([clean + noise, clean - noise]),
        np.full(2 * len(x), 0.5 / len(x)),
    )


def loss_matrix(scores: Array, y: Array, loss: Loss) -> Array:
    """Return the loss of every model on every record.

    Parameters
    ----------
    scores : ndarray, shape (K, m)
    y : ndarray, shape (m,)
        -1 and +1 for ``logistic`` and ``zero-one``.
    loss : {"logistic", "squared", "zero-one"}
        ``zero-one`` counts a score of 0 as half an error.

    Raises
    ------
    MolmisError
        If the loss is unknown.
    """
    if loss not in _LOSSES:
        raise MolmisError(f"loss must be one of {', '.join(_LOSSES)}, got {loss!r}")
    return _LOSSES[loss](scores, y)


_LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "logistic": lambda scores, y: np.logaddexp(0.0, -y * scores),
    "squared": lambda scores, y: (scores - y) ** 2,
    "zero-one": lambda scores, y: 0.5 * (1.0 - np.sign(y * scores)),
}
