"""The results store: one Parquet file a cell (and some of its attacks), written whole or not at all.

A file holds one row per quantizer and run, and in its metadata everything the figures depend on: task and
data hash, encoder recipe, protocol, versions, cleaning report. Tables and figures are derived from it.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.frame_file import read_frame, write_frame
from molecules.errors import DataError
from molecules.progress import SILENT, Progress

#: Frames that attacks give.
ATTACKED = ("attacks", "records", "joint_release")
#: Further frames of a cell: attributes of its result, and folders of the files beside its own.
BESIDE = (*ATTACKED, "full_pool")
#: Raised when the columns or the metadata change their meaning.
FORMAT_VERSION = 2


@dataclass(frozen=True)
class CellResult:
    """The measured rows of a cell and where they come from.

    Attributes
    ----------
    rows : DataFrame
        One row per quantizer and run.
    facts : dict
        ``task, kind, metric, encoder, protocol, key, records, versions, ...``: JSON-able.
    attacks : DataFrame or None
        One row per quantizer, attack, kind of shadows and run; None where none was tried.
    records : DataFrame or None
        One row per quantizer and record of the pool; none at all where runs were too few.
    joint_release : DataFrame or None
        One row per set of published versions, attack and run.
    full_pool : DataFrame or None
        One row per quantizer and head trained on the whole pool; None where there are no such heads.
    """

    rows: pd.DataFrame
    facts: dict[str, object]
    attacks: pd.DataFrame | None = None
    records: pd.DataFrame | None = None
    joint_release: pd.DataFrame | None = None
    full_pool: pd.DataFrame | None = None


def cell_path(folder: Path, task: str, encoder: str, runs: int, seed: int, key: str) -> Path:
    """Return the path of a cell's file: readable first, unique by the key of everything it depends on."""
    return folder / f"{task}.{encoder}.{runs}-runs.seed-{seed}.{key}.parquet"


def write_cell(path: Path, result: CellResult) -> None:
    """Write the result of a cell: its rows, and in files beside them what attacks found."""
    facts = {"format": FORMAT_VERSION, **result.facts}
    for kind in BESIDE:
        frame = getattr(result, kind)
        if frame is not None:
            write_frame(path_beside(path, kind), frame, _belongs(facts, kind))
    write_frame(path, result.rows, facts)


def path_beside(path: Path, kind: str) -> Path:
    """Return where a further frame of a cell's file lies; see ``BESIDE``."""
    return path.parent / kind / path.name


def read_cell(path: Path) -> CellResult:
    """Read the result of a cell.

    Raises
    ------
    DataError
        If the file is damaged, is not a result of this project, or has a format this version cannot read.
    """
    advice = "delete it and run the cell again"
    try:
        rows, facts = read_frame(path)
    except DataError as error:
        raise DataError(f"result {error}; {advice}") from None
    if facts.get("format") != FORMAT_VERSION:
        raise DataError(
            f"result {path} has format {facts.get('format')}, this version reads {FORMAT_VERSION}; {advice}"
        )
    return CellResult(rows, facts, *(_beside(path, facts, kind) for kind in BESIDE))


def _beside(path: Path, facts: dict[str, object], kind: str) -> pd.DataFrame | None:
    """Return a further frame of this very cell; None where it is absent or damaged."""
    beside = path_beside(path, kind)
    if not beside.exists():
        return None
    try:
        rows, told = read_frame(beside)
    except DataError:
        return None  # it can be made again; the rows of the cell are whole
    return rows if told == _belongs(facts, kind) else None


def _belongs(facts: dict[str, object], kind: str) -> dict[str, object]:
    """Return which cell a further frame belongs to, and how it was made."""
    return {name: facts.get(name) for name in ("key", f"{kind}_key")}


def read_if_whole(path: Path, progress: Progress = SILENT) -> CellResult | None:
    """Return the stored result of a cell; None where it is absent or, with a note, damaged."""
    if not path.exists():
        return None
    try:
        return read_cell(path)
    except DataError as error:
        progress.note(str(error))
        return None
