"""The results store: one Parquet file a cell (and some of its attacks), written whole or not at all.

A file holds one row per quantizer and run, and in its metadata everything the figures depend on: task and
data hash, encoder recipe, protocol, versions, cleaning report. Tables and figures are derived from it.

Nothing that was measured is thrown away: a file that is replaced by another content is kept in the folder
``history``. Several processes may write into one store; each may be killed at any moment.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from benchmark.frame_file import as_json, frame_content, parse_frame, read_bytes, read_frame, write_frame
from molecules.cache import atomic_write, exclusive
from molecules.errors import DataError
from molecules.progress import SILENT, Progress

#: The rows of a cell themselves, among the kinds of frames.
ROWS = "rows"
#: Frames that attacks give.
ATTACKED = ("attacks", "records", "joint_release")
#: Further frames of a cell: attributes of its result, and folders of the files beside its own.
BESIDE = (*ATTACKED, "full_pool")
#: Folder below the store of what was replaced.
HISTORY = "history"
#: Raised when the columns or the metadata change their meaning.
FORMAT_VERSION = 2
#: Raised when figures measured before a change can no longer be set beside those measured after it, whatever
#: part of the protocol it is: cells of two versions are never ranked together. Results that tell none have 1.
PROTOCOL_VERSION = 1
#: Facts that say where and when a result was made, on which none of its figures depends.
PROVENANCE = ("measured", "commit", "origin", "python", "versions", "submission")


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
    lost : mapping of str to str
        Kinds of frames whose file is there and cannot be used, and why.
    """

    rows: pd.DataFrame
    facts: dict[str, object]
    attacks: pd.DataFrame | None = None
    records: pd.DataFrame | None = None
    joint_release: pd.DataFrame | None = None
    full_pool: pd.DataFrame | None = None
    lost: Mapping[str, str] = field(default_factory=dict)


def cell_path(folder: Path, task: str, encoder: str, runs: int, seed: int, key: str) -> Path:
    """Return the path of a cell's file: readable first, unique by the key of everything it depends on."""
    return folder / f"{task}.{encoder}.{runs}-runs.seed-{seed}.{key}.parquet"


def path_beside(path: Path, kind: str) -> Path:
    """Return where a frame of a cell lies: the cell's own file for its rows, else see ``BESIDE``."""
    return path if kind == ROWS else path.parent / kind / path.name


def write_cell(path: Path, result: CellResult) -> None:
    """Write the result of a cell: its rows, and in files beside them what attacks found.

    A frame that is there already is left as it is; one of another content is kept in the history.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    facts = as_json({"format": FORMAT_VERSION, **result.facts})
    content = frame_content(result.rows)
    with exclusive(path.parent):
        for kind in BESIDE:
            frame = getattr(result, kind)
            if frame is not None:
                _put(path, kind, frame, _belongs(facts, kind, content))
        _put(path, ROWS, result.rows, facts)


def _put(path: Path, kind: str, frame: pd.DataFrame, facts: dict[str, object]) -> None:
    """Write a frame of a cell, unless it is there; keep what it replaces."""
    place = path_beside(path, kind)
    if place.exists():
        with suppress(DataError):
            there, told = read_frame(place)
            if frame_content(there) == frame_content(frame) and _figured(told) == _figured(facts):
                return
        _keep(path, kind)
    write_frame(place, frame, facts)


def _figured(facts: Mapping[str, object]) -> dict[str, object]:
    """Return the facts that figures depend on."""
    return {name: value for name, value in facts.items() if name not in PROVENANCE}


def _keep(path: Path, kind: str) -> None:
    """Put a file into the history, named by the time and its content; it stays where it is, too."""
    place, folder = path_beside(path, kind), path.parent / HISTORY / kind
    data = read_bytes(place)
    digest = hashlib.sha256(data).hexdigest()[:16]
    if any(folder.glob(f"*.{digest}.parquet")):
        return
    kept = folder / f"{path.stem}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{digest}.parquet"
    with atomic_write(kept) as temporary:
        temporary.write_bytes(data)


def read_cell(path: Path, kinds: Sequence[str] = BESIDE) -> CellResult:
    """Read the result of a cell.

    Parameters
    ----------
    path : Path
        Its file.
    kinds : sequence of str
        Which frames beside its rows are wanted; see ``BESIDE``.

    Raises
    ------
    DataError
        If the file is damaged, is not a result of this project, holds another cell than its name says, or
        has a format this version cannot read.
    """
    return parse_cell(path, cell_files(path, kinds))


def cell_files(path: Path, kinds: Sequence[str] = BESIDE) -> dict[str, bytes]:
    """Return the bytes of a cell's file, as ``ROWS``, and of those beside it that are there.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    try:
        files = {ROWS: read_bytes(path)}
        for kind in kinds:
            if path_beside(path, kind).exists():
                files[kind] = read_bytes(path_beside(path, kind))
    except DataError as error:
        raise DataError(f"result {error}; {_ADVICE}") from None
    return files


_ADVICE = "delete it and run the cell again"


def parse_cell(path: Path, files: Mapping[str, bytes]) -> CellResult:
    """Return the result in the bytes of its files; see :func:`read_cell` and :func:`cell_files`."""
    try:
        rows, facts = parse_frame(files[ROWS], path)
    except DataError as error:
        raise DataError(f"result {error}; {_ADVICE}") from None
    if facts.get("format") != FORMAT_VERSION:
        raise DataError(
            f"result {path} has format {facts.get('format')}, this version reads {FORMAT_VERSION}; {_ADVICE}"
        )
    if not path.name.endswith(f".{facts.get('key')}.parquet"):
        raise DataError(
            f"result {path} holds the cell {facts.get('key')}, which is not the one that its name says; give "
            "it its own name again, or delete it"
        )
    frames, lost = {}, {}
    content = frame_content(rows)
    for kind in BESIDE:
        if kind not in files:
            continue
        try:
            frames[kind] = _beside(path_beside(path, kind), files[kind], _belongs(facts, kind, content))
        except DataError as error:
            lost[kind] = str(error)
    return CellResult(rows, facts, **frames, lost=lost)


def _beside(path: Path, data: bytes, belongs: Mapping[str, object]) -> pd.DataFrame:
    """Return a further frame of this very cell."""
    rows, told = parse_frame(data, path)
    said = {"of": belongs["of"], **told}  # earlier versions did not say of which rows
    if said != belongs:
        raise DataError(f"{path} belongs to another result than the one it lies beside")
    return rows


def _belongs(facts: Mapping[str, object], kind: str, content: str) -> dict[str, object]:
    """Return which rows a further frame belongs to, and how it was made."""
    return {**{name: facts.get(name) for name in ("key", f"{kind}_key")}, "of": content}


def read_if_whole(path: Path, progress: Progress = SILENT) -> CellResult | None:
    """Return the stored result of a cell; None where it is absent or, with a note, damaged."""
    if not path.exists():
        return None
    try:
        found = read_cell(path)
    except DataError as error:
        progress.note(str(error))
        return None
    for reason in found.lost.values():
        progress.note(f"result {reason}; it is made again where it is wanted")
    return found
