"""Speeds side by side: what is measured, of what it is a multiple, and the files they stand in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from molecules.cache import atomic_write
from molecules.errors import DataError

#: Columns of the file of ratios.
COLUMNS = ("figure", "ours", "anchor", "anchor_name", "unit", "ratio")
#: Units in which more is better; in all others less is.
MORE_IS_BETTER = frozenset({"molecules/s"})


@dataclass(frozen=True)
class Ratio:
    """One figure beside what it is measured against, both in one run.

    Attributes
    ----------
    figure : str
        What was measured.
    ours, anchor : float
        Of this project and of what it is compared with.
    anchor_name : str
        What that is.
    unit : str
        Of both.
    """

    figure: str
    ours: float
    anchor: float
    anchor_name: str
    unit: str

    @property
    def ratio(self) -> float:
        """How many times better ours is; below 1 where it is worse."""
        return self.ours / self.anchor if self.unit in MORE_IS_BETTER else self.anchor / self.ours


def in_turns(
    calls: dict[str, Callable[[], object]], turns: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Return the least time of every call, all called in turns so that a disturbance meets them alike."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(turns):
        for name, call in calls.items():
            started = clock()
            call()
            least[name] = min(least[name], clock() - started)
    return least


def frame_of(ratios: Sequence[Ratio]) -> pd.DataFrame:
    """Return ratios as a frame."""
    rows = [[getattr(ratio, column) for column in COLUMNS] for ratio in ratios]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(path: Path, ratios: Sequence[Ratio]) -> None:
    """Write ratios to a file; those of other figures that stand in it stay."""
    frame = frame_of(ratios)
    if path.exists():
        before = read(path)
        frame = pd.concat([before[~before["figure"].isin(frame["figure"])], frame])
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g")


def read(path: Path) -> pd.DataFrame:
    """Return the ratios in a file.

    Raises
    ------
    DataError
        If it is none of ratios.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it, and run the benchmark again") from None
    if tuple(frame.columns) != COLUMNS:
        raise DataError(f"{path} is to have the columns {', '.join(COLUMNS)}; delete it")
    return frame
