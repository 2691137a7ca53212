"""What a raw file must look like before anything is read from it.

The checks tell apart what goes wrong in practice: a web page saved in place of the data, a download cut
short, a file of another format, another version of the file.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from molecules.errors import DataError, UnknownNameError

_WEB_PAGE = ("<!doctype", "<html", "<?xml")
_GZIP_MAGIC = b"\x1f\x8b"
#: What is raised while compressed data are read that are damaged.
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Archive:
    """The place of a file within a zip archive.

    Attributes
    ----------
    name : str
        File name of the archive.
    member : str
        Path of the file within it.
    """

    name: str
    member: str


@dataclass(frozen=True)
class RawFile:
    """The facts of one file of a public source.

    Attributes
    ----------
    collection : str
        Folder that holds the file within a data folder, such as ``"moleculenet"``.
    name : str
        File name.
    url : str
        Where it can be downloaded.
    sha256 : str or None
        Of its content; of the uncompressed content for a ``.gz`` file, because compressing the same
        table again gives other bytes. None where it is not known: the file is then used where it lies, and
        is downloaded only if the user waives the check.
    columns : tuple of str
        Columns that must be there.
    also : tuple of str
        Other file names that it may have, such as that of its compressed form.
    archive : Archive or None
        The archive that it is part of, where it cannot be downloaded by itself; ``url`` is then that of the
        archive.
    """

    collection: str
    name: str
    url: str
    sha256: str | None
    columns: tuple[str, ...]
    also: tuple[str, ...] = ()
    archive: Archive | None = None

    @property
    def places(self) -> list[str]:
        """Where it may lie within a data folder, in the order in which these places are looked at."""
        names = (self.name, *self.also)
        if self.archive is None:
            return [place for name in names for place in (f"{self.collection}/{name}", name)]
        # A member is never looked for by its name alone: those of one archive may be called alike.
        member, inner = self.archive.member, self.archive.member.partition("/")[2]
        return [f"{self.collection}/{member}", member, inner]


def read_content(path: Path) -> bytes:
    """Return the content of a file, uncompressed if its name ends in ``.gz``.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, is a web page, or is damaged or no gzip data.
    """
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
    check_start(path, stored)
    if path.suffix != ".gz":
        return stored
    try:
        content = gzip.decompress(stored)
    except GZIP_ERRORS as error:
        raise damaged_gzip(path, error) from error
    check_start(path, content, packed=True)
    return content


def check_start(path: Path, start: bytes, packed: bool = False) -> None:
    """Refuse what the first bytes of a file show to be no table.

    Parameters
    ----------
    path : Path
        The file.
    start : bytes
        Its first bytes, at least 200 where there are so many.
    packed : bool
        Whether they are of what is compressed in it.

    Raises
    ------
    DataError
        If the file is empty, a web page, or no gzip data although its name ends in ``.gz``.
    """
    if not start:
        what = "holds an empty file" if packed else "is empty (0 bytes)"
        raise DataError(f"{path} {what}; get the file again")
    _refuse_web_page(path, start)
    if path.suffix == ".gz" and not packed and not start.startswith(_GZIP_MAGIC):
        raise DataError(f"{path} is not gzip data although its name ends in .gz; get it again or rename it")


def damaged_gzip(path: Path, error: Exception) -> DataError:
    """Return the error of compressed data that cannot be read to the end."""
    return DataError(f"{path} is a truncated or corrupt gzip file ({error}); get the file again")


def as_text(path: Path, content: bytes) -> str:
    """Return ``content`` of ``path`` as text.

    Raises
    ------
    DataError
        If it is not UTF-8 text.
    """
    try:
        text = content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start} cannot be read); export it as CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(f"{path} is binary data, not text; export it as CSV in UTF-8")
    return text


def check_columns(path: Path, header: Sequence[str], columns: Iterable[str]) -> None:
    """Check that ``columns`` are among ``header``.

    Raises
    ------
    UnknownNameError
        For the first that is not; the message names the file and the nearest columns.
    """
    for column in columns:
        if column not in header:
            raise UnknownNameError("column", column, header, f"Looked in {path}.")


def check_file(path: Path, file: RawFile, verify: bool) -> None:
    """Check that ``path`` holds what ``file`` declares.

    The content is judged first, because "this is a web page" helps more than "the checksum differs".

    Parameters
    ----------
    path : Path
        The file.
    file : RawFile
        What is expected.
    verify : bool
        Whether the checksum must match; the content is checked in any case.

    Raises
    ------
    DataError
        If the content is damaged or not a table, or the checksum differs.
    UnknownNameError
        If a column is missing.
    """
    content = read_content(path)
    text = as_text(path, content)
    rows = csv.reader(io.StringIO(text))
    check_columns(path, next(rows, []), file.columns)
    if next(rows, None) is None:
        raise DataError(f"{path} has a header but no rows; get the file again")
    got = hashlib.sha256(content).hexdigest()
    if verify and file.sha256 is not None and got != file.sha256:
        raise DataError(
            f"{path} differs from the known {file.name}: the SHA-256 of its content is {got}, "
            f"expected {file.sha256}; "
            "get the file again, or accept it as it is with --no-verify"
        )


def _refuse_web_page(path: Path, content: bytes) -> None:
    start = content[:200].decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n").lower()
    if start.startswith(_WEB_PAGE):
        raise DataError(
            f"{path} is a web page (HTML), not data; the download was redirected: get the file again"
        )
