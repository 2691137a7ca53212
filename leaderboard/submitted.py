"""What the board knows of submissions: their authors, whether they were verified, and their results."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboard.board import Source as Origin
from leaderboard.folder import KINDS, Submission, found, read_manifest, read_submission
from leaderboard.protocol import BoardProtocol, holds_trials
from leaderboard.verification import VERIFIED, damage, verdict_of
from molecules.errors import DataError, MolmisError
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
    return {made.name: _told(made) for made in _readable(submissions, trials, _noted(progress))}


def _noted(progress: Progress) -> Callable[[str], None]:
    """Return what tells a listener of a submission that is left out."""
    return lambda reason: progress.note(f"submission skipped: {reason}")


def _readable(submissions: Path, trials: bool, tell: Callable[[str], None]) -> Iterator[Submission]:
    """Yield the submissions whose manifests can be read and say the name of their folder."""
    for folder in found(submissions, trials=trials):
        try:
            submission = read_manifest(folder)
        except MolmisError as error:
            tell(str(error))
            continue
        if submission.name == folder.name:
            yield submission
        else:
            tell(f"{folder} says that its name is {submission.name}; rename the folder")


def _told(submission: Submission) -> Submitted:
    """Return where the rows of a submission are from."""
    said = submission.manifest.about
    return Submitted(said.name, said.author, verdict_of(submission), said.paper or "")


def publish(submission: Submission, store: Path, *, again: bool = False) -> Iterator[Path]:
    """Copy the results of a submission into a results store, those that are not there; yield their paths.

    Every file is written whole or not at all, that of a cell's rows after those beside it. What is there
    already is left alone, so that it can be done again at any time.

    Parameters
    ----------
    submission : Submission
        Whole; see :func:`leaderboard.folder.read_submission`.
    store : Path
        The results store.
    again : bool
        Whether what is there under the name of one of its cells may be of something else, and is replaced.

    Raises
    ------
    DataError
        If a file is damaged or holds something else than its manifest says, or the store cannot be written.
    """
    from benchmark.results import write_cell
    from leaderboard.submitted_results import read_result

    for place, cell in submission.cells().items():
        target = store / submission.result(cell).name
        if not again and _is_whole(target):
            continue
        result = read_result(submission, place, cell)
        write_cell(target, replace(result, facts={**result.facts, "submission": submission.name}))
        yield target


def brought(
    submissions: Path,
    results: Path,
    progress: Progress = SILENT,
    skipped: list[str] | None = None,
) -> dict[str, Submitted]:
    """Copy the results of submissions into a store where they are not there; return :func:`sources`.

    Parameters
    ----------
    submissions : Path
        Folder of all submissions.
    results : Path
        A results store; below it, trials have another one.
    progress : Progress
        Is told of what was copied, and of what cannot be read.
    skipped : list of str, optional
        Is told of what cannot be read, in the place of ``progress``.

    Raises
    ------
    DataError
        If ``submissions`` is there, and no folder.
    """
    if submissions.exists() and not submissions.is_dir():
        raise DataError(f"{submissions} is no folder of submissions")
    tell = _noted(progress) if skipped is None else skipped.append
    trials = holds_trials(results)
    readable, told = list(_readable(submissions, trials, tell)), {}
    rivals = _rivals(readable)
    for submission in readable:
        against = rivals.get(submission.name, [])
        try:
            _refuse_contested(submission, against)
            if against or not _is_there(submission, results):
                whole = read_submission(submission.folder)
                for path in publish(whole, results, again=bool(against)):
                    progress.note(f"results: wrote {path}")
        except MolmisError as error:
            tell(str(error))
        else:
            told[submission.name] = _told(submission)
            if reason := damage(submission):
                tell(reason)
    return told


def _is_there(submission: Submission, store: Path) -> bool:
    """Return whether a store has every file of a submission, by name."""
    return all(_is_whole(store / submission.result(cell).name) for cell in submission.manifest.cells)


def _is_whole(path: Path) -> bool:
    """Return whether the rows of a cell and all that belongs beside them are there."""
    return path.exists() and all((path.parent / kind / path.name).exists() for kind in KINDS)


def _rivals(submissions: Sequence[Submission]) -> dict[str, list[Submission]]:
    """Return, by name, the submissions that claim a cell of each: a key is one quantizer's, so one lies."""
    claims: dict[str, list[Submission]] = defaultdict(list)
    for submission in submissions:
        for cell in submission.manifest.cells:
            claims[cell.key].append(submission)
    found: dict[str, dict[str, Submission]] = defaultdict(dict)
    for claimed in claims.values():
        for one in claimed if len(claimed) > 1 else ():
            found[one.name] |= {other.name: other for other in claimed if other is not one}
    return {name: list(others.values()) for name, others in found.items()}


def _refuse_contested(submission: Submission, rivals: Sequence[Submission]) -> None:
    """Refuse a submission that claims a cell of another one, unless it alone was verified."""
    verified = [one.name for one in rivals if verdict_of(one) == VERIFIED]
    if rivals and (verified or verdict_of(submission) != VERIFIED):
        other = (verified or [rivals[0].name])[0]
        raise DataError(
            f"{submission.folder} and {other} claim the same cell, so one of them is forged; verify both "
            "(python -m leaderboard.verify FOLDER), and take away the one that is not as it says"
        )
