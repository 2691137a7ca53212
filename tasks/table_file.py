"""A task from the user's own table: CSV, TSV, Parquet or an SD file, also compressed."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molecules.cache import file_sha256
from molecules.errors import DataError
from tasks.binary_tables import STRUCTURES, parquet_table, sd_table
from tasks.label_columns import LabelColumn, is_missing, read_label_column
from tasks.raw_file import as_text, check_columns, read_content
from tasks.task import Kind, RawRecords, Task

#: Names under which a column of SMILES is recognised, whatever their case.
SMILES_NAMES = (
    "smiles",
    "canonical_smiles",
    "isomeric_smiles",
    "smi",
    "mol",
    "molecule",
    "structure",
    "drug",
)
_SEPARATORS = (",", ";", "\t")
#: Endings by which a file is taken for a table of the user's, in the order in which help names them.
ENDINGS = (".csv", ".tsv", ".txt", ".smi", ".parquet", ".pq", ".sdf", ".sd")


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    path : Path
        Where it was read.
    header : tuple of str
        Column names, in order.
    rows : list of list of str
        One entry a column, stripped of blanks.
    """

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return one column.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        DataError
            If there are several of that name.
        """
        place = column_place(self.path, self.header, name)
        return [row[place] for row in self.rows]


def table_task(
    path: Path | str, smiles: str | None, targets: Sequence[str], kind: Kind | str | None = None
) -> Task:
    """Return a task that reads its records from a table of the user's.

    Empty entries (also NA, N/A, NaN, null, None) are missing labels. Whether the labels are classes or
    numbers is recognised from their values: a column of two different values is classification, its
    values become 0 and 1 as the task's description says; a column of more numbers is regression.

    Parameters
    ----------
    path : Path or str
        The table: ``.csv``, ``.tsv``, ``.txt``, ``.parquet`` or ``.sdf``, or one of these with ``.gz``.
    smiles : str or None
        Name of the column of SMILES; None takes the structures of an SD file, and else the only column with a
        usual name, see ``SMILES_NAMES``.
    targets : sequence of str
        Names of the label columns; at least one.
    kind : Kind, str or None
        Classification or regression; None recognises it.

    Returns
    -------
    Task
        Named ``file:`` and the file's name without its ending.

    Raises
    ------
    UnknownNameError
        If a column is not there; the message names the file and the nearest columns.
    DataError
        If the file is missing, damaged or no table, or its labels cannot be read as one kind.
    """
    path = Path(path)
    table = read_table(path)
    smiles = smiles_column(table) if smiles is None else smiles
    texts = table.column(smiles)
    columns = _label_columns(table, smiles, targets, None if kind is None else _as_kind(kind))
    common = columns[0].kind
    raw = RawRecords(
        smiles=["" if is_missing(text) else text for text in texts],
        labels=np.stack([column.values for column in columns], axis=1),
        targets=tuple(targets),
        kind=common,
        origin=str(path),
        sha256=file_sha256(path),
    )
    notes = [f"{column.name} ({column.mapping})" if column.mapping else column.name for column in columns]
    return Task(
        name="file:" + path.name.removesuffix(".gz").rsplit(".", 1)[0],  # never that of a catalogue task
        kind=common,
        targets=tuple(targets),
        description=f"{common.value.capitalize()}: {', '.join(notes)} of {path.name}, {_told(smiles)}.",
        source=f"the user's file {path.name}",
        licence="not stated",
        load=lambda _, __: raw,
        files=lambda _, __: (path,),
    )


def _told(smiles: str) -> str:
    return "structures as drawn" if smiles == STRUCTURES else f"SMILES in {smiles!r}"


def read_table(path: Path, labels: bool = True) -> Table:
    """Read a table of text, with the separator that makes rows as wide as the header; no row is blank.

    Parameters
    ----------
    path : Path
        Where it is.
    labels : bool
        Whether there must be a column beside that of SMILES.

    Raises
    ------
    DataError
        If the file is missing, damaged, has no rows, or a row has more or fewer entries than the header.
    """
    kind, content = ending(path), read_content(path)
    if kind in {".parquet", ".pq"}:
        header, rows = parquet_table(path, content)
        return _checked(Table(path, header, rows), labels)
    text = as_text(path, content).replace("\r\n", "\n").replace("\r", "\n")
    if kind in {".sdf", ".sd"}:
        header, rows = sd_table(path, text)
        return _checked(Table(path, header, rows), labels)
    text = text.strip("\n")
    try:
        lines = max((list(entries_of(io.StringIO(text), mark)) for mark in separators(path)), key=fit)
    except csv.Error as error:
        raise no_table(path, error) from error
    header = tuple(name.strip() for name in lines[0]) if lines else ()
    table = _checked(Table(path, header, [[entry.strip() for entry in line] for line in lines[1:]]), labels)
    for number, row in enumerate(table.rows, start=1):
        check_width(path, number, row, header)
    return table


def column_place(path: Path, header: Sequence[str], name: str) -> int:
    """Return the place of a column.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    DataError
        If there are several of that name.
    """
    check_columns(path, header, [name])
    if header.count(name) > 1:
        raise DataError(f"{path} has {header.count(name)} columns called {name!r}; rename them")
    return header.index(name)


def separators(path: Path) -> tuple[str, ...]:
    """Return what may stand between the entries of a text file of this name."""
    return ("\t",) if ".tsv" in path.suffixes[-2:] else _SEPARATORS


def no_table(path: Path, error: csv.Error) -> DataError:
    """Return the error of a file that cannot be parted into entries."""
    return DataError(f"{path} cannot be read as a table ({error}); export it as CSV")


def check_width(path: Path, number: int, row: Sequence[str], header: Sequence[str]) -> None:
    """Refuse a row, counted from 1 below the header, that has more or fewer entries than the header."""
    if len(row) != len(header):
        raise DataError(
            f"{path}, row {number} has {len(row)} entries, the header {len(header)}; "
            "put entries that hold the separator in double quotes"
        )


def _checked(table: Table, labels: bool) -> Table:
    """Refuse a table without rows, or where there must be labels too, of one column."""
    path, header = table.path, table.header
    if not table.rows:
        raise DataError(
            f"{path} has a header but no rows; a first line of column names and then rows are needed"
        )
    if labels and header == (STRUCTURES,):
        raise DataError(
            f"{path} holds structures without properties; labels are needed as properties of them"
        )
    if labels and len(header) < 2:
        raise DataError(
            f"{path} has one column only ({header[0]!r}); a table of SMILES and labels is needed, its "
            "columns separated by comma, semicolon or tab"
        )
    return table


def ending(path: Path) -> str:
    """Return what the file is, by its name: ``.csv`` also for ``.csv.gz``, in lower case."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def entries_of(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Yield the entries of every line that is not blank; lines end in a line feed."""
    return filter(None, csv.reader(lines, delimiter=separator))


def fit(lines: list[list[str]]) -> tuple[bool, int]:
    """Return how well a separator fits: whether the first rows are as wide as the header, and how wide.

    Names and SMILES in quotes may hold any separator, so it is the parsed line that is looked at.
    """
    width = len(lines[0]) if lines else 0
    return len(lines) > 1 < width and all(len(line) == width for line in lines[1:20]), width


def smiles_column(table: Table) -> str:
    """Return the structures of an SD file, else the only column with a usual name for SMILES.

    Raises
    ------
    DataError
        If there is none, or several.
    """
    if table.header[:1] == (STRUCTURES,):
        return STRUCTURES
    usual = [name for name in table.header if name.lower().replace(" ", "_") in SMILES_NAMES]
    if len(usual) != 1:
        found = (
            f"several columns may hold SMILES ({', '.join(usual)})"
            if usual
            else "no column is called like SMILES"
        )
        raise DataError(
            f"{table.path}: {found}; name the column. Columns: {', '.join(table.header[:12])}"
            + (" ..." if len(table.header) > 12 else "")
        )
    return usual[0]


def _label_columns(table: Table, smiles: str, targets: Sequence[str], kind: Kind | None) -> list[LabelColumn]:
    """Read the label columns, all of one kind."""
    if not targets:
        raise DataError(
            f"{table.path}: no label column was named; name at least one of {', '.join(table.header)}"
        )
    twice = [name for name, count in Counter([smiles, *targets]).items() if count > 1]
    if twice:
        raise DataError(f"{table.path}: column {twice[0]!r} is named more than once among SMILES and labels")
    columns = [read_label_column(table.path, name, table.column(name), kind) for name in targets]
    kinds = {column.kind for column in columns}
    if len(kinds) > 1:
        listed = ", ".join(f"{column.name}: {column.kind}" for column in columns)
        raise DataError(
            f"{table.path}: label columns differ in kind ({listed}); "
            "give the labels of one kind, or state the kind"
        )
    return columns


def _as_kind(kind: Kind | str) -> Kind:
    try:
        return Kind(kind)
    except ValueError:
        raise DataError(f"kind {kind!r} is not known; it is one of {', '.join(Kind)}") from None
