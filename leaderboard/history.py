"""What later measurements replaced: nothing that was measured is thrown away."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.attack_table import strongest_of
from benchmark.frame_file import parse_frame, read_bytes
from benchmark.results import BESIDE, HISTORY, ROWS, path_beside
from molecules.errors import DataError

if TYPE_CHECKING:
    from leaderboard.board import Board

COLUMNS = (
    *("cell", "task", "encoder", "what", "replaced", "file", "quantizer"),
    *("mis_bound_before", "attack_before", "mis_bound_now", "attack_now"),
)


def history(board: "Board") -> pd.DataFrame:
    """Return what was replaced in the cells of a board, in the order in which it was.

    Returns
    -------
    DataFrame
        ``COLUMNS``: one row for every replaced file, of attacks one for every quantizer, with the bound on
        MIS that they gave and the one that stands now.
    """
    now = board.frame.set_index(["cell", "quantizer"])
    rows: list[dict[str, object]] = []
    for kind in (ROWS, *BESIDE):
        for file in sorted((board.results / HISTORY / kind).glob("*.parquet")):
            rows += _replaced(board, file, kind, now)
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    return made.sort_values(["replaced", "file"], kind="stable").reset_index(drop=True)


def _replaced(board: "Board", file: Path, kind: str, now: pd.DataFrame) -> list[dict[str, object]]:
    """Return the rows of one kept file; none if its cell is not on the board, or it stands still."""
    stem, when, _, _ = file.name.rsplit(".", 3)
    cell = stem.rsplit(".", 1)[-1]
    if cell not in board.paths:
        return []
    data, place = read_bytes(file), path_beside(board.paths[cell], kind)
    if place.exists() and read_bytes(place) == data:  # killed between keeping it and writing the new one
        return []
    first = now.loc[cell].iloc[0]
    row: dict[str, object] = {
        "cell": cell, "task": first["task"], "encoder": first["encoder"], "what": kind,
        "replaced": pd.Timestamp(when), "file": str(file.relative_to(board.results)), "quantizer": "",
    }  # fmt: skip
    if kind != "attacks":
        return [row]
    try:
        attacks, _ = parse_frame(data, file)
    except DataError:
        return [row]  # what was damaged was kept as it was
    return [row | told for told in _bounds(attacks, now.loc[cell])]


def _bounds(attacks: pd.DataFrame, now: pd.DataFrame) -> list[dict[str, object]]:
    """Return for every quantizer the bound by the attacks that were replaced, and the one that stands."""
    told = []
    for name, own in attacks.groupby("quantizer", sort=False):
        strongest = strongest_of(own, str(name))
        if strongest is not None and name in now.index:
            row = now.loc[name]
            told.append(
                {
                    "quantizer": name,
                    "mis_bound_before": strongest[0],
                    "attack_before": strongest[1],
                    "mis_bound_now": row["mis_bound"],
                    "attack_now": row["strongest_attack"],
                }
            )
    return told
