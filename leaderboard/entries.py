"""From the rows of all cells to the standing of every quantizer, the win matrix and the wide table."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leaderboard.ranking import (
    Means,
    beats,
    block,
    even,
    guest,
    mean_over_cells,
    means,
    pareto_layers,
    win_shares,
    wins,
)
from leaderboard.status import Status, performance_values, privacy_values

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: What is compared with one another: quantizers of heads are not ranked with those of whole models.
DIVISION = "scope"
#: Rows that count nowhere, and whose place in a table is taken by others.
_ASIDE = (Status.OUTDATED, Status.REPEATED)
#: Counts of cells in the table of entries, and the rows that each counts.
_COUNTS = {
    "flagged": (Status.FLAGGED,),
    "degenerate": (Status.DEGENERATE,),
    "unknown": (Status.UNKNOWN,),
    "confounded": (Status.CONFOUNDED,),
    "without_reference": (Status.NO_REFERENCE,),
}
#: The columns of the table of entries, in their order.
ENTRY_COLUMNS = (
    *("scope", "quantizer", "source", "author", "verified", "bits", "entropy_bits"),
    *("privacy_rank", "privacy_rank_low", "privacy_rank_high", "privacy", "privacy_low", "privacy_high"),
    *("mean_rank", "borda", "performance_rank", "performance_rank_low", "performance_rank_high"),
    *("relative_performance", "relative_low", "relative_high", "pareto_layer"),
    *("mis_bound", "mis_bound_low", "mis_bound_high", "smallest_mis_bound", "smallest_mis_bound_in"),
    *("lira_auc", "attacked", "partial", "ranked_cells", "block_cells", "cells", "missing", *_COUNTS),
    "outdated",
)
WIN_COLUMNS = (
    *("scope", "quantizer", "opponent"),
    *("privacy_cells", "privacy_win_rate", "performance_cells", "performance_win_rate"),
)


@dataclass(frozen=True, eq=False)
class Grid:
    """The rows of one scope as arrays, a row a setting (what a cell measures) and a column a quantizer.

    Attributes
    ----------
    rows : DataFrame
        The rows themselves, but those that are outdated or repeated.
    names, settings : list of str
        Of the columns and rows, the settings by task and encoder.
    tasks : ndarray of int, shape (C,)
        The task of every setting, numbered.
    """

    rows: pd.DataFrame
    names: list[str]
    settings: list[str]
    tasks: NDArray[np.intp]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Grid":
        """Return the grid of the rows of one scope."""
        rows = frame[~frame["status"].isin(_ASIDE)]
        names = list(dict.fromkeys(frame["quantizer"]))
        cells = rows.drop_duplicates("setting")
        return cls(rows, names, list(cells["setting"]), np.asarray(pd.factorize(cells["task"])[0]))

    def matrix(self, values: Floats) -> Floats:
        """Return a figure of every row as (settings, quantizers), NaN where there is no row."""
        made = np.full((len(self.settings), len(self.names)), np.nan)
        made[self._places()] = values
        return made

    def _places(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        settings = pd.Index(self.settings).get_indexer(self.rows["setting"])
        return settings, pd.Index(self.names).get_indexer(self.rows["quantizer"])

    def column(self, name: str, counted: Flags | None = None) -> Floats:
        """Return a column as (settings, quantizers); NaN where a row does not count."""
        values = self.rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return self.matrix(values if counted is None else np.where(counted, values, np.nan))


def entries(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the standing of every quantizer, a row each, the most private first.

    Parameters
    ----------
    frame : DataFrame
        Rows of all cells: the frame of a board.

    Returns
    -------
    DataFrame
        ``ENTRY_COLUMNS``; see docs/leaderboard.md.
    """
    parts = [_entries(part) for _, part in frame.groupby(DIVISION, sort=True)]
    made = pd.concat(parts, ignore_index=True)[list(ENTRY_COLUMNS)]
    by = [DIVISION, "privacy_rank", "relative_performance", "quantizer"]
    return made.sort_values(by, ascending=[True, True, False, True], kind="stable").reset_index(drop=True)


def _entries(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the entries of one scope."""
    grid = Grid.of(frame)
    privacy = grid.matrix(privacy_values(grid.rows))
    performance = grid.matrix(performance_values(grid.rows))
    present = ~(np.isnan(privacy) | np.isnan(performance))
    cells, full = block(present)
    useful = ~grid.rows["status"].isin([Status.DEGENERATE, Status.CONFOUNDED, Status.NO_REFERENCE]).to_numpy()
    bounds, lira = (
        np.where(present, grid.column(name, useful), np.nan) for name in ("mis_bound", "lira_auc")
    )
    made = pd.DataFrame({"quantizer": grid.names})
    made = made.join(frame.drop_duplicates("quantizer").set_index("quantizer")[list(_SAME)], on="quantizer")
    made["entropy_bits"] = _mean(grid.column("entropy_bits"))
    made = made.join(_counts(grid, frame), on="quantizer")
    made["block_cells"], made["ranked_cells"] = int(cells.sum()), present[cells].sum(0)
    made["partial"] = ~full
    for name in _STANDING:
        made[name] = np.nan
    ranked = _Ranked(privacy, performance, grid.tasks, cells, full)
    _fill_block(made, ranked)
    _fill_guests(made, ranked)
    _fill_attacks(made, bounds, lira, grid, cells)
    ranks = [name for name in made if "rank" in name and name != "mean_rank"] + ["pareto_layer"]
    return made.astype(dict.fromkeys(ranks, "Int64"))


#: Columns that are the same in every row of a quantizer.
_SAME = ("scope", "source", "author", "verified", "bits")
_STANDING = (
    *("privacy_rank", "privacy_rank_low", "privacy_rank_high", "privacy", "privacy_low", "privacy_high"),
    *("mean_rank", "borda", "performance_rank", "performance_rank_low", "performance_rank_high"),
    *("relative_performance", "relative_low", "relative_high", "pareto_layer"),
)


def _counts(grid: Grid, frame: pd.DataFrame) -> pd.DataFrame:
    """Return how many cells each quantizer has, of each status, and how many it lacks."""
    of_names = grid.rows.groupby("quantizer")["status"]
    counts = pd.DataFrame({name: of_names.agg(_count_of(which)) for name, which in _COUNTS.items()})
    counts["cells"] = of_names.size()
    counts = counts.reindex(grid.names).fillna(0).astype("int64")
    counts["missing"] = len(grid.settings) - counts["cells"]
    old = frame["status"] == Status.OUTDATED
    counts["outdated"] = old.groupby(frame["quantizer"]).sum().reindex(grid.names).astype("int64")
    return counts


def _count_of(which: tuple[Status, ...]) -> Callable[[pd.Series], int]:
    return lambda statuses: int(statuses.isin(which).sum())


def _mean(values: Floats) -> Floats:
    """Return the mean of every column over what is known of it."""
    known = ~np.isnan(values)
    count = np.where(known.any(0), known.sum(0), np.nan)
    return np.asarray(np.where(known, values, 0.0).sum(0) / count)


def _fill(made: pd.DataFrame, rows: Flags, prefix: str, found: Means, rank: str = "") -> None:
    """Enter means and intervals, and ranks by them where a column is named."""
    head = prefix if prefix != "relative" else "relative_performance"
    made.loc[rows, head], made.loc[rows, f"{prefix}_low"] = found.mean, found.low
    made.loc[rows, f"{prefix}_high"] = found.high
    if rank:
        mean = even(found.mean)
        own = 1 + (mean[None, :] > mean[:, None]).sum(1)
        made.loc[rows, rank] = own
        made.loc[rows, f"{rank}_low"] = np.minimum(found.rank_low, own)
        made.loc[rows, f"{rank}_high"] = np.maximum(found.rank_high, own)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """What quantizers are ranked by.

    Attributes
    ----------
    privacy, performance : ndarray, shape (C, Q)
        Larger = better; NaN where there is no figure.
    tasks : ndarray of int, shape (C,)
        The task of every cell.
    cells : ndarray of bool, shape (C,)
    full : ndarray of bool, shape (Q,)
        The block: its cells, and its quantizers.
    """

    privacy: Floats
    performance: Floats
    tasks: NDArray[np.intp]
    cells: Flags
    full: Flags


def _fill_block(made: pd.DataFrame, ranked: _Ranked) -> None:
    """Rank the quantizers of the block with one another, over all of its cells."""
    full = ranked.full
    if not full.any():
        return
    inside, tasks = np.ix_(ranked.cells, full), ranked.tasks[ranked.cells]
    shares = win_shares(ranked.privacy[inside])
    _fill(made, full, "privacy", means(shares, tasks), "privacy_rank")
    _fill(made, full, "relative", means(ranked.performance[inside], tasks), "performance_rank")
    others = int(full.sum()) - 1
    won = made.loc[full, "privacy"].to_numpy(dtype=np.float64)
    made.loc[full, "mean_rank"] = 1.0 + others * (1.0 - won) if others else 1.0
    made.loc[full, "borda"] = others * shares.sum(0) if others else 0.0
    relative = made.loc[full, "relative_performance"].to_numpy(dtype=np.float64)
    alone = np.zeros(1) if not others else even(won)
    made.loc[full, "pareto_layer"] = pareto_layers(alone, even(relative))


def _fill_guests(made: pd.DataFrame, ranked: _Ranked) -> None:
    """Rank every other quantizer with those of the block, over the cells of it that it has."""
    full, figures = ranked.full, (ranked.privacy, ranked.performance)
    layers = made.loc[full, "pareto_layer"].to_numpy(dtype=np.intp)
    present = ~(np.isnan(ranked.privacy) | np.isnan(ranked.performance))
    for place in np.flatnonzero(~full):
        own = ranked.cells & present[:, place]
        if not own.any():
            continue
        tasks, row = ranked.tasks[own], np.arange(len(made)) == place
        pairs = [(values[own, place], values[np.ix_(own, full)]) for values in figures]
        found = guest(pairs[0], pairs[1], tasks, layers)
        _fill(made, row, "privacy", means(beats(*pairs[0]).mean(1)[:, None], tasks))
        _fill(made, row, "relative", means(ranked.performance[own][:, [place]], tasks))
        made.loc[row, "privacy_rank"], made.loc[row, "mean_rank"] = found.privacy_rank, found.mean_rank
        made.loc[row, "performance_rank"], made.loc[row, "pareto_layer"] = found.performance_rank, found.layer


def _fill_attacks(made: pd.DataFrame, bounds: Floats, lira: Floats, grid: Grid, cells: Flags) -> None:
    """Enter what attacks found in the cells of the block; the strongest attack of every cell counts."""
    everyone = np.ones(len(made), dtype=bool)
    if not cells.any():
        bounds, lira, cells = bounds * np.nan, lira * np.nan, ~cells
    _fill(made, everyone, "mis_bound", means(bounds[cells], grid.tasks[cells]))
    made["lira_auc"] = mean_over_cells(lira[cells], grid.tasks[cells])
    made["attacked"] = (~np.isnan(bounds[cells])).sum(0)
    known = np.where(np.isnan(bounds[cells]), np.inf, bounds[cells])
    smallest = known.min(0)
    made["smallest_mis_bound"] = np.where(np.isinf(smallest), np.nan, smallest)
    titles = np.array(list(column_titles(grid.rows).values()), dtype=object)[cells]
    made["smallest_mis_bound_in"] = np.where(np.isinf(smallest), "", titles[known.argmin(0)])


def column_titles(rows: pd.DataFrame) -> dict[str, str]:
    """Return a name of every setting: ``task.encoder.RUNS-runs.seed-SEED``, longer where needed."""
    cells = rows.drop_duplicates("setting")
    parts = (
        cells["task"],
        cells["encoder"],
        cells["runs"].astype(str) + "-runs",
        "seed-" + cells["seed"].astype(str),
    )
    titles = parts[0].str.cat([part.astype(parts[0].dtype) for part in parts[1:]], sep=".")
    same = titles.duplicated(keep=False)
    titles = titles.where(~same, titles + "." + cells["split"] + "." + cells["setting"].str[:6])
    return dict(zip(cells["setting"], titles, strict=True))


def win_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the win matrix as a table: a row for every two quantizers of one scope, in either order.

    Returns
    -------
    DataFrame
        ``WIN_COLUMNS``: how often the first is better than its opponent, in the cells that both have.
    """
    parts = []
    for scope, part in frame.groupby(DIVISION, sort=True):
        grid = Grid.of(part)
        names = np.array(grid.names, dtype=object)
        one, two = np.nonzero(~np.eye(len(names), dtype=bool))
        made = {"scope": scope, "quantizer": names[one], "opponent": names[two]}
        for head, values in (("privacy", privacy_values), ("performance", performance_values)):
            found = wins(grid.matrix(values(grid.rows)), grid.tasks)
            made |= {f"{head}_cells": found.cells[one, two], f"{head}_win_rate": found.rate[one, two]}
        parts.append(pd.DataFrame(made, columns=list(WIN_COLUMNS)))
    return pd.concat(parts, ignore_index=True)


def wide_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a quantizer and for every setting three columns: its r, its performance, its status.

    What was not measured is empty and has the status ``missing``.
    """
    parts = []
    for _, part in frame.groupby(DIVISION, sort=True):
        grid = Grid.of(part)
        titles = column_titles(grid.rows)
        figures = {name: grid.column(name) for name in ("r", "relative_performance")}
        said = np.array([*grid.rows["status"], Status.MISSING], dtype=object)
        at = grid.matrix(np.arange(len(grid.rows), dtype=np.float64))
        status = said[np.where(np.isnan(at), len(grid.rows), at).astype(np.intp)]
        columns = {
            f"{titles[setting]}.{name}": values[place]
            for place, setting in enumerate(grid.settings)
            for name, values in (*figures.items(), ("status", status))
        }
        same = part.drop_duplicates("quantizer")[["scope", "quantizer", "source", "author", "verified"]]
        parts.append(pd.concat([same.reset_index(drop=True), pd.DataFrame(columns)], axis=1))
    made = pd.concat(parts, ignore_index=True)
    texts = [name for name in made if str(name).endswith(".status")]
    return made.fillna(dict.fromkeys(texts, "")) if len(parts) > 1 else made  # of cells of another scope
