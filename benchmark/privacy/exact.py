"""The exact leak of empirical-risk minimisation over a finite set of weights: Delta_n = 1 - MIS_n.

Records are drawn i.i.d. from a population of known law; what is published is the hypothesis theta_hat of
smallest summed loss on n of them. With finitely many hypotheses k and support points s,

    Delta_n = TV(law(theta_hat, z_1), law(theta_hat) x P)
            = 1/2 sum_s p_s sum_k | Pr(theta_hat = k | z_1 = s) - Pr(theta_hat = k) |,

the advantage of the best possible attack on one published model. Here the joint law is computed by summing
over every count vector of n records (a multinomial law), without any sampling. ``exact_simulation`` estimates
it where there are too many. Source of the definition: arXiv 2502.06567.

**Ties** are part of the procedure and matter to Delta. ``uniform``: one of the minimisers at random, by its
number of weight settings; ``lowest``: the one of lowest index. Sums within ``TOLERANCE`` of the smallest are
tied with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from benchmark.privacy.cramer import TOLERANCE, Ties
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress

Array = NDArray[np.float64]

#: Most count vectors that are summed over.
MAX_COUNTS = 6_000_000
#: Numbers in one block of the enumeration: 64 MB of float64.
_BLOCK = 2**23


@dataclass(frozen=True, eq=False)
class Problem:
    """Hypotheses and records of a discrete population, without what provably changes nothing.

    Attributes
    ----------
    losses : ndarray, shape (K, S)
        Of every hypothesis on every support point.
    probability : ndarray, shape (S,)
        Of the support points.
    multiplicity : ndarray, shape (K,)
        Weight settings that act as this hypothesis does.
    group : ndarray of int, shape (S,)
        Records of one group shift all losses alike, so no choice of a hypothesis tells them apart.
    """

    losses: Array
    probability: Array
    multiplicity: Array
    group: NDArray[np.intp]

    @classmethod
    def of(
        cls, losses: ArrayLike, probability: ArrayLike, multiplicity: ArrayLike | None = None
    ) -> "Problem":
        """Merge hypotheses of equal losses on the whole support, and group the records.

        The first of equal hypotheses keeps its place, so ``lowest`` means the same before and after.
        """
        table, share = np.asarray(losses, dtype=np.float64), np.asarray(probability, dtype=np.float64)
        weight = np.ones(len(table)) if multiplicity is None else np.asarray(multiplicity, dtype=np.float64)
        first, member = _classes(table)
        merged = np.asarray(np.bincount(member, weights=weight), dtype=np.float64)
        table = table[first]
        _, group = _classes((table - table[0]).T)
        return cls(table, share, merged, group)

    def grouped(self) -> tuple[Array, Array]:
        """Return losses (K, G), up to a shift of each group, and probabilities (G,) of the groups."""
        _, first = np.unique(self.group, return_index=True)
        share = np.asarray(np.bincount(self.group, weights=self.probability), dtype=np.float64)
        return self.losses[:, first], share

    def minimiser(self) -> int:
        """Return theta_1, the hypothesis of smallest expected loss (the first of equals)."""
        return int(np.argmin(self.losses @ self.probability))


def _classes(rows: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the index of the first row of every class of equal rows, in order, and the class of each row."""
    keys = np.round(rows / TOLERANCE).astype(np.int64)
    _, first, member = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[member.reshape(-1)]


@dataclass(frozen=True, eq=False)
class Leak:
    """The joint law of the published hypothesis and one training record.

    Attributes
    ----------
    joint : ndarray, shape (K, S)
        Pr(theta_hat = k, z_1 = s).
    problem : Problem
    n : int
        Training records.
    """

    joint: Array
    problem: Problem
    n: int

    @property
    def published(self) -> Array:
        """Pr(theta_hat = k), shape (K,)."""
        return np.asarray(self.joint.sum(1))

    @property
    def difference(self) -> Array:
        """Joint law less the product of its marginals, shape (K, S); columns and rows sum to 0."""
        return dependence(self.joint, self.problem.probability)

    @property
    def delta(self) -> float:
        """Delta_n, the advantage of the best attack."""
        return 0.5 * float(np.abs(self.difference).sum())

    @property
    def mis(self) -> float:
        """Membership inference security, 1 - Delta_n."""
        return 1.0 - self.delta

    @property
    def missed(self) -> float:
        """Probability that theta_hat is not the population minimiser."""
        return float(np.delete(self.published, self.problem.minimiser()).sum())


def dependence(joint: Array, probability: Array) -> Array:
    """Return ``joint - published x probability`` on the last two axes (K, S).

    The largest row is taken from the others, to which it is the negative sum: subtracting two numbers near
    1 would leave rounding where Delta is tiny.
    """
    published = joint.sum(-1, keepdims=True)
    difference = joint - published * probability
    top = int(published.reshape(-1, joint.shape[-2]).sum(0).argmax())
    difference[..., top, :] = 0.0
    difference[..., top, :] = -difference.sum(-2)
    return np.asarray(difference)


def choice(totals: Array, multiplicity: Array, ties: Ties, axis: int = -1) -> Array:
    """Return the probability that each hypothesis is chosen, given summed losses along ``axis``."""
    tied = totals <= totals.min(axis, keepdims=True) + TOLERANCE
    if ties == "lowest":
        first = tied.argmax(axis)
        return np.asarray(np.arange(totals.shape[axis]) == first[..., None], dtype=np.float64).swapaxes(
            -1, axis
        )
    shape = [1] * totals.ndim
    shape[axis] = -1
    weight = tied * multiplicity.reshape(shape)
    return np.asarray(weight / weight.sum(axis, keepdims=True))


def exact_leak(problem: Problem, n: int, ties: Ties = "uniform", progress: Progress = SILENT) -> Leak:
    """Compute the joint law of theta_hat and one of n records by complete enumeration.

    Records are exchangeable: ``Pr(theta_hat = k, z_1 = s) = E[1{theta_hat = k} N_s / n]`` for the counts N.

    Parameters
    ----------
    problem : Problem
    n : int
        Training records, at least 1.
    ties : {"uniform", "lowest"}
    progress : Progress

    Raises
    ------
    MolmisError
        If there are more than ``MAX_COUNTS`` count vectors, or n is below 1.
    """
    if n < 1:
        raise MolmisError(f"n must be at least 1, got {n}")
    losses, share = problem.grouped()
    vectors = count_vectors(n, len(share))
    if vectors > MAX_COUNTS:
        raise MolmisError(
            f"{vectors:,} count vectors of {n} records over {len(share)} groups, at most {MAX_COUNTS:,} are "
            "enumerated: use a smaller n, or estimate with simulate_leak"
        )
    joint = np.zeros(losses.shape)
    with progress.stage(f"count vectors, n = {n}", vectors) as advance:
        for counts in _compositions(n, len(share), max(1, _BLOCK // len(losses))):
            log_weight = gammaln(n + 1) - gammaln(counts + 1.0).sum(1) + xlogy(counts, share).sum(1)
            chosen = choice(counts @ losses.T, problem.multiplicity, ties)
            joint += (chosen * np.exp(log_weight)[:, None]).T @ (counts / n)
            advance(len(counts))
    # within a group, the record is independent of the choice
    return Leak(joint[:, problem.group] * (problem.probability / share[problem.group]), problem, n)


def count_vectors(n: int, parts: int) -> int:
    """Return the number of ways to write n as an ordered sum of ``parts`` counts."""
    return comb(n + parts - 1, parts - 1)


def _compositions(n: int, parts: int, block: int) -> Iterator[Array]:
    """Yield all vectors of ``parts`` counts that sum to n, in blocks of about ``block`` rows."""
    heads = np.zeros((1, 0), dtype=np.int64)
    yield from _completed(heads, n, parts, block)


def _completed(heads: NDArray[np.int64], n: int, parts: int, block: int) -> Iterator[Array]:
    """Complete rows of counts; go on with part of the rows where all at once would be too many."""
    left = n - heads.sum(1)
    if heads.shape[1] == parts - 1:
        rows = np.column_stack([heads, left]).astype(np.float64)
        yield from np.array_split(rows, -(-len(rows) // block))
        return
    grown = np.repeat(heads, left + 1, axis=0)
    ends = np.cumsum(left + 1)
    value = np.arange(ends[-1]) - np.repeat(ends - left - 1, left + 1)
    grown = np.column_stack([grown, value])
    for piece in np.array_split(grown, -(-len(grown) // block)):
        yield from _completed(piece, n, parts, block)
