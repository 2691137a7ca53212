"""A user's own question of the board: read-only SQL over its tables."""

import re
from typing import TYPE_CHECKING

from benchmark.results import ROWS, path_beside
from molecules.errors import MolmisError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow.dataset as ds

    from leaderboard.board import Board

#: What a query may read: tables of the board, by the name of its attribute ...
TABLES = {"board": "frame", "entries": "entries", "wins": "wins", "history": "history"}
#: ... and raw rows of its cells, by the kind of frame.
RAW = {"runs": ROWS, "attacks": "attacks", "full_pool": "full_pool"}
#: Nothing outside of the tables can be read or written, and a query cannot change that.
_LOCKED = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def query(board: "Board", sql: str) -> "pd.DataFrame":
    """Return what a query selects from the tables of a board; see ``TABLES`` and ``RAW``.

    Parameters
    ----------
    board : Board
        The board.
    sql : str
        One SELECT statement in the dialect of DuckDB.

    Raises
    ------
    MolmisError
        If it is not one statement that selects, or DuckDB refuses it.
    """
    import duckdb
    import pyarrow as pa

    with duckdb.connect(":memory:") as connection:
        try:
            for name in _asked(connection, sql):
                made = getattr(board, TABLES[name]) if name in TABLES else raw_rows(board, RAW[name])
                connection.register(name, made)
            for setting in _LOCKED:
                connection.execute(setting)
            return connection.execute(sql).df()  # type: ignore[no-any-return]
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            said = " ".join(str(error).split("\n\n")[0].split())
            tables = ", ".join((*TABLES, *RAW))
            raise MolmisError(f"--sql: {said}; the tables are {tables}") from None


def _asked(connection: "duckdb.DuckDBPyConnection", sql: str) -> list[str]:
    """Return which of the tables a query reads; refuse what does not select."""
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise MolmisError("--sql takes one statement that selects, such as: select * from entries")
    try:
        named = {name.strip('"').lower() for name in connection.get_table_names(sql)}
    except duckdb.Error:  # what it cannot tell without the columns of the tables, or a mistake
        named = set(re.findall(r"\w+", sql.lower()))
    return [name for name in (*TABLES, *RAW) if name in named]


def raw_rows(board: "Board", kind: str) -> "ds.Dataset":
    """Return the raw rows of all cells of a board, with ``cell``, ``task``, ``encoder`` and ``seed``.

    Parameters
    ----------
    board : Board
        The board.
    kind : str
        ``rows``, or the name of a frame beside; see :mod:`benchmark.results`.

    Returns
    -------
    pyarrow.dataset.Dataset
        Files are read when it is scanned, of them the columns that are wanted; those that could not be
        believed when the board was made are not in it.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq
    from pyarrow import fs

    told = board.frame.drop_duplicates("cell").set_index("cell")[["task", "encoder", "seed"]]
    of_cell = told.astype({"task": object, "encoder": object}).to_dict("index")
    layout, disk = ds.ParquetFileFormat(), fs.LocalFileSystem()
    fragments, schemas = [], dict[pa.Schema, None]()
    for cell, path in board.paths.items():
        place = path_beside(path, kind)
        if kind in board.lost.get(cell, ()) or not place.exists():
            continue
        own = ds.field("cell") == cell
        for name, value in of_cell[cell].items():
            own &= ds.field(name) == value
        fragments.append(layout.make_fragment(str(place), disk, own))
        # not that of the fragment, which would keep all that its file says of itself
        schemas[pq.read_schema(place).remove_metadata()] = None
    texts = [(name, pa.string()) for name in ("cell", "task", "encoder")]
    which = pa.schema([*texts, ("seed", pa.int64())])
    schema = pa.unify_schemas([which, *schemas], promote_options="permissive")
    return ds.FileSystemDataset(fragments, schema, layout, disk)
