"""What heads are trained on, for their performance."""

from enum import StrEnum


class TrainOn(StrEnum):
    """The part of the pool.

    ``half``: heads see a random half, as those that are audited must; ``all``: further heads see the whole
    pool, for figures to compare with published ones.
    """

    HALF = "half"
    ALL = "all"
