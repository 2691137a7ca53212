"""What the board knows of submissions: their authors, whether they were verified, and their results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import Source as Origin
from leaderboard.folder import KINDS, Submission, found, read_manifest, read_submission
from leaderboard.protocol import PROTOCOLS, BoardProtocol
from leaderboard.verification import verdict_of
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress


@dataclass(frozen=True)
class Submitted(Origin):
    """Where a row of the board is from: name of the submission, author, verdict.

    Attributes
    ----------
    paper : str
        Address; empty if none was given.
    """

    paper: str = ""


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
    return {made.name: _told(made) for made in _readable(submissions, trials, progress)}


def _readable(submissions: Path, trials: bool, progress: Progress) -> Iterator[Submission]:
    """Yield the submissions whose manifests can be read and say the name of their folder."""
    for folder in found(submissions, trials=trials):
        try:
            submission = read_manifest(folder)
        except MolmisError as error:
            progress.note(f"submission skipped: {error}")
            continue
        if submission.name == folder.name:
            yield submission
        else:
            progress.note(
                f"submission skipped: {folder} says that its name is {submission.name}; rename the folder"
            )


def _told(submission: Submission) -> Submitted:
    """Return where the rows of a submission are from."""
    said = submission.manifest.about
    return Submitted(said.name, said.author, verdict_of(submission), said.paper or "")


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


def brought(submissions: Path, results: Path, progress: Progress = SILENT) -> dict[str, Submitted]:
    """Copy the results of submissions into a store where they are not there; return :func:`sources`.

    Parameters
    ----------
    submissions : Path
        Folder of all submissions.
    results : Path
        A results store; below it, trials have another one.
    progress : Progress
        Is told of what was copied, and of what cannot be read.
    """
    trials = results.name in {name for name, protocol in PROTOCOLS.items() if not protocol.on_board}
    told = {}
    for submission in _readable(submissions, trials, progress):
        try:
            if not _is_there(submission, results):
                for path in publish(read_submission(submission.folder), results):
                    progress.note(f"results: wrote {path}")
        except MolmisError as error:
            progress.note(f"submission skipped: {error}")
        else:
            told[submission.name] = _told(submission)
    return told


def _is_there(submission: Submission, store: Path) -> bool:
    """Return whether a store has every file of a submission, by name."""
    names = [submission.result(cell).name for cell in submission.manifest.cells]
    return all((store / kind / name).exists() for name in names for kind in ("", *KINDS))
