"""The indicators that may rank quantizers: names only, so that a command line starts quickly."""

from enum import StrEnum


class Indicator(StrEnum):
    """What r is estimated from."""

    #: The margin of a record under models trained with it and without it (docs/indicator.md).
    MEMBERSHIP = "membership"
    #: Loss gaps between the snapshots of one run: our reading of the paper's Algorithm 1.
    PLAIN = "plain"
