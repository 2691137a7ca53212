"""From the aggregated figure of an indicator to r, and to what ranks go by."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.privacy.membership_effect import rate_of_effect

Floats = NDArray[np.float64]


class Scale(ABC):
    """How the figures of an indicator are read.

    Attributes
    ----------
    resolution : float
        The r at which figures can no longer be told apart.
    """

    resolution: float

    @abstractmethod
    def shown(self, values: Floats) -> Floats:
        """Return r of aggregated figures; NaN stays NaN."""

    @abstractmethod
    def effective(self, values: Floats) -> Floats:
        """Return what ranks go by, larger = more private: figures that are not told apart are equal."""

    @abstractmethod
    def within(self, r: Floats) -> NDArray[np.bool_]:
        """Return which r are within the resolution; so is one that is unknown."""


@dataclass(frozen=True)
class PlainScale(Scale):
    """Floor-corrected rates: small ones are not told apart, for a gap of that size is mere noise.

    Parameters
    ----------
    resolution : float
        The noise floor, 1 / (2 m).
    """

    resolution: float

    def shown(self, values: Floats) -> Floats:
        """Return the rates, not below 0."""
        return np.where(np.isnan(values), np.nan, np.maximum(values, 0.0))

    def effective(self, values: Floats) -> Floats:
        """Return the rates above the floor, 0 for the others."""
        return np.where(np.isnan(values) | (values > max(self.resolution, 0.0)), values, 0.0)

    def within(self, r: Floats) -> NDArray[np.bool_]:
        """Return which r are no larger than the floor."""
        return ~(r > self.resolution)


@dataclass(frozen=True)
class EffectScale(Scale):
    """Membership effects, with a minus so that larger = more private: at a large r no leak is resolved.

    Parameters
    ----------
    members : int
        Records a run is trained on, n.
    effect : float
        The smallest effect that is told from none.
    """

    members: int
    effect: float

    @property
    def resolution(self) -> float:  # type: ignore[override]
        """The largest r that can be told: that of the smallest resolved effect."""
        return float(rate_of_effect(self.effect, self.members))

    def shown(self, values: Floats) -> Floats:
        """Return the rates of the effects, not above the resolution."""
        return np.minimum(rate_of_effect(-values, self.members), self.resolution)

    def effective(self, values: Floats) -> Floats:
        """Return the same: whatever is not told from no leak is equally private."""
        return self.shown(values)

    def within(self, r: Floats) -> NDArray[np.bool_]:
        """Return which r reach the resolution."""
        return ~(r < self.resolution)
