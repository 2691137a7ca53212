"""Synthetic tasks: records drawn from Gaussian modes, vectors instead of molecules.

The setting of the synthetic experiments of arXiv 2502.06567 (modes in R^128; the recipe below is our reading:
the full text was not at hand). What no real task has is here for nothing: as many fresh records of the very
distribution as one likes. So r is measured on ``m`` of them instead of on the half of the pool that a run did
not see, and its noise floor 1 / (2 m) is as low as one cares to wait for.
"""

from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from molecules.cache import content_key
from molecules.errors import MolmisError
from molecules.streams import stream
from tasks.catalogue import add_task
from tasks.parameters import bounded, canonical, parse_parameters
from tasks.task import FRESH, DataOptions, Drawn, Inputs, Kind, RawRecords, Task, Vectors

#: Fresh records that performance is measured on.
TEST_RECORDS = 10_000
#: Records drawn at once, so that float64 intermediates stay small.
DRAW_BLOCK = 8192
#: Most numbers held in memory: 1 GiB of float32.
MOST_NUMBERS = 2**28


@dataclass(frozen=True)
class GaussianModes:
    """The parameters of a mixture of Gaussian modes with labels.

    With centres ``c_1 .. c_modes ~ N(0, I_d)``, a record is ``x = c_j + spread * e``, ``j`` uniform and
    ``e ~ N(0, I_d)``. Half of the modes have the label 1, the others 0; a record has the label of its mode,
    flipped with probability ``noise``.

    Attributes
    ----------
    modes : int
        Number of modes.
    spread : float
        Standard deviation of every coordinate within a mode; that of the centres is 1.
    noise : float
        Probability that a label is flipped.
    n : int
        Records in the pool; every run is trained on half of them.
    m : int
        Fresh records that r is measured on.
    d : int
        Dimensions.
    width : int
        Width of the two hidden layers of every head.
    seed : int
        Of centres, labels of modes and records. Apart from ``--seed``, which decides halves and initial
        weights: as with a real task, the data stay what they are.
    """

    modes: int = bounded(16, 2, 10_000)
    spread: float = bounded(2.5, 0.001, 1000)
    noise: float = bounded(0.1, 0, 0.5)
    n: int = bounded(512, 100, 100_000)
    m: int = bounded(50_000, 100, 1_000_000)
    d: int = bounded(128, 1, 4096)
    width: int = bounded(64, 1, 4096)
    seed: int = bounded(0, 0, 2**32 - 1)


@dataclass(frozen=True)
class GaussianModesRegression(GaussianModes):
    """The regression twin: ``y = v_j + b . x + noise * e'``.

    Every mode has a value ``v_j ~ N(0, 1)``; the slope ``b ~ N(0, I_d / (4 d))`` gives the linear term a
    standard deviation of about ``spread / 2`` within a mode.

    Attributes
    ----------
    noise : float
        Standard deviation of the noise of a label.
    """

    noise: float = bounded(0.1, 0, 1000)


class World:
    """The distribution of records that parameters stand for: what is drawn once.

    Parameters
    ----------
    parameters : GaussianModes
        A :class:`GaussianModesRegression` has real labels, any other labels 0 and 1.
    """

    def __init__(self, parameters: GaussianModes) -> None:
        self._parameters = p = parameters
        drawn = stream(p.seed, "modes")
        self.centres: NDArray[np.float64] = drawn.normal(size=(p.modes, p.d))
        # half and half; with an odd number of modes one more has the label 0
        self.classes: NDArray[np.int64] = drawn.permutation(np.arange(p.modes) % 2)
        self.values: NDArray[np.float64] = drawn.normal(size=p.modes)
        self.slope: NDArray[np.float64] = drawn.normal(size=p.d) / (2 * np.sqrt(p.d))

    def draw(self, count: int, purpose: str) -> Drawn:
        """Draw records.

        Parameters
        ----------
        count : int
            How many.
        purpose : str
            Names the random stream: records of different purposes are independent.

        Returns
        -------
        Drawn
            Inputs of shape (count, d) and labels of shape (count, 1), float32.
        """
        p = self._parameters
        inputs = np.empty((count, p.d), dtype=np.float32)
        labels = np.empty((count, 1), dtype=np.float32)
        for block, start in enumerate(range(0, count, DRAW_BLOCK)):
            rows = slice(start, min(start + DRAW_BLOCK, count))
            drawn = stream(p.seed, purpose, block)
            mode = drawn.integers(p.modes, size=rows.stop - start)
            x = self.centres[mode] + p.spread * drawn.normal(size=(len(mode), p.d))
            inputs[rows], labels[rows, 0] = x, self._labels(mode, x, drawn)
        return Drawn(inputs, labels)

    def _labels(
        self, mode: NDArray[np.int64], x: NDArray[np.float64], drawn: np.random.Generator
    ) -> NDArray[np.generic]:
        """Return the labels of records of known modes, shape (records,)."""
        noise = self._parameters.noise
        if isinstance(self._parameters, GaussianModesRegression):
            return self.values[mode] + x @ self.slope + noise * drawn.normal(size=len(mode))
        return self.classes[mode] ^ (drawn.random(len(mode)) < noise)


def _load(parameters: GaussianModes, task: Task, _: DataOptions) -> RawRecords:
    world = World(parameters)
    pool = world.draw(parameters.n, "pool")
    vectors = Vectors(pool.inputs, world.draw(parameters.m, "fresh"), world.draw(TEST_RECORDS, "test"))
    return RawRecords(
        smiles=[],
        labels=pool.labels.astype(np.float64),
        targets=task.targets,
        kind=task.kind,
        origin=f"drawn by {task.name}",
        sha256=content_key(pool.inputs.tobytes(), pool.labels.tobytes()),
        vectors=vectors,
    )


def _specify(base: Task, cls: type[GaussianModes], text: str) -> Task:
    """Return the task of parameters given in a name."""
    return _with(base, parse_parameters(cls, base.name, text))


def _with(base: Task, parameters: GaussianModes) -> Task:
    p, name = parameters, canonical(base.name, parameters)
    most = MOST_NUMBERS // p.d
    if p.n + p.m + TEST_RECORDS > most:
        raise MolmisError(
            f"task {name}: {p.n + p.m:,} records of {p.d:,} numbers take more than 1 GiB; give a smaller d, "
            f"or n + m of at most {most - TEST_RECORDS:,}"
        )
    return replace(base, name=name, load=partial(_load, p), hidden=(p.width, p.width))


def _add(name: str, kind: Kind, cls: type[GaussianModes], what: str) -> Task:
    defaults = ", ".join(f"{f.name}={f.default}" for f in fields(cls))
    base = Task(
        name=name,
        kind=kind,
        targets=("label",),
        description=(
            f"Vectors of Gaussian modes instead of molecules: {what}. Parameters, as in "
            f"{name}:modes=8,noise=0.2, with defaults: {defaults}."
        ),
        source="Synthetic; the setting of arXiv 2502.06567 (Gaussian modes in R^128), our reading of it.",
        licence="BSD-3-Clause (drawn by this project)",
        load=partial(_load, cls()),
        split=FRESH,
        inputs=Inputs.VECTORS,
    )
    return add_task(_with(replace(base, specify=lambda text: _specify(base, cls, text)), cls()))


GAUSSIAN_MODES = _add(
    "gaussian-modes", Kind.CLASSIFICATION, GaussianModes, "the label of the mode, some of them flipped"
)
GAUSSIAN_MODES_REGRESSION = _add(
    "gaussian-modes-regression",
    Kind.REGRESSION,
    GaussianModesRegression,
    "the value of the mode, a linear term and noise",
)
