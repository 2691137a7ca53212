"""Frames on disk: Parquet files that say what they are and whether they are what was written."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from molecules.cache import atomic_write, content_key
from molecules.errors import DataError

_METADATA_KEY = b"molmis"
#: Says that facts are hashed, so that a file whose hash has lost its name is not taken for an earlier one.
_HASHED = {"facts are hashed": True}


def write_frame(path: Path, frame: pd.DataFrame, facts: dict[str, object]) -> None:
    """Write a frame and the facts about it, whole or not at all, with hashes of the frame and of the facts.

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
    told = as_json({**facts, "content": frame_content(frame), **_HASHED})
    raw = json.dumps({**told, "told": content_key(told)}, sort_keys=True).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA_KEY: raw})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


def read_frame(path: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    """Read what :func:`write_frame` wrote.

    Raises
    ------
    DataError
        If the file is damaged, or is no file of this project; the message names it.
    """
    return parse_frame(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    DataError
        If it cannot be read; the message names it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None


def parse_frame(data: bytes, path: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return the frame and the facts in the bytes of a file; see :func:`read_frame`."""
    try:
        table = pq.read_table(pa.BufferReader(data))
        raw = (table.schema.metadata or {}).get(_METADATA_KEY)
        facts = None if raw is None else json.loads(raw)
        frame = table.to_pandas()
    except Exception as error:  # noqa: BLE001  # of damaged bytes a reader may raise anything
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())})") from None
    if not isinstance(facts, dict):
        raise DataError(f"{path} is no result of molmis (its Parquet metadata has no 'molmis' entry)")
    told = facts.pop("told", None)
    hashed = told is not None or any(name in facts for name in _HASHED)  # files of earlier versions are not
    if hashed and told != content_key(facts):
        raise DataError(f"{path} is damaged (what it says of its rows is not what was written)")
    for name in _HASHED:
        facts.pop(name, None)
    if facts.pop("content", None) != frame_content(frame):
        raise DataError(f"{path} is damaged (its rows are not those that were written)")
    return frame, facts


def as_json(facts: dict[str, object]) -> dict[str, object]:
    """Return facts as they are read again: tuples as lists, names as text."""
    again: dict[str, object] = json.loads(json.dumps(facts))
    return again


def frame_content(frame: pd.DataFrame) -> str:
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
