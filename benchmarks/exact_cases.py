"""The populations and sets of weights of ``python -m benchmarks.exact``."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmark.privacy.cramer import Rates, Ties, rates
from benchmark.privacy.exact import Problem, exact_leak
from benchmark.privacy.exact_simulation import Estimate, simulate_leak, simulate_leak_of
from benchmark.privacy.hypotheses import HypothesisSet, linear_models, two_layer_models
from benchmark.privacy.populations import (
    DiscretePopulation,
    GaussianModes,
    LinearGaussian,
    Loss,
    Population,
    loss_matrix,
    noisy_labels,
    noisy_targets,
)
from molecules.streams import stream

#: Records on which C and r of a continuous population are estimated.
SAMPLE = 100_000
TEACHER = np.array([1.0, 0.5])
TWO = np.array([[1.0, 0.4], [-0.3, 1.2]])
THREE = np.vstack([TWO, [[0.9, -0.7]]])


@dataclass(frozen=True, eq=False)
class Configuration:
    """One population, one set of weights, one loss, one rule for ties."""

    population_name: str
    population: Population
    models: HypothesisSet
    loss: Loss
    ties: Ties = "uniform"

    @property
    def name(self) -> str:
        return f"{self.models.name}; {self.population_name}"

    @property
    def discrete(self) -> bool:
        return isinstance(self.population, DiscretePopulation)

    def problem(self) -> Problem:
        losses = loss_matrix(self.models.scores(self.population.x), self.population.y, self.loss)
        return Problem.of(losses, self.population.probability, self.models.multiplicity)

    def rates(self) -> Rates:
        """C and r: exact expectations where the population is discrete, else over SAMPLE records."""
        if self.discrete:
            problem = self.problem()
            return rates(problem.losses, problem.probability, ties=self.ties)
        x, y = self.population.draw(stream(0, "rates"), SAMPLE)
        return rates(loss_matrix(self.models.scores(x), y, self.loss), ties=self.ties)

    def simulated(self, n: int, draws: int, panel: int = 256) -> Estimate:
        if self.discrete:
            return simulate_leak(self.problem(), n, draws, ties=self.ties, seed=n)
        return simulate_leak_of(
            self.population, self.models, self.loss, n, draws, panel=panel, ties=self.ties, seed=n
        )


@dataclass(frozen=True, eq=False)
class RateCase:
    """A configuration followed over n; ``draws`` 0 means exact enumeration."""

    name: str
    setting: Configuration
    sizes: list[int]
    draws: int = 0
    panel: int = 256
    note: str = field(default="")

    def delta(self, n: int) -> tuple[float, float, float, float]:
        """Return Delta_n, its interval and Pr(theta_hat is not theta_1)."""
        if self.draws:
            found = self.setting.simulated(n, self.draws, self.panel)
            return found.delta, found.low, found.high, found.missed
        leak = exact_leak(self.setting.problem(), n, self.setting.ties)
        return leak.delta, leak.delta, leak.delta, leak.missed


def coin(p: float) -> DiscretePopulation:
    """One input; the target is its sign with probability p: 1-bit models differ by a loss of +1 or -1."""
    return noisy_labels(np.array([[1.0]]), np.array([1.0]), 1 - p)


MODES = GaussianModes(np.array([[1.0, 0.5], [-1.0, -0.5], [0.3, -1.2]]), np.array([1.0, -1.0, -1.0]), 0.7)
REGRESSION = LinearGaussian(np.array([0.8, 0.15]), 0.7)


def rate_cases(quick: bool = False) -> list[RateCase]:
    """Return what part (a) follows over n."""
    labels = {flip: noisy_labels(TWO, TEACHER, flip) for flip in (0.05, 0.1, 0.2)}
    targets = noisy_targets(TWO, np.array([0.7, 0.3]), 0.3)
    ternary, sign = linear_models(2), linear_models(2, 1)
    exact = list(range(21, 62 if quick else 122, 5))
    long = list(range(51, 402, 25))
    many = 50_000 if quick else 1_000_000

    def case(name, population, models, loss, sizes, ties="uniform", **more) -> RateCase:
        return RateCase(name, Configuration(name, population, models, loss, ties), sizes, **more)

    sampled = list(range(20, 101, 10))
    return [
        case("coin 0.7, 1 bit, 0-1 loss", coin(0.7), linear_models(1, 1), "zero-one", long, note="lattice"),
        case("labels 10 %, 1 bit", labels[0.1], sign, "logistic", exact),
        case("labels 5 %, ternary", labels[0.05], ternary, "logistic", exact),
        case(
            "labels 5 %, two-layer sign",
            labels[0.05],
            two_layer_models(2, 2, "sign"),
            "logistic",
            exact,
        ),
        case("targets, 3 bits, squared", targets, linear_models(2, 3), "squared", exact),
        case("labels 20 %, 0-1 loss, random", labels[0.2], ternary, "zero-one", exact, note="ties, lattice"),
        case(
            "labels 20 %, 0-1 loss, lowest",
            labels[0.2],
            ternary,
            "zero-one",
            exact,
            ties="lowest",
            note="ties, lattice",
        ),
        case(
            "3 inputs, labels 5 %, ternary",
            noisy_labels(THREE, TEACHER, 0.05),
            ternary,
            "logistic",
            list(range(20, 121, 10)),
            draws=many,
        ),
        case(
            "labels 5 %, two-layer ReLU, bias",
            labels[0.05],
            two_layer_models(2, 1, "relu", bias=True),
            "logistic",
            list(range(50, 451, 50)),
            draws=many // 2,
        ),
        case("Gaussian modes, 1 bit", MODES, sign, "logistic", sampled, draws=many // 5, panel=512),
        case(
            "Gaussian regression, ternary",
            REGRESSION,
            ternary,
            "squared",
            sampled,
            draws=many // 5,
            panel=512,
        ),
        case(
            "coin 0.5, 1 bit, 0-1 loss",
            coin(0.5),
            linear_models(1, 1),
            "zero-one",
            long,
            note="two minimisers",
        ),
        case(
            "labels 10 %, ternary x 3",
            labels[0.1],
            linear_models(2, scale=3.0),
            "logistic",
            exact,
            note="C near 0",
        ),
    ]


def configurations() -> Iterator[Configuration]:
    """Yield what part (b) ranks: every population with every set of weights."""
    rng = stream(0, "inputs")
    populations: list[tuple[str, Population, Loss]] = []
    for inputs, flip in ((3, 0.05), (4, 0.1), (6, 0.2), (8, 0.1)):
        x = rng.normal(size=(inputs, 2))
        populations.append(
            (f"{inputs} inputs, labels {flip:.0%}", noisy_labels(x, TEACHER, flip), "logistic")
        )
    for inputs, noise in ((4, 0.3), (6, 1.0)):
        x = rng.normal(size=(inputs, 2))
        found = noisy_targets(x, np.array([0.7, 0.3]), noise)
        populations.append((f"{inputs} inputs, targets ± {noise:g}", found, "squared"))
    wide = GaussianModes(MODES.centres, MODES.labels, 1.5)
    populations += [
        ("Gaussian modes, spread 0.7", MODES, "logistic"),
        ("Gaussian modes, spread 1.5", wide, "logistic"),
        ("Gaussian regression, noise 0.7", REGRESSION, "squared"),
    ]
    for name, population, loss in populations:
        for models in (
            linear_models(2, 1),
            linear_models(2),
            linear_models(2, 3),
            linear_models(2, bias=True),
            two_layer_models(2, 2, "sign"),
            two_layer_models(2, 2, "relu"),
        ):
            yield Configuration(name, population, models, loss)
