"""The folder of a submission: what must be in it, and nothing else may be.

::

    submissions/board-1/NAME/manifest.json         what the author says, hashes of all files
                             quantizer.py          the submitted file
                             results/*.parquet     one file a cell, and what attacks found in folders below
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leaderboard.manifest import MANIFEST_BYTES, RESULT_BYTES, CellEntry, Manifest, parse
from leaderboard.protocol import BoardProtocol, Place, get_protocol
from molecules.errors import DataError, MolmisError

MANIFEST, SOURCE = "manifest.json", "quantizer.py"
#: Most bytes of a submitted file.
SOURCE_BYTES = 1 << 20
#: Folders below that of results.
KINDS = ("attacks", "records", "joint_release")


@dataclass(frozen=True)
class Submission:
    """A whole submission.

    Attributes
    ----------
    folder : Path
        Where it lies.
    manifest : Manifest
        What it says of itself.
    sha256 : str
        Hash of the manifest's bytes, and so, through the hashes in it, of everything in the folder.
    """

    folder: Path
    manifest: Manifest
    sha256: str = field(repr=False)

    @property
    def name(self) -> str:
        """What the board calls it."""
        return self.manifest.about.name

    @property
    def protocol(self) -> BoardProtocol:
        """What it was measured by."""
        return get_protocol(self.manifest.protocol)

    @property
    def source(self) -> Path:
        """The submitted file."""
        return self.folder / SOURCE

    def cells(self) -> dict[Place, CellEntry]:
        """Return what the manifest says of every cell."""
        return {Place(cell.task, cell.encoder, cell.seed): cell for cell in self.manifest.cells}

    def result(self, cell: CellEntry) -> Path:
        """Return the file of the rows of a cell."""
        return self.folder / next(file.path for file in cell.files if file.path.count("/") == 1)


def read_manifest(folder: Path) -> Submission:
    """Return the submission in a folder, by its manifest alone.

    Raises
    ------
    DataError
        If there is none, or it is not as the schema says.
    """
    data = read_file(folder / MANIFEST, MANIFEST_BYTES)
    return Submission(folder, parse(data, str(folder / MANIFEST)), hashlib.sha256(data).hexdigest())


def read_submission(folder: Path) -> Submission:
    """Return the submission in a folder, after checking every file in it.

    Raises
    ------
    DataError
        If it is not whole: a file is missing, changed, a symbolic link or none of its own; a cell of the
        protocol is missing or another one is there.
    MolmisError
        If its protocol is unknown, or it has too few seeds.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise DataError(f"{folder} is no folder of a submission; give the folder that has {MANIFEST} in it")
    made = read_manifest(folder)
    expected = {SOURCE: (made.manifest.source.sha256, SOURCE_BYTES)}
    for cell in made.manifest.cells:
        expected |= {file.path: (file.sha256, RESULT_BYTES) for file in cell.files}
    there = set(_files(folder))
    if odd := sorted(there - {*expected, MANIFEST}):
        raise DataError(f"{folder} holds {odd[0]!a}, which its manifest does not name; take it away")
    for name, (sha256, limit) in expected.items():
        if hashlib.sha256(read_file(folder / name, limit)).hexdigest() != sha256:
            raise DataError(
                f"{folder / name} is not the file that was submitted: its SHA-256 is not that of the manifest"
            )
    _check_cells(made)
    return made


def _files(folder: Path) -> Iterator[str]:
    """Yield the files below a folder, relative to it; refuse what is neither a file nor a folder."""
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(place) / name
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "no ordinary file"
                raise DataError(f"{str(path)!a} is {what}; a submission holds files only")
            if name in files:
                yield path.relative_to(folder).as_posix()


def read_file(path: Path, limit: int) -> bytes:
    """Return the bytes of an ordinary file, which is no symbolic link and not too long.

    Raises
    ------
    DataError
        If it is anything else; the message names it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise DataError(f"{path} is no ordinary file")
            data = stream.read(limit + 1)
    except OSError as error:
        reason = "it is a symbolic link" if path.is_symlink() else error.strerror or error
        raise DataError(f"{path} cannot be read ({reason})") from None
    if len(data) > limit:
        raise DataError(f"{path} is longer than {limit >> 20} MiB")
    return data


def _check_cells(made: Submission) -> None:
    """Refuse cells that are not those of the protocol, and files that are not those of their cell."""
    manifest = made.manifest
    wanted, cells = made.protocol.places(manifest.seeds), made.cells()
    if len(cells) != len(manifest.cells):
        raise DataError(f"{made.folder / MANIFEST} names a cell twice")
    for place in (*wanted, *cells):
        if (place in cells) != (place in set(wanted)):
            said = "lacks" if place not in cells else "has, beside those of the protocol,"
            raise DataError(f"{made.folder / MANIFEST} {said} the cell {place}")
    for place, cell in cells.items():
        _check_files(made, place, cell)


def _check_files(made: Submission, place: Place, cell: CellEntry) -> None:
    """Refuse files that do not belong to a cell."""
    from benchmark.results import cell_path

    own = cell_path(Path(), place.task, place.encoder, made.protocol.runs, place.seed, cell.key).name
    named = sorted(file.path for file in cell.files)
    if named != sorted(["results/" + own, *(f"results/{kind}/{own}" for kind in KINDS)]):
        raise DataError(
            f"{made.folder / MANIFEST}: the files of the cell {place} are to be {own} in results and in "
            f"{', '.join(KINDS)} below it"
        )


def found(submissions: Path, *, trials: bool = False) -> Iterator[Path]:
    """Yield the folders of a folder of submissions that have a manifest, in order.

    Parameters
    ----------
    submissions : Path
        The folder; it need not be there.
    trials : bool
        Whether those are wanted that are not for the board, instead of those that are.
    """
    from leaderboard.protocol import PROTOCOLS

    for protocol in PROTOCOLS.values():
        if protocol.on_board == trials:
            continue
        for path in sorted(submissions.glob(f"{protocol.name}/*/{MANIFEST}")):
            if not path.parent.name.startswith("."):
                yield path.parent


def check_name_is_free(submissions: Path, name: str, sha256: str, protocol: BoardProtocol) -> None:
    """Refuse a name under which another file was submitted.

    Raises
    ------
    MolmisError
        If there is one: on the board, a name stands for one file for all time.
    """
    for folder in found(submissions, trials=not protocol.on_board):
        if folder.name.lower() != name.lower():
            continue
        other = read_manifest(folder)
        if other.manifest.source.sha256 == sha256 and other.name != name:
            raise MolmisError(
                f"{folder} is this very file under the name {other.name}; give --name {other.name}, "
                "or a name that differs in more than capitals"
            )
        if other.manifest.source.sha256 != sha256:
            raise MolmisError(
                f"{folder} is another submission of that name (its file has the SHA-256 "
                f"{other.manifest.source.sha256[:12]}..., yours {sha256[:12]}...); choose another --name"
            )
