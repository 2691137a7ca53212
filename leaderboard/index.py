"""The summaries of all cells of a store as one frame, read from one file where nothing has changed.

Opening ten thousand small files takes half a minute; asking the file system for their sizes and times takes
a fraction of a second. So all summaries are kept in one more file, the index, with what tells that a cell's
files are those it was made of: size, times and number of the file, and where these differ a hash of the
bytes. What differs is summarised again, and the rest is taken as it is. The name of the index holds a hash of
its content; a damaged index, or none, costs the time to read every summary, and nothing else.
"""

import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import ROWS, path_beside
from benchmark.summaries import FOLDER, SUMMARISED, cell_digests, file_digest, summary_key, summary_of
from molecules.cache import atomic_write
from molecules.errors import DataError
from molecules.progress import SILENT, Progress

#: Seconds that a file must have been left alone before its times are trusted: clocks of files are coarse.
_SETTLED = 2.0
#: Small tables that are put together at a time.
_TOGETHER = 256
#: Changed cells above which the progress is told.
_MANY = 20
_METADATA_KEY = b"molmis index"

#: By kind of frame, what the file system says of its file: size, times of content and entry, number.
Stats = dict[str, list[int]]


@dataclass(frozen=True)
class Entry:
    """What is known of the files of one cell.

    Attributes
    ----------
    stats : dict
        See ``Stats``.
    files : dict of str to str
        Hash of the bytes of each.
    settled : bool
        Whether the stats alone tell that nothing has changed.
    rows : int
        Rows of its summary.
    lost : dict of str to str
        Kinds of frames beside the result that could not be used, and why.
    problem : str
        Why the result could not be used; empty where it could.
    """

    stats: Stats
    files: dict[str, str]
    settled: bool
    rows: int
    lost: dict[str, str]
    problem: str = ""


@dataclass(frozen=True)
class Summaries:
    """The summaries of a store.

    Attributes
    ----------
    table : pyarrow.Table
        Those of all cells that can be read, one below the other, by file name.
    entries : dict of str to Entry
        By file name.
    """

    table: pa.Table
    entries: dict[str, Entry]

    def frame(self) -> pd.DataFrame:
        """Return the summaries as a frame."""
        return self.table.to_pandas(split_blocks=True)


def summaries(
    results: Path, aggregate: Aggregate, indicator: Indicator, progress: Progress = SILENT
) -> Summaries:
    """Return the summaries of every cell of a store; make and store those that are not there.

    Raises
    ------
    DataError
        If the folder cannot be read.
    """
    stats = _stats(results)
    before = read_index(results, aggregate, indicator)
    known = before.entries
    kept = {name: known[name] for name in stats if name in known and _unchanged(known[name], stats[name])}
    changed = [name for name in stats if name not in kept]
    entries, made = dict(kept), _Pile()
    with (progress if len(changed) > _MANY else SILENT).stage("summarising", len(changed)) as step:
        for name in changed:
            old = known.get(name)
            if old is not None and not old.problem and cell_digests(results / name) == old.files:
                entry = kept[name] = replace(old, stats=stats[name], settled=_settled(stats[name]))
            else:
                entry, table = _summarised(results / name, stats[name], aggregate, indicator)
                if table is not None:
                    made.add(name, table)
            entries[name] = entry
            step(1)
    entries = dict(sorted(entries.items()))
    found = Summaries(_joined(before, kept, made, entries), entries)
    if entries != known:
        write_index(found, results, aggregate, indicator)
    return found


def _stats(results: Path) -> dict[str, Stats]:
    """Return what the file system says of the files of every cell, by the cell's file name."""
    found: dict[str, Stats] = {}
    for kind in SUMMARISED:
        folder = path_beside(results / "x", kind).parent
        for name, stat in _files(folder):
            if kind == ROWS or name in found:
                found.setdefault(name, {})[kind] = stat
    return dict(sorted(found.items()))


def _files(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield the visible Parquet files of a folder, with what the file system says of each."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".parquet") and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):  # gone since
                        told = entry.stat()
                        yield entry.name, [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be read ({error.strerror or error})") from None


def _unchanged(entry: Entry, stats: Stats) -> bool:
    return entry.settled and not entry.problem and entry.stats == stats


def _settled(stats: Stats) -> bool:
    """Tell whether the files have been left alone for so long that a change would move their times."""
    newest = max(max(changed, entered) for _, changed, entered, _ in stats.values())
    return time.time() - newest / 1e9 > _SETTLED


def _summarised(
    path: Path, stats: Stats, aggregate: Aggregate, indicator: Indicator
) -> tuple[Entry, pa.Table | None]:
    """Return what is known of a cell and its summary; the reason, and None, where there is none."""
    settled = _settled(stats)
    try:
        summary = summary_of(path, aggregate, indicator)
    except DataError as error:
        return Entry(stats, {}, settled, 0, {}, str(error)), None
    return Entry(stats, summary.files, settled, summary.arrow.num_rows, summary.lost), summary.arrow


class _Pile:
    """Tables one below the other, put together some at a time: thousands of small ones take much memory.

    Attributes
    ----------
    names : list of str
        Of the cells, in the order of their rows.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._parts: list[pa.Table] = []
        self._small: list[pa.Table] = []

    def add(self, name: str, table: pa.Table) -> None:
        """Put a table on the pile."""
        self.names.append(name)
        self._small.append(table)
        if len(self._small) == _TOGETHER:
            self._parts.append(_together(self._small))
            self._small.clear()

    def table(self) -> pa.Table:
        """Return all of them as one."""
        return _together([*self._parts, *self._small])


def _together(tables: list[pa.Table]) -> pa.Table:
    """Return tables one below the other; what a column lacks in one of them is missing there."""
    if len(tables) == 1:
        return tables[0]
    alike = [pa.concat_tables(list(run)) for _, run in groupby(tables, key=lambda table: table.schema)]
    return pa.concat_tables(alike, promote_options="default").combine_chunks()


def _joined(
    before: Summaries, kept: Mapping[str, Entry], made: "_Pile", entries: Mapping[str, Entry]
) -> pa.Table:
    """Return the rows of all cells in the order of the entries: those of the index, and those just made."""
    old = np.repeat([name in kept for name in before.entries], [e.rows for e in before.entries.values()])
    stays = before.table if old.all() else before.table.filter(pa.array(old))
    if not made.names:
        return stays
    table = _together([part for part in (stays, made.table()) if part.num_rows])
    order = {name: place for place, name in enumerate(entries)}
    names = [*(name for name in before.entries if name in kept), *made.names]
    places = np.repeat([order[name] for name in names], [entries[name].rows for name in names])
    in_order = bool((np.diff(places) >= 0).all())
    return table if in_order else table.take(pa.array(np.argsort(places, kind="stable")))


def write_index(found: Summaries, results: Path, aggregate: Aggregate, indicator: Indicator) -> None:
    """Write the index, and take away those it replaces; nothing where the store can only be read."""
    table = found.table
    told = {
        "made by": summary_key(aggregate, indicator),
        "entries": {name: vars(entry) for name, entry in found.entries.items()},
    }
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA_KEY: json.dumps(told)})
    texts = [each.name for each in table.schema if not pa.types.is_floating(each.type)]
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="lz4", use_dictionary=texts)
    data = buffer.getvalue()
    folder, stem = results / FOLDER, f"{aggregate}.{indicator}"
    place = folder / f"{stem}.{file_digest(data)}.parquet"
    with suppress(DataError, OSError):
        with atomic_write(place) as temporary:
            temporary.write_bytes(data)
        for other in folder.glob(f"{stem}.*.parquet"):
            if other != place:
                other.unlink(missing_ok=True)


def read_index(results: Path, aggregate: Aggregate, indicator: Indicator) -> Summaries:
    """Return what the index holds; nothing where there is none that is whole and was made by this code."""
    for _ in range(2):  # another process may replace it between its listing and its reading
        for place in (results / FOLDER).glob(f"{aggregate}.{indicator}.*.parquet"):
            with suppress(OSError):
                found = _parsed(place, summary_key(aggregate, indicator))
                if found is not None:
                    return found
    return Summaries(pa.table({}), {})


def _parsed(place: Path, made_by: str) -> Summaries | None:
    data = place.read_bytes()
    if place.name.split(".")[-2] != file_digest(data):
        return None
    table = pq.read_table(pa.BufferReader(data))
    told: dict[str, Any] = json.loads(table.schema.metadata[_METADATA_KEY])
    if told["made by"] != made_by:
        return None
    metadata = {name: text for name, text in table.schema.metadata.items() if name != _METADATA_KEY}
    entries = {name: Entry(**entry) for name, entry in told["entries"].items()}
    return Summaries(table.replace_schema_metadata(metadata), entries)
