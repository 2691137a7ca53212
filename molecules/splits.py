"""Which records are set apart for the performance test, and which are the members of each run.

Two purposes, two functions: a split sets a test set apart from the pool once; halves of the pool are
then drawn anew for every run, so that members and non-members have the same distribution.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from molecules.errors import MolmisError, TooFewRecordsError, UnknownNameError
from molecules.quiet import quiet
from molecules.streams import stream

#: Most molecules of the Butina split: the 50 million pairs of as many take about 4 GiB.
MOST_BUTINA = 10_000
#: Most molecules of the fingerprint split, for its time.
MOST_FINGERPRINT = 50_000

#: Pool and test set, each as ascending positions of records.
Split = tuple[NDArray[np.int64], NDArray[np.int64]]


def random_split(n: int, test_share: float, seed: int) -> Split:
    """Set a random ``test_share`` of ``n`` records apart.

    Parameters
    ----------
    n : int
        Number of records.
    test_share : float
        Share of the records in the test set, in [0, 1); rounded to a whole number of records.
    seed : int
        Equal seeds give equal splits.

    Returns
    -------
    pool, test : ndarray of int64
        Ascending positions; together ``0 .. n - 1``.

    Raises
    ------
    MolmisError
        If ``test_share`` lies outside [0, 1).
    """
    _check_share(test_share)
    order = stream(seed, "split").permutation(n)
    held = round(n * test_share)
    return np.sort(order[held:]), np.sort(order[:held])


def scaffold_split(smiles: Sequence[str], test_share: float, seed: int = 0) -> Split:  # noqa: ARG001
    """Set the molecules of the rarest scaffolds apart, by DeepChem's ``ScaffoldSplitter``.

    Molecules of one Bemis-Murcko scaffold [1]_ stay together, the most frequent scaffolds in the pool,
    so the test set asks for extrapolation and holds at least ``test_share`` of the records (a scaffold
    is never torn apart).

    Parameters
    ----------
    smiles : sequence of str
        SMILES that RDKit parses.
    test_share : float
        Smallest share of the records in the test set, in [0, 1).
    seed : int
        Ignored: nothing is drawn. Kept so that all splits are called alike.

    Returns
    -------
    pool, test : ndarray of int64
        Ascending positions; together all records.

    Raises
    ------
    MolmisError
        If ``test_share`` lies outside [0, 1).
    TooFewRecordsError
        If one scaffold holds so many records that no pool is left.

    References
    ----------
    .. [1] Bemis and Murcko, "The properties of known drugs. 1. Molecular frameworks", J. Med. Chem. 39
       (1996) 2887.
    """
    return _by_deepchem("ScaffoldSplitter", "scaffold", "one scaffold", smiles, test_share)


def butina_split(smiles: Sequence[str], test_share: float, seed: int = 0) -> Split:  # noqa: ARG001
    """Set the molecules of the smallest clusters apart, by DeepChem's ``ButinaSplitter``.

    Clusters [1]_ hold molecules within a Tanimoto distance of 0.6 (ECFP4) of their centre; none is torn
    apart, so the test set holds at least ``test_share`` of the records. All pairs are held in memory, some 80
    bytes each, hence at most ``MOST_BUTINA`` molecules.

    Parameters
    ----------
    smiles, test_share, seed :
        As of :func:`scaffold_split`; nothing is drawn.

    Returns
    -------
    pool, test : ndarray of int64
        Ascending positions; together all records.

    Raises
    ------
    MolmisError
        If ``test_share`` lies outside [0, 1), or there are too many molecules.
    TooFewRecordsError
        If one cluster holds so many records that no pool is left.

    References
    ----------
    .. [1] Butina, "Unsupervised data base clustering based on Daylight's fingerprint and Tanimoto
       similarity", J. Chem. Inf. Comput. Sci. 39 (1999) 747.
    """
    _check_size("butina", smiles, MOST_BUTINA)
    return _by_deepchem("ButinaSplitter", "butina", "one cluster", smiles, test_share)


def fingerprint_split(smiles: Sequence[str], test_share: float, seed: int = 0) -> Split:  # noqa: ARG001
    """Make pool and test set as unlike as they can be, by DeepChem's ``FingerprintSplitter``.

    In turn, each of the two is given the molecule that is least similar (ECFP4, Tanimoto) to all of the
    other. Begins with the first molecule: the order of the records matters. Time grows with the square of
    their number, some three minutes for the ``MOST_FINGERPRINT`` that are allowed.

    Parameters
    ----------
    smiles, test_share, seed :
        As of :func:`scaffold_split`; nothing is drawn.

    Returns
    -------
    pool, test : ndarray of int64
        Ascending positions; together all records.

    Raises
    ------
    MolmisError
        If ``test_share`` lies outside [0, 1), or there are too many molecules.
    """
    _check_size("fingerprint", smiles, MOST_FINGERPRINT)
    return _by_deepchem("FingerprintSplitter", "fingerprint", "one half", smiles, test_share)


def _by_deepchem(splitter: str, name: str, holder: str, smiles: Sequence[str], test_share: float) -> Split:
    """Split by a class of ``deepchem.splits``; ``holder`` names what is never torn apart."""
    _check_share(test_share)
    with quiet():
        import deepchem

        dataset = deepchem.data.NumpyDataset(np.zeros((len(smiles), 1)), ids=np.array(smiles, dtype=object))
        parts = getattr(deepchem.splits, splitter)().split(
            dataset, frac_train=1.0 - test_share, frac_valid=0.0, frac_test=test_share
        )
    # numbers that do not add up to 1 exactly may leave a record in the part between
    pool, held = (np.sort(np.array(part, dtype=np.int64)) for part in (parts[0], [*parts[1], *parts[2]]))
    if not len(pool):
        raise TooFewRecordsError(
            f"the {name} split leaves no pool: {holder} holds more than {1 - test_share:.0%} of the "
            f"{len(smiles)} molecules; use the split 'random' or a smaller test share"
        )
    return pool, held


#: Every split by name: SMILES, test share and seed in, pool and test set out.
SPLITS: dict[str, Callable[[Sequence[str], float, int], Split]] = {
    "random": lambda smiles, test_share, seed: random_split(len(smiles), test_share, seed),
    "scaffold": scaffold_split,
    "butina": butina_split,
    "fingerprint": fingerprint_split,
}

#: Those that draw nothing: another seed gives the same test set.
DETERMINISTIC = frozenset(SPLITS) - {"random"}


def split(name: str, smiles: Sequence[str], test_share: float, seed: int) -> Split:
    """Split records by the split called ``name``; see ``SPLITS``.

    Raises
    ------
    UnknownNameError
        If there is no split of that name.
    """
    if name not in SPLITS:
        raise UnknownNameError("split", name, SPLITS)
    return SPLITS[name](smiles, test_share, seed)


def member_halves(n: int, runs: int, seed: int) -> NDArray[np.bool_]:
    """Draw the members of every run: ``n // 2`` of ``n`` records, uniformly.

    Run i depends on ``(seed, i)`` alone, so more runs extend fewer: the first 16 of 64 runs are the 16.

    Parameters
    ----------
    n : int
        Number of records in the pool.
    runs : int
        Number of runs.
    seed : int
        Equal seeds give equal halves.

    Returns
    -------
    ndarray of bool, shape (runs, n)
        True where the record is a member of the run.
    """
    members = np.zeros((runs, n), dtype=np.bool_)
    for run in range(runs):
        members[run, stream(seed, "members", run).permutation(n)[: n // 2]] = True
    return members


def _check_size(name: str, smiles: Sequence[str], most: int) -> None:
    if len(smiles) > most:
        raise MolmisError(
            f"the {name} split compares all pairs of molecules, which takes too long or too much memory for "
            f"{len(smiles):,}; it takes at most {most:,}: use the split 'scaffold' or 'random'"
        )


def _check_share(test_share: float) -> None:
    if not 0 <= test_share < 1:
        raise MolmisError(
            f"a test share of {test_share} is not possible; give one from 0 to below 1, such as 0.2"
        )
