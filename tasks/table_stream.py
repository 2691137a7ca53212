"""A text table of any length, row by row, as :mod:`tasks.table_file` reads it whole: in flat memory."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from molecules.errors import DataError
from tasks.raw_file import GZIP_ERRORS, check_start, damaged_gzip
from tasks.table_file import (
    Table,
    check_width,
    column_place,
    ending,
    entries_of,
    fit,
    no_table,
    separators,
    smiles_column,
)

#: Rows by which the separator is told, the header among them.
_FIRST = 20
#: Characters beyond which a line is none of a table.
_LONGEST = 1 << 24
#: Rows after which a listener is told how far the file is read.
_STEP = 4096
#: What is written row by row, and can so be read.
STREAMED = (".csv", ".tsv", ".txt", ".smi")


@dataclass(frozen=True)
class TableStream:
    """A table that is read from its beginning whenever it is asked for rows.

    Attributes
    ----------
    path : Path
        Where it is.
    header : tuple of str
        Column names, in order.
    separator : str
        What stands between entries.
    """

    path: Path
    header: tuple[str, ...]
    separator: str

    @classmethod
    def of(cls, path: Path) -> "TableStream":
        """Return the table of a file, by its first rows.

        Raises
        ------
        DataError
            If the file is missing, damaged, of a kind that is not read row by row, or has no rows.
        """
        if ending(path) not in STREAMED:
            raise DataError(
                f"{path} is not read row by row; give a table of text ({', '.join(STREAMED)}, also with .gz)"
            )
        first = max((_first(path, mark) for mark in separators(path)), key=lambda pair: fit(pair[1]))
        separator, lines = first
        if len(lines) < 2:
            raise DataError(f"{path} has no rows; a first line of column names and then rows are needed")
        return cls(path, tuple(name.strip() for name in lines[0]), separator)

    def smiles_column(self) -> str:
        """Return the only column with a usual name for SMILES; see :func:`tasks.table_file.smiles_column`."""
        return smiles_column(Table(self.path, self.header, []))

    def rows(
        self,
        columns: Sequence[str],
        advance: Callable[[int], None] = lambda size: None,  # noqa: ARG005
    ) -> Iterator[list[str]]:
        """Yield the entries of some columns of every row, stripped of blanks; no row is blank.

        Parameters
        ----------
        columns : sequence of str
            Names of columns.
        advance : callable
            Told, now and then, how many bytes of the file were read since it was last told.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        DataError
            If there are several of one name, the file is damaged, or a row has more or fewer entries than the
            header.
        """
        places = self.places(columns)
        told = 0
        with _opened(self.path) as (stream, raw):
            for number, row in enumerate(_entries(self.path, stream, self.separator)):
                if number:  # the header is number 0
                    check_width(self.path, number, row, self.header)
                    yield [row[place].strip() for place in places]
                if number % _STEP == 0:
                    told, before = raw.tell(), told
                    advance(told - before)
            advance(raw.tell() - told)

    def places(self, columns: Sequence[str]) -> list[int]:
        """Return the places of columns in a row.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        DataError
            If there are several of one name.
        """
        return [column_place(self.path, self.header, name) for name in columns]


def _first(path: Path, separator: str) -> tuple[str, list[list[str]]]:
    with _opened(path) as (stream, _):
        return separator, list(islice(_entries(path, stream, separator), _FIRST))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[TextIO, BinaryIO]]:
    """Open a text file, unpacked if its name ends in ``.gz``, and the file of bytes below it."""
    try:
        with path.open("rb") as raw:
            check_start(path, raw.read(200))
            raw.seek(0)
            content = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
            if content is not raw:
                check_start(path, content.read(200), packed=True)
                content.seek(0)
            # line ends of all systems become line feeds; spreadsheets write a byte order mark
            yield io.TextIOWrapper(content, encoding="utf-8-sig"), raw
    except GZIP_ERRORS as error:
        raise damaged_gzip(path, error) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error


def _entries(path: Path, stream: TextIO, separator: str) -> Iterator[list[str]]:
    """Yield the entries of every line that is not blank."""
    number = 0
    try:
        for row in entries_of(_lines(path, stream), separator):
            yield row
            number += 1
    except csv.Error as error:
        raise no_table(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (a byte soon after row {number} cannot be read); export it as CSV in "
            "UTF-8"
        ) from error


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    """Yield lines, none of them so long that memory grows."""
    for line in iter(partial(stream.readline, _LONGEST), ""):
        if "\0" in line:
            raise DataError(f"{path} is binary data, not text; export it as CSV in UTF-8")
        if len(line) == _LONGEST:
            raise DataError(
                f"{path} has a line of {_LONGEST:,} characters or more and is no table; export it as CSV"
            )
        yield line
