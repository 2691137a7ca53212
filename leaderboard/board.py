"""All measured cells as one board: its rows, the standing of every quantizer, who beats whom, by what rules.

``from leaderboard import board; board().frame`` is the pandas frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from molecules.errors import DataError, UnknownNameError
from molecules.progress import SILENT, Progress

if TYPE_CHECKING:  # pandas is loaded when a board is made, so that --help is quick
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from leaderboard.index import Summaries

#: What tells the cells of a board apart, beside task and encoder.
_CELL_COLUMNS = ("split", "seed", "runs", "cell")
#: Columns of a board that come last: where a row is from and what it counts for.
_LAST_COLUMNS = (
    *("setting", "protocol_version", "measured", "code"),
    *("source", "author", "verified", "status"),
)
#: Columns by which it is decided whether a cell is on a board.
_WHICH = ("cell", "protocol_version")
#: What can be said of a submission that was measured again.
VERDICTS = ("verified", "mismatching", "unverified", "")


@dataclass(frozen=True)
class Source:
    """Where a quantizer is from.

    Attributes
    ----------
    name : str
        ``"built-in"``, the name of a submission, or ``"local"``: a file of the user's that was measured here.
    author : str
        Who submitted it.
    verified : str
        One of ``VERDICTS``; empty for what is built in.
    """

    name: str = "built-in"
    author: str = ""
    verified: str = ""


@dataclass(frozen=True)
class Board:
    """The board of a results folder.

    Attributes
    ----------
    frame : DataFrame
        One row per cell and quantizer: the columns of the table of a cell, with ``split``, ``seed``,
        ``runs`` and ``cell`` (the key of the cell, which names its file) after the stable ones, and what the
        row counts for at the end; see docs/columns.md.
    skipped : tuple of str
        One line for each file that could not be read or is of another protocol, with the reason.
    results : Path
        The folder.
    protocol : int
        The version of the protocol that all cells have.
    paths : dict of str to Path
        The files of the cells, by key.
    lost : dict of str to tuple of str
        Kinds of frames beside the rows of a cell that are there and cannot be used.
    """

    frame: "pd.DataFrame"
    skipped: tuple[str, ...]
    results: Path
    protocol: int
    paths: Mapping[str, Path] = field(repr=False)
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def entries(self) -> "pd.DataFrame":
        """The standing of every quantizer, a row each: see :func:`leaderboard.entries.entries`."""
        from leaderboard.entries import entries

        return entries(self.frame)

    @cached_property
    def wins(self) -> "pd.DataFrame":
        """The win matrix as a table: see :func:`leaderboard.entries.win_table`."""
        from leaderboard.entries import win_table

        return win_table(self.frame)

    @cached_property
    def wide(self) -> "pd.DataFrame":
        """A row a quantizer, three columns a cell: see :func:`leaderboard.entries.wide_table`."""
        from leaderboard.entries import wide_table

        return wide_table(self.frame)

    @cached_property
    def history(self) -> "pd.DataFrame":
        """What later measurements have replaced: see :func:`leaderboard.history.history`."""
        from leaderboard.history import history

        return history(self)

    @property
    def rules(self) -> str:
        """How the board is made, in plain sentences."""
        from leaderboard.rules import rules

        return rules(self)

    def win_matrix(self, objective: str = "privacy") -> "pd.DataFrame":
        """Return the win matrix: how often the quantizer of the row is better than that of the column.

        Parameters
        ----------
        objective : {"privacy", "performance"}
            What is compared.

        Raises
        ------
        UnknownNameError
            If there is no such objective.
        """
        if objective not in ("privacy", "performance"):
            raise UnknownNameError("objective", objective, ("privacy", "performance"))
        rates = self.wins.set_index(["scope", "quantizer", "opponent"])[f"{objective}_win_rate"]
        return rates.unstack(sort=False)  # noqa: PD010  # nothing is to be aggregated


def board(
    results: Path | str = Path("results"),
    aggregate: Aggregate = Aggregate.MEAN,
    indicator: Indicator = Indicator.MEMBERSHIP,
    *,
    sources: Mapping[str, Source] | None = None,
    submissions: Path | str | None = None,
    protocol: int | None = None,
    progress: Progress = SILENT,
) -> Board:
    """Return the board of every cell in a results folder.

    Parameters
    ----------
    results : Path or str
        Folder of the results store.
    aggregate : Aggregate
        How r of the runs becomes one figure.
    indicator : Indicator
        What r is.
    sources : mapping of str to Source, optional
        Where quantizers are from that are not built in, by their names.
    submissions : Path or str, optional
        Folder of submissions: their results are copied into the results folder where they are not there, and
        their authors and verdicts are entered.
    protocol : int, optional
        Version of the protocol whose cells are wanted; that of this program if None.
    progress : Progress
        Listener.

    Raises
    ------
    DataError
        If there is no folder, or no readable result in it.
    """
    from benchmark.results import PROTOCOL_VERSION
    from leaderboard.index import summaries

    results, wanted = Path(results), PROTOCOL_VERSION if protocol is None else protocol
    told = dict(sources or {})
    if submissions is not None:
        from leaderboard.submitted import brought

        told |= brought(Path(submissions), results, progress)
    if not results.is_dir():
        raise DataError(
            f"there is no results folder {results}; run a cell first: python -m benchmark.run --task tox21"
        )
    found = summaries(results, Aggregate(aggregate), Indicator(indicator), progress)
    chosen = _chosen(found, results, wanted)
    if not chosen.paths:
        why = f" ({chosen.skipped[0]})" if chosen.skipped else ""
        raise DataError(f"no result in {results} can be read{why}; run a cell first: python -m benchmark.run")
    frame = _finished(found.frame()[chosen.kept], told)
    return Board(frame, tuple(chosen.skipped), results, wanted, chosen.paths, chosen.lost)


class _Chosen(NamedTuple):
    """Which rows are on a board, what is said of all others; files of the cells, and what is lost of them."""

    kept: "NDArray[np.bool_]"
    skipped: list[str]
    paths: dict[str, Path]
    lost: dict[str, tuple[str, ...]]


def _chosen(found: "Summaries", results: Path, wanted: int) -> _Chosen:
    """Choose the cells that are on the board."""
    import numpy as np

    skipped: list[str] = []
    paths: dict[str, Path] = {}
    lost: dict[str, tuple[str, ...]] = {}
    counts = np.array([entry.rows for entry in found.entries.values()], dtype=np.intp)
    firsts = (np.cumsum(counts) - counts)[counts > 0]
    columns = [found.table[name].to_numpy()[firsts] for name in _WHICH] if len(firsts) else [[], []]
    cells = zip(*columns, strict=True)
    kept = []
    for name, entry in found.entries.items():
        said = entry.problem
        if not said:
            cell, version = next(cells)
            said = _refused(results / name, cell, int(version), paths, wanted)
        kept.append(not said)
        if said:
            skipped.append(said)
            continue
        paths[cell] = results / name
        if entry.lost:
            lost[cell] = tuple(entry.lost)
            skipped += [f"{reason}; its cell is shown without it" for reason in entry.lost.values()]
    return _Chosen(np.repeat(np.array(kept, dtype=bool), counts), skipped, paths, lost)


def _refused(path: Path, cell: str, version: int, paths: Mapping[str, Path], wanted: int) -> str:
    """Return why a whole result is not on the board; empty where it is."""
    if cell in paths:
        return f"result {path} holds the same cell as {paths[cell]}; delete one of them"
    if version != wanted:
        return (
            f"result {path} was measured under protocol {version}, and this board is of protocol {wanted}: "
            f"figures of two protocols are not set beside one another; --protocol {version} shows it"
        )
    return ""


def _finished(frame: "pd.DataFrame", sources: Mapping[str, Source]) -> "pd.DataFrame":
    """Return the rows of the board in order, each with where it is from and what it counts for."""
    import pandas as pd

    from benchmark.tables import STABLE_COLUMNS
    from leaderboard.status import UNCOUNTED, with_status

    order = ["task", "encoder", "split", "seed", "runs", "cell"]
    frame = frame.sort_values(order, kind="stable").reset_index(drop=True)
    names = pd.Index(frame["quantizer"].unique())
    where = names.get_indexer(frame["quantizer"])
    origins = frame["origin"].groupby(frame["quantizer"]).max()
    known = [sources.get(name) or _unknown(name, origins[name]) for name in names]
    told = {
        column: pd.array([getattr(source, part) for source in known], dtype=frame["quantizer"].dtype)[where]
        for column, part in (("source", "name"), ("author", "author"), ("verified", "verified"))
    }
    frame = with_status(frame.drop(columns="origin").assign(**told))
    # what counts nowhere is on no front, in whatever file it stands
    frame["pareto"] = frame["pareto"].astype(bool) & ~frame["status"].isin([str(each) for each in UNCOUNTED])
    first = (*STABLE_COLUMNS, *_CELL_COLUMNS)
    rest = [name for name in frame.columns if name not in (*first, *_LAST_COLUMNS)]
    return frame[[*first, *rest, *_LAST_COLUMNS]]


def _unknown(name: str, origin: str) -> Source:
    """Return where a quantizer is from that no submission here tells of."""
    from benchmark.summaries import LOCAL, SUBMITTED

    if origin == SUBMITTED:  # its folder was taken away, or is refused
        return Source(name, verified="unverified")
    return Source("local") if origin == LOCAL else Source()
