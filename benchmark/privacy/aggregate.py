"""How the figures of the runs become one: names only, so that a command line starts quickly."""

from enum import StrEnum


class Aggregate(StrEnum):
    """How the figures of the runs become one."""

    MEAN = "mean"  # the paper's
    TRIMMED = "trimmed"  # without the lowest and the highest tenth: the minimum is heavy-tailed over runs
    MEDIAN = "median"
