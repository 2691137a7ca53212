"""The table of a cell, kept beside its result: what a board of thousands of cells is put together from.

Resampling takes a good part of a second a cell, so it is done once. A summary is tied to the bytes of the
files it was made of and to the code that made it; any other is made again. Nothing rests on summaries: they
may be deleted at any time.
"""

import ast
import hashlib
import importlib
import inspect
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import (
    BESIDE,
    FORMAT_VERSION,
    PROVENANCE,
    ROWS,
    CellResult,
    cell_files,
    parse_cell,
    path_beside,
)
from benchmark.tables import summarise
from molecules.cache import atomic_write, content_key
from molecules.errors import DataError

#: Digits of the hash of a file.
_DIGEST = 32
#: Folder below the store.
FOLDER = "summaries"
#: The files of a cell that its table is made of.
SUMMARISED = (ROWS, "attacks", "full_pool")
#: The modules whose code figures of a table depend on.
MODULES = (
    *(f"benchmark.{name}" for name in ("summaries", "tables", "cell_runs", "attack_table", "choice")),
    *(f"benchmark.{name}" for name in ("metrics", "exchangeability", "scope")),
    *(f"benchmark.privacy.{name}" for name in ("aggregate", "gap_moments", "indicator", "indicator_name")),
    *(f"benchmark.privacy.{name}" for name in ("membership", "membership_effect", "ranking", "scales")),
    *("models.block_runs", "molecules.streams"),
)
#: Facts on which it does not depend what a cell measures: its quantizers, what was found, where and when.
#: Cells that agree in all others measure the same thing, each of its own quantizers.
NOT_SETTING = (
    *(*PROVENANCE, "format", "protocol_version", "key", "device"),
    *("quantizers", "quantizer_flags", "own_quantizers"),
    *(f"{kind}_key" for kind in BESIDE),
    *("cleaning", "data", "encoder_seen", "exchangeability", "twins", "unscored"),
    *("official_seeds", "source_protocol"),  # said of the task, by earlier and by present versions
)
#: The columns of a summary after those of the table.
CELL_COLUMNS = ("split", "cell", "setting", "protocol_version", "measured", "code", "origin")
#: Where a quantizer is from that is not of the zoo: a file of the user's, or what a stranger handed in.
LOCAL, SUBMITTED = "local", "submission"


@dataclass(frozen=True)
class Summary:
    """The table of a cell, and what it was made of.

    Attributes
    ----------
    arrow : pyarrow.Table
        The table: that of :func:`benchmark.tables.summarise`, and ``CELL_COLUMNS``.
    files : dict of str to str
        Hash of the bytes of every file it was made of.
    lost : dict of str to str
        Kinds of frames beside the result that could not be used, and why.
    """

    arrow: pa.Table
    files: dict[str, str]
    lost: dict[str, str]

    @property
    def table(self) -> pd.DataFrame:
        """The table as a frame."""
        return self.arrow.to_pandas()


def summary_of(
    path: Path,
    aggregate: Aggregate = Aggregate.MEAN,
    indicator: Indicator = Indicator.MEMBERSHIP,
) -> Summary:
    """Return the summary of a cell's file: the stored one, or one that is made and stored.

    Where it cannot be stored, as in a store that one may only read, it is made every time.

    Raises
    ------
    DataError
        If the file is no whole result.
    """
    place, made_by = summary_path(path, aggregate, indicator), summary_key(aggregate, indicator)
    stored = read_summary(place, made_by)
    if stored is not None and stored.files == cell_digests(path):
        return stored
    files = cell_files(path, SUMMARISED[1:])
    digests = {kind: file_digest(data) for kind, data in files.items()}
    result = parse_cell(path, files)
    table = pa.Table.from_pandas(_table(result, path, aggregate, indicator), preserve_index=False)
    summary = Summary(table, digests, dict(result.lost))
    with suppress(DataError):
        write_summary(place, summary, made_by)
    return summary


def write_summary(place: Path, summary: Summary, made_by: str) -> None:
    """Store a summary: a hash of what follows, a line of JSON, and the table in the stream format of Arrow.

    Parquet would take ten times as long to read: of a board of many cells thousands are read at once. What
    is said of one summary alone stands in the line, so that the schemas of most are the same to the byte.
    """
    told = json.dumps({"of": summary.files, "lost": summary.lost, "made by": made_by})
    sink = io.BytesIO()
    sink.write(told.encode() + b"\n")
    with pa.ipc.new_stream(sink, summary.arrow.schema) as stream:
        stream.write_table(summary.arrow)
    data = sink.getvalue()
    with atomic_write(place) as temporary:
        temporary.write_bytes(file_digest(data).encode() + data)


def read_summary(place: Path, made_by: str) -> Summary | None:
    """Return a stored summary; None where there is none that is whole and was made by this code."""
    try:
        data = place.read_bytes()
    except OSError:
        return None
    if data[:_DIGEST] != file_digest(memoryview(data)[_DIGEST:]).encode():
        return None
    head, _, stream = data[_DIGEST:].partition(b"\n")
    if not head.startswith(b"{"):  # of an earlier version
        return None
    told = json.loads(head)
    if told["made by"] != made_by:
        return None
    messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(stream))
    schema = _schema(messages.read_next_message().serialize().to_pybytes())
    batches = [pa.ipc.read_record_batch(message, schema) for message in messages]
    return Summary(pa.Table.from_batches(batches, schema), told["of"], told["lost"])


@lru_cache(maxsize=64)
def _schema(message: bytes) -> pa.Schema:
    """Return the schema in a message of Arrow; thousands of summaries have the same few."""
    return pa.ipc.read_schema(pa.py_buffer(message))


def _table(result: CellResult, path: Path, aggregate: Aggregate, indicator: Indicator) -> pd.DataFrame:
    """Return the table of a result and the columns that say which cell it is."""
    facts = result.facts
    try:
        table = summarise(result, aggregate, indicator)
        codes = facts.get("quantizers")
        told = codes if isinstance(codes, dict) else {}
        return table.assign(
            split=str(facts["split"]),
            cell=str(facts["key"]),
            setting=setting_key(facts),
            protocol_version=protocol_version(facts),
            measured=str(facts.get("measured", "")),
            code=[content_key(told.get(name, "")) for name in table["quantizer"]],
            origin=[_origin(facts, name) for name in table["quantizer"]],
            flags=[_with_lost(said, result.lost) for said in table["flags"]],
        )
    except DataError as error:
        raise DataError(f"result {path}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"result {path} is not laid out as a result ({type(error).__name__}: {error}); delete it and run "
            "the cell again"
        ) from None


def _with_lost(flags: str, lost: Mapping[str, str]) -> str:
    """Return the flags of a row and that frames of its cell could not be used."""
    return "; ".join([*([flags] if flags else []), *(f"{kind} could not be read" for kind in lost)])


def _origin(facts: Mapping[str, object], name: str) -> str:
    """Return where a quantizer is from; empty for the zoo."""
    own = facts.get("own_quantizers")
    if facts.get("submission") == name:
        return SUBMITTED
    return LOCAL if isinstance(own, list) and name in own else ""


def setting_key(facts: Mapping[str, object]) -> str:
    """Return a hash that cells share which measure the same thing, of whatever quantizers.

    What is off, empty or 0 does not enter: it is the same as what earlier versions could not do.
    """
    return content_key({name: value for name, value in facts.items() if value and name not in NOT_SETTING})


def protocol_version(facts: Mapping[str, object]) -> int:
    """Return the version of the protocol of a result; 1 where it does not say."""
    told = facts.get("protocol_version", 1)
    if not isinstance(told, int):
        raise TypeError(f"the protocol version is {told!r}, not a whole number")
    return told


def summary_path(path: Path, aggregate: Aggregate, indicator: Indicator) -> Path:
    """Return where the summary of a cell's file lies."""
    return path.parent / FOLDER / f"{aggregate}.{indicator}" / f"{path.stem}.arrow"


def file_digest(data: bytes | memoryview) -> str:
    """Return the hash by which the bytes of a file are known, 32 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:_DIGEST]


def cell_digests(path: Path) -> dict[str, str]:
    """Return the hashes of the bytes of a cell's files, of those that can be read."""
    found = {}
    for kind in SUMMARISED:
        with suppress(OSError), path_beside(path, kind).open("rb", buffering=0) as stream:
            found[kind] = file_digest(stream.read())
    return found


@cache
def summary_key(aggregate: Aggregate, indicator: Indicator) -> str:
    """Return a hash of how summaries are made: of the code, without its comments and docstrings."""
    modules = (importlib.import_module(name) for name in MODULES)
    versions = {"format": FORMAT_VERSION, "aggregate": aggregate, "indicator": indicator}
    return content_key(versions, *(_code(inspect.getsource(m)) for m in modules))


def _code(source: str) -> str:
    """Return what a module does, as text: neither comments nor layout nor docstrings enter."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)
