"""Random streams, one for each purpose: what is drawn for one thing tells nothing about another."""

import numpy as np


def stream(seed: int, purpose: str, run: int = 0) -> np.random.Generator:
    """Return the random stream of one purpose and one run; it depends on nothing else.

    Parameters
    ----------
    seed : int
        The user's seed, 0 to 2**63 - 1.
    purpose : str
        What is drawn: ``"split"``, ``"members"``, ``"weights"``, ``"batches"``, ``"bootstrap"``.
    run : int
        Number of the run within the bank; 0 where there are no runs.
    """
    # a fixed number of words before the purpose, so that no two (seed, run, purpose) are written alike
    words = [seed & 0xFFFFFFFF, seed >> 32, run, *purpose.encode()]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
