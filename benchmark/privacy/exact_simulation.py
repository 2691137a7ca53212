"""Delta_n by simulation, with an interval that holds although the plug-in estimate is biased.

The n - 1 other records are drawn; then the choice of a hypothesis is made for *every* record z of a panel at
once. A draw in which no record of the panel could change the choice adds nothing to ``Pr(k | z) - Pr(k)``:
with these common random numbers the noise is that of the draws on the brink.

Delta is a sum of absolute values, so putting estimates into it (the **plug-in**) gives too much on average
(Jensen). An attack that is fitted on some draws and scored on others (**cross-fitting**) gives too little on
average, since no attack beats the best one. Both hold for any number of draws, so the interval runs from the
lower limit of the cross-fitted figure to the upper limit of the plug-in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.privacy.cramer import TOLERANCE, Ties
from benchmark.privacy.exact import Problem, choice, dependence
from benchmark.privacy.hypotheses import HypothesisSet
from benchmark.privacy.populations import Loss, Population, loss_matrix
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from molecules.streams import stream

Array = NDArray[np.float64]
#: Returns summed losses (draws, K) of the n - 1 other records.
Sampler = Callable[[np.random.Generator, int], Array]

_BLOCK = 2**21


@dataclass(frozen=True)
class Estimate:
    """Delta_n by simulation.

    Attributes
    ----------
    delta : float
        Jackknife estimate, kept between ``cross_fitted`` and ``plug_in``.
    low, high : float
        Interval at the level asked for; see the module for why it holds.
    cross_fitted, plug_in : float
        Too small, and too large, on average.
    missed : float
        Estimated probability that theta_hat is not ``reference``.
    draws : int
        Draws of the other records.
    """

    delta: float
    low: float
    high: float
    cross_fitted: float
    plug_in: float
    missed: float
    draws: int


def simulate_leak(
    problem: Problem,
    n: int,
    draws: int,
    *,
    ties: Ties = "uniform",
    groups: int = 20,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress = SILENT,
) -> Estimate:
    """Estimate Delta_n of a discrete population; every support point is in the panel.

    Parameters
    ----------
    problem : Problem
    n : int
        Training records.
    draws : int
        Draws of the n - 1 other records.
    ties : {"uniform", "lowest"}
    groups : int
        Groups of draws for jackknife and cross-fitting, at least 2.
    seed, level, progress :
        Of the draws, of the interval, and who is told.
    """
    losses, share = problem.grouped()

    def sampler(generator: np.random.Generator, size: int) -> Array:
        return np.asarray(generator.multinomial(n - 1, share, size) @ losses.T)

    plan = _Plan(losses, share, problem.multiplicity, ties, problem.minimiser())
    return _estimate(plan, sampler, _Draws(draws, groups, seed, level, n), progress, sampled_panel=False)


def simulate_leak_of(
    population: Population,
    hypotheses: HypothesisSet,
    loss: Loss,
    n: int,
    draws: int,
    *,
    panel: int = 256,
    ties: Ties = "uniform",
    groups: int = 20,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress = SILENT,
) -> Estimate:
    """Estimate Delta_n of a continuous population.

    Parameters
    ----------
    population, hypotheses, loss :
        What is drawn, and what is fitted.
    n, draws, ties, groups, seed, level, progress :
        As for :func:`simulate_leak`.
    panel : int
        Records drawn to stand for z. The interval takes in their sampling error; the centring of every
        hypothesis on the panel's own mean is made good to first order (a bias of order 1 / panel is left).
    """
    records = population.draw(stream(seed, "panel"), panel)
    losses = loss_matrix(hypotheses.scores(records[0]), records[1], loss)

    def sampler(generator: np.random.Generator, size: int) -> Array:
        x, y = population.draw(generator, size * (n - 1))
        table = loss_matrix(hypotheses.scores(x), y, loss)
        return np.asarray(table.reshape(len(table), size, n - 1).sum(2).T)

    # theta_1 is only named to report how often it is missed; a sample finds it
    x, y = population.draw(stream(seed, "reference"), 20_000)
    reference = int(loss_matrix(hypotheses.scores(x), y, loss).mean(1).argmin())
    share = np.full(panel, 1 / panel)
    plan = _Plan(losses, share, hypotheses.multiplicity.astype(float), ties, reference, max(1, n - 1))
    return _estimate(plan, sampler, _Draws(draws, groups, seed, level, n), progress, sampled_panel=True)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What the choice is made by; ``width`` is the number of records a row of the sampler needs at once."""

    losses: Array
    share: Array
    multiplicity: Array
    ties: Ties
    reference: int
    width: int = 1

    @property
    def reach(self) -> float:
        """The most by which one record can change the difference of two summed losses."""
        return float((self.losses.max(0) - self.losses.min(0)).max())


@dataclass(frozen=True)
class _Draws:
    draws: int
    groups: int
    seed: int
    level: float
    n: int

    def __post_init__(self) -> None:
        if self.n < 1 or self.groups < 2 or self.draws < self.groups:
            raise MolmisError(
                f"a simulation needs n >= 1, at least 2 groups and a draw for each; got n = {self.n}, "
                f"{self.groups} groups, {self.draws} draws"
            )


def _estimate(
    plan: _Plan, sampler: Sampler, how: _Draws, progress: Progress, *, sampled_panel: bool
) -> Estimate:
    generator = stream(how.seed, "other records")
    size = how.draws // how.groups
    sums, active = np.zeros((how.groups, *plan.losses.shape)), np.zeros(len(plan.losses), dtype=bool)
    with progress.stage(f"draws, n = {how.n}", size * how.groups) as advance:
        for group in range(how.groups):
            done = 0
            while done < size:
                block = min(size - done, max(1, _BLOCK // (len(plan.losses) * plan.width)))
                _add(plan, sampler(generator, block), sums[group])
                done += block
                advance(block)
            active |= sums[group].any(1)
    joint = sums / size * plan.share
    published = joint.sum((0, 2)) / how.groups
    difference = dependence(joint[:, active], plan.share)
    missed = 1.0 - float(published[plan.reference])
    return _combine(difference, how, missed, len(plan.share) if sampled_panel else 0)


def _add(plan: _Plan, totals: Array, sums: Array) -> None:
    """Add the choice of every draw for every record of the panel to ``sums`` (K, S)."""
    near = totals <= totals.min(1, keepdims=True) + plan.reach + 2 * TOLERANCE  # no other can be chosen
    brink = near.sum(1) > 1
    sums += np.bincount(totals[~brink].argmin(1), minlength=len(sums))[:, None]
    totals, near = totals[brink], near[brink]
    if not len(totals):
        return
    rivals = np.flatnonzero(near.any(0))
    panel = plan.losses[rivals]
    for part in np.array_split(totals[:, rivals], -(-totals.shape[0] * panel.size // _BLOCK)):
        chosen = choice(part[:, :, None] + panel, plan.multiplicity[rivals], plan.ties, axis=1)
        sums[rivals] += chosen.sum(0)


def _combine(difference: Array, how: _Draws, missed: float, panel: int) -> Estimate:
    """Turn the differences of every group of draws, shape (groups, K, S), into an estimate."""
    groups = len(difference)
    total = difference.sum(0)
    mean = total / groups  # (K, S)
    plug_in = 0.5 * float(np.abs(mean).sum())
    others = (total - difference) / (groups - 1)
    without = 0.5 * np.abs(others).sum((1, 2))
    crossed = 0.5 * (np.sign(others) * difference).sum((1, 2))
    plug_variance = (groups - 1) / groups * ((without - without.mean()) ** 2).sum()
    cross_variance = crossed.var(ddof=1) / groups
    inflate, panel_variance = 1.0, 0.0
    if panel:
        # a record moves Delta by its own term, and by its share in Pr(theta_hat = k), the panel's mean
        sign = np.sign(mean)
        influence = 0.5 * ((sign - sign.mean(1, keepdims=True)) * mean).sum(0) * panel
        panel_variance, inflate = influence.var(ddof=1) / panel, panel / (panel - 1)
    reach = float(stats.t.ppf(0.5 + how.level / 2, groups - 1))
    cross = float(crossed.mean())
    low = cross - reach * np.sqrt(cross_variance + panel_variance)
    high = inflate * (plug_in + reach * np.sqrt(plug_variance + panel_variance))
    jackknife = groups * plug_in - (groups - 1) * without.mean()
    delta = float(np.clip(jackknife, cross, plug_in))
    return Estimate(
        max(delta, 0.0), max(float(low), 0.0), min(float(high), 1.0), cross, plug_in, missed, how.draws
    )
