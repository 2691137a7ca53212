"""What the board knows of submissions: their authors, whether they were verified, and their results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboard.folder import KINDS, Submission, found, read_manifest, read_submission
from leaderboard.protocol import BoardProtocol
from leaderboard.verification import verdict_of
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress


@dataclass(frozen=True)
class Submitted:
    """Where a row of the board is from.

    Attributes
    ----------
    name, author : str
        Of the submission.
    paper : str
        Address; empty if none was given.
    verified : str
        ``verified``, ``mismatching`` or ``unverified``.
    """

    name: str
    author: str
    paper: str
    verified: str


def store_of(results: Path, protocol: BoardProtocol) -> Path:
    """Return the results store of a protocol: trials have one of their own, so that no board shows them."""
    return results if protocol.on_board else results / protocol.name


def sources(
    submissions: Path = Path("submissions"), *, trials: bool = False, progress: Progress = SILENT
) -> dict[str, Submitted]:
    """Return where the rows of submitted quantizers are from, by the names of the rows.

    Parameters
    ----------
    submissions : Path
        Folder of all submissions.
    trials : bool
        Whether those of trials are wanted, instead of those for the board.
    progress : Progress
        Is told of what cannot be read.
    """
    made: dict[str, Submitted] = {}
    for folder in found(submissions, trials=trials):
        try:
            submission = read_manifest(folder)
        except MolmisError as error:
            progress.note(f"submission skipped: {error}")
            continue
        said = submission.manifest.about
        if said.name != folder.name:
            progress.note(
                f"submission skipped: {folder} says that its name is {said.name}; rename the folder"
            )
            continue
        made[said.name] = Submitted(said.name, said.author, said.paper or "", verdict_of(submission))
    return made


def publish(submission: Submission, store: Path) -> Iterator[Path]:
    """Copy the results of a submission into a results store, those that are not there; yield their paths.

    Every file is written whole or not at all, that of a cell's rows after those beside it. What is there
    already is left alone, so that it can be done again at any time.

    Raises
    ------
    DataError
        If a file is damaged, or the store cannot be written.
    """
    from benchmark.results import read_cell, write_cell

    for cell in submission.manifest.cells:
        path = submission.result(cell)
        target = store / path.name
        if target.exists() and all((store / kind / path.name).exists() for kind in KINDS):
            continue
        write_cell(target, read_cell(path))
        yield target


def publish_all(
    submissions: Path, results: Path, *, trials: bool = False, progress: Progress = SILENT
) -> None:
    """Copy the results of all whole submissions into their store; see :func:`publish`."""
    for folder in found(submissions, trials=trials):
        try:
            submission = read_submission(folder)
            for path in publish(submission, store_of(results, submission.protocol)):
                progress.note(f"results: wrote {path}")
        except MolmisError as error:
            progress.note(f"submission skipped: {error}")
