"""Frames on disk: Parquet files that say what they are and whether they are what was written."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from molecules.cache import atomic_write
from molecules.errors import DataError

_METADATA_KEY = b"molmis"


def write_frame(path: Path, frame: pd.DataFrame, facts: dict[str, object]) -> None:
    """Write a frame and the facts about it, whole or not at all, with a hash of the frame's content.

    Parameters
    ----------
    path : Path
        Where to.
    frame : DataFrame
        Columns of numbers, truth values or text; the index is not kept.
    facts : dict
        JSON-able.

    Raises
    ------
    DataError
        If the file cannot be written, as on a full disk.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False)
    told = json.dumps({**facts, "content": _content(frame)}, sort_keys=True).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA_KEY: told})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


def read_frame(path: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    """Read what :func:`write_frame` wrote.

    Raises
    ------
    DataError
        If the file is damaged, or is no file of this project; the message names it.
    """
    try:
        table = pq.read_table(path)
        raw = (table.schema.metadata or {}).get(_METADATA_KEY)
        facts = None if raw is None else json.loads(raw)
        frame = table.to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:  # JSON and decoding errors are ValueErrors
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())})") from None
    if not isinstance(facts, dict):
        raise DataError(f"{path} is no result of molmis (its Parquet metadata has no 'molmis' entry)")
    if facts.pop("content", None) != _content(frame):
        raise DataError(f"{path} is damaged (its rows are not those that were written)")
    return frame, facts


def _content(frame: pd.DataFrame) -> str:
    """Return a hash of the columns' names and values, bit by bit for numbers."""
    digest = hashlib.sha256()
    for name in frame.columns:
        values = frame[name].to_numpy()
        numeric = values.dtype.kind in "biuf"
        if values.dtype.kind == "f":  # files keep that a number is missing, not which of the many NaNs it was
            values = np.where(np.isnan(values), values.dtype.type(np.nan), values)
        digest.update(json.dumps([name, values.dtype.str if numeric else "text", len(values)]).encode())
        digest.update(values.tobytes() if numeric else json.dumps([str(v) for v in values]).encode())
    return digest.hexdigest()[:32]
