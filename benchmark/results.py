"""The results store: one Parquet file a cell, written whole or not at all, never changed afterwards.

A file holds one row per quantizer and run, and in its metadata everything the figures depend on: task and
data hash, encoder recipe, protocol, versions, cleaning report. Tables and figures are derived from it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from molecules.cache import atomic_write
from molecules.errors import DataError
from molecules.progress import SILENT, Progress

#: Raised when the columns or the metadata change their meaning.
FORMAT_VERSION = 1
_METADATA_KEY = b"molmis"


@dataclass(frozen=True)
class CellResult:
    """The measured rows of a cell and where they come from.

    Attributes
    ----------
    rows : DataFrame
        One row per quantizer and run.
    facts : dict
        ``task, kind, metric, encoder, protocol, key, records, versions, ...``: JSON-able.
    """

    rows: pd.DataFrame
    facts: dict[str, object]


def cell_path(folder: Path, task: str, encoder: str, runs: int, seed: int, key: str) -> Path:
    """Return the path of a cell's file: readable first, unique by the key of everything it depends on."""
    return folder / f"{task}.{encoder}.{runs}-runs.seed-{seed}.{key}.parquet"


def write_cell(path: Path, result: CellResult) -> None:
    """Write the result of a cell."""
    table = pa.Table.from_pandas(result.rows, preserve_index=False)
    facts = json.dumps({"format": FORMAT_VERSION, **result.facts}, sort_keys=True).encode()
    with atomic_write(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA_KEY: facts}), temporary
        )


def read_cell(path: Path) -> CellResult:
    """Read the result of a cell.

    Raises
    ------
    DataError
        If the file is damaged, is not a result of this project, or has a format this version cannot read.
    """
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise DataError(f"result {path} cannot be read ({error}); delete it and run the cell again") from None
    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        raise DataError(f"{path} is no result of molmis (its Parquet metadata has no 'molmis' entry)")
    try:
        facts = json.loads(raw)
    except ValueError as error:  # JSON and text decoding errors are both of this kind
        raise DataError(f"result {path} is damaged ({error}); delete it and run the cell again") from None
    if facts.get("format") != FORMAT_VERSION:
        raise DataError(
            f"result {path} has format {facts.get('format')}, this version reads {FORMAT_VERSION}"
        )
    return CellResult(table.to_pandas(), facts)


def read_if_whole(path: Path, progress: Progress = SILENT) -> CellResult | None:
    """Return the stored result of a cell; None where it is absent or, with a note, damaged."""
    if not path.exists():
        return None
    try:
        return read_cell(path)
    except DataError as error:
        progress.note(str(error))
        return None
