"""Complete sets of quantized weights, small enough to enumerate: the finite Theta_Q of the theorem.

Weights take the symmetric integer levels ``-L .. L`` of a grid, divided by L: 1 bit is {-1, 1}, ternary (2
bits) {-1, 0, 1}, k bits ``2^k - 1`` levels. Whatever the model, its score is linear in features of the input,

    score_k(x) = coefficients_k . features(x),

which for a linear model are the inputs and for a two-layer model the distinct hidden units. In this form
models that act identically can be told exactly, in integers: see :func:`two_layer_models`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from molecules.errors import MolmisError

Array = NDArray[np.float64]

#: Most models that are enumerated, counted before those that act identically are merged.
LIMIT = 100_000

Activation = Literal["relu", "sign"]


@dataclass(frozen=True, eq=False)
class HypothesisSet:
    """All models of a finite set of quantized weights.

    Attributes
    ----------
    name : str
        What the set holds, in words.
    coefficients : ndarray, shape (K, F)
        One row a distinct model.
    features : callable
        Maps inputs (m, d) to features (F, m).
    multiplicity : ndarray of int, shape (K,)
        How many settings of the weights are this model. They sum to the size of the set.
    """

    name: str
    coefficients: Array
    features: Callable[[Array], Array]
    multiplicity: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.coefficients)

    def scores(self, x: Array) -> Array:
        """Return the score of every model on every input: (m, d) to (K, m)."""
        return np.asarray(self.coefficients @ self.features(np.asarray(x, dtype=np.float64)))


def grid(bits: int) -> NDArray[np.int64]:
    """Return the integer levels of a symmetric grid.

    {-1, 1} for 1 bit; -L .. L with ``2 L + 1 = 2^bits - 1`` for more.

    Raises
    ------
    MolmisError
        If ``bits`` is not from 1 to 8.
    """
    if not 1 <= bits <= 8:
        raise MolmisError(f"bits must be from 1 to 8, got {bits}")
    top = 2 ** (bits - 1) - 1
    return np.array([-1, 1]) if bits == 1 else np.arange(-top, top + 1)


def linear_models(inputs: int, bits: int = 2, *, bias: bool = False, scale: float = 1.0) -> HypothesisSet:
    """Return every linear model of ``inputs`` weights on the grid of ``bits`` bits.

    Parameters
    ----------
    inputs : int
        d, dimension of the records.
    bits : int
        Of every weight; 2 is ternary.
    bias : bool
        Add a bias that takes the same levels.
    scale : float
        Factor on all scores: the quantization scale, which is fixed and public.

    Raises
    ------
    MolmisError
        If the set exceeds ``LIMIT`` models.
    """
    levels, width = grid(bits), inputs + bias
    name = f"linear, {_bits(bits)}{', bias' if bias else ''}"
    _refuse_above_limit(name, len(levels) ** width)
    weights = _product(levels, width)  # distinct linear maps: none acts as another
    coefficients = scale * weights / levels.max()
    return HypothesisSet(
        name, coefficients, _with_ones if bias else _inputs, np.ones(len(weights), dtype=np.int64)
    )


def two_layer_models(
    inputs: int, hidden: int, activation: Activation, bits: int = 2, *, bias: bool = False, scale: float = 1.0
) -> HypothesisSet:
    """Return every two-layer model ``sum_j v_j a(w_j . x + b_j)`` whose w, b and v lie on the grid.

    Models that provably are the same function are merged, by integer arithmetic: hidden units are written
    as (direction, coefficient), units of one direction are added up, and those that cancel are dropped.
    This covers permutations of units, units with ``v = 0`` or ``w = b = 0``, pairs that cancel, positive
    scaling of ReLU units, and scaling of sign units by any factor (``sign`` is odd, with sign(0) = 0). It is
    sound, not complete: ``relu(u) - relu(-u) = u`` is such an identity that it does not look for.

    Parameters
    ----------
    inputs, hidden : int
        d and the number of hidden units.
    activation : {"relu", "sign"}
        Of the hidden units.
    bits, bias, scale :
        As for :func:`linear_models`; the bias is that of the hidden units.

    Raises
    ------
    MolmisError
        If the set exceeds ``LIMIT`` models before merging, or the activation is unknown.
    """
    if activation not in ("relu", "sign"):
        raise MolmisError(f"activation must be relu or sign, got {activation!r}")
    levels, width = grid(bits), inputs + bias
    name = f"two-layer {activation} ({hidden}), {_bits(bits)}{', bias' if bias else ''}"
    units = len(levels) ** (width + 1)
    _refuse_above_limit(name, units**hidden)
    directions, unit, factor = _canonical_units(_product(levels, width + 1), activation)
    chosen = _product(np.arange(units), hidden)  # every model as the numbers of its units
    totals = np.zeros((len(chosen), len(directions)), dtype=np.int64)
    for column in chosen.T:
        totals[np.arange(len(chosen)), unit[column]] += factor[column]
    distinct, multiplicity = np.unique(totals, axis=0, return_counts=True)
    step = levels.max() ** (2 if activation == "relu" else 1)
    features = partial(_hidden, directions=directions.astype(float), activation=activation, bias=bias)
    return HypothesisSet(name, scale * distinct / step, features, multiplicity)


def _canonical_units(
    units: NDArray[np.int64], activation: Activation
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return distinct directions, and of each unit (w, b, v) the number of its direction and its coefficient.

    ``relu(g u) = g relu(u)`` for g > 0 and ``sign(g u) = sign(g) sign(u)`` for any g: a direction is divided
    by its greatest common divisor, and for sign made to start with a positive number.
    """
    weights, out = units[:, :-1], units[:, -1]
    divisor = np.maximum(np.gcd.reduce(weights, axis=1), 1)
    direction, factor = weights // divisor[:, None], out * divisor
    if activation == "sign":
        first = direction[np.arange(len(direction)), (direction != 0).argmax(1)]
        flip = np.where(first < 0, -1, 1)
        direction, factor = direction * flip[:, None], out * flip
    factor = np.where((weights == 0).all(1), 0, factor)  # a unit of no weights is constantly 0
    distinct, inverse = np.unique(direction, axis=0, return_inverse=True)
    return distinct, inverse.reshape(-1), factor


def _inputs(x: Array) -> Array:
    return x.T


def _with_ones(x: Array) -> Array:
    return np.vstack([x.T, np.ones(len(x))])


def _hidden(x: Array, directions: Array, activation: Activation, bias: bool) -> Array:
    before = directions @ (_with_ones(x) if bias else x.T)
    return np.asarray(np.maximum(before, 0.0) if activation == "relu" else np.sign(before))


def _product(values: NDArray[np.int64], repeat: int) -> NDArray[np.int64]:
    """Return every row of ``repeat`` values, in lexicographic order."""
    axes = np.meshgrid(*[values] * repeat, indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, repeat)


def _bits(bits: int) -> str:
    return {1: "1 bit", 2: "ternary"}.get(bits, f"{bits} bits")


def _refuse_above_limit(name: str, size: int) -> None:
    if size > LIMIT:
        shown = f"{size:,}" if size < 10**12 else f"10^{math.floor(math.log10(size))}"
        raise MolmisError(
            f"{name}: {shown} models; at most {LIMIT:,} are enumerated: use fewer inputs, units or bits"
        )
