"""All measured cells as one frame: a row per cell and quantizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from molecules.errors import DataError

if TYPE_CHECKING:  # pandas is loaded when a board is made, so that --help is quick
    import pandas as pd

#: What tells the cells of a board apart, beside task and encoder.
_CELL_COLUMNS = ("split", "seed", "runs", "cell")


@dataclass(frozen=True)
class Board:
    """The board of a results folder.

    Attributes
    ----------
    frame : DataFrame
        One row per cell and quantizer: the columns of the table of a cell, with ``split``, ``seed``,
        ``runs`` and ``cell`` (the key of the cell, which names its file) after the stable ones.
    skipped : tuple of str
        One line for each file that could not be read, with the reason.
    """

    frame: "pd.DataFrame"
    skipped: tuple[str, ...]


def board(
    results: Path = Path("results"),
    aggregate: Aggregate = Aggregate.MEAN,
    indicator: Indicator = Indicator.MEMBERSHIP,
) -> Board:
    """Return the board of every cell in a results folder.

    Parameters
    ----------
    results : Path
        Folder of the results store.
    aggregate : Aggregate
        How r of the runs becomes one figure.
    indicator : Indicator
        What r is.

    Raises
    ------
    DataError
        If there is no folder, or no readable result in it.
    """
    import pandas as pd

    from benchmark.results import read_cell
    from benchmark.tables import STABLE_COLUMNS, summarise

    if not results.is_dir():
        raise DataError(
            f"there is no results folder {results}; run a cell first: python -m benchmark.run --task tox21"
        )
    frames, skipped = [], []
    for path in sorted(results.glob("*.parquet")):
        try:
            cell = read_cell(path)
        except DataError as error:
            skipped.append(str(error))
            continue
        try:
            table = summarise(cell, aggregate, indicator)
        except DataError as error:
            skipped.append(f"{path}: {error}")
            continue
        frames.append(table.assign(split=cell.facts["split"], cell=cell.facts["key"]))
    if not frames:
        why = f" ({skipped[0]})" if skipped else ""
        raise DataError(f"no result in {results} can be read{why}; run a cell first: python -m benchmark.run")
    frame = pd.concat(frames, ignore_index=True)
    order = ["task", "encoder", "split", "seed", "runs", "cell"]
    frame = frame.sort_values(order, kind="stable").reset_index(drop=True)
    rest = [name for name in frame.columns if name not in (*STABLE_COLUMNS, *_CELL_COLUMNS)]
    return Board(frame[[*STABLE_COLUMNS, *_CELL_COLUMNS, *rest]], tuple(skipped))
