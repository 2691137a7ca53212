"""What came out when a submission was measured again: a file beside its folder, never handed in with it."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from leaderboard.folder import Submission, read_file
from leaderboard.manifest import MANIFEST_BYTES, Key, Machine, Sha256, Strict, Word
from molecules.cache import atomic_write
from molecules.errors import DataError

#: Ends the name of the file, after that of the folder.
SUFFIX = ".verification.json"
VERIFIED, MISMATCHING, UNVERIFIED = "verified", "mismatching", "unverified"

#: What a figure stands in: a frame of results, the facts beside them, or the table that is made of them.
Frame = Literal["rows", "attacks", "records", "joint_release", "facts", "board"]
_Text = Annotated[str, StringConstraints(max_length=400)]


class Deviation(Strict):
    """A figure that came out otherwise than it was submitted."""

    frame: Frame
    column: _Text
    where: _Text = Field(description="which row")
    submitted: _Text
    measured: _Text
    allowed: _Text = Field(description="how far the two may lie apart")


class VerifiedCell(Strict):
    """A cell that was measured again."""

    task: Word
    encoder: Word
    seed: int
    key: Key
    alike: bool = Field(description="whether the two machines compute alike")
    figures: Annotated[int, Field(ge=0, description="compared")]
    largest: Annotated[float, Field(ge=0, description="largest difference, in times of what is allowed")]
    largest_of: _Text
    beyond: Annotated[int, Field(ge=0, description="figures that lie further apart than is allowed")]
    deviations: Annotated[tuple[Deviation, ...], Field(max_length=20, strict=False)] = ()


class Verification(Strict):
    """The file."""

    submission: Sha256 = Field(description="SHA-256 of the manifest that was verified")
    verdict: Literal["verified", "mismatching"]
    when: Annotated[str, StringConstraints(max_length=20)]
    machine: Machine
    seed: Annotated[int, Field(ge=0, description="of the drawing of cells, with the hash of the manifest")]
    share: Annotated[float, Field(gt=0, le=1)]
    of_cells: Annotated[int, Field(ge=1)]
    versions_differ: dict[Word, _Text] = Field(description="packages of another version than submitted")
    cells: Annotated[tuple[VerifiedCell, ...], Field(min_length=1, strict=False)]


def place_of(folder: Path) -> Path:
    """Return where the verification of the submission in a folder lies."""
    return folder.parent / f"{folder.name}{SUFFIX}"


def write(folder: Path, made: Verification) -> Path:
    """Write a verification, whole or not at all."""
    path = place_of(folder)
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(made.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    return path


def read(submission: Submission) -> Verification | None:
    """Return the verification of this very submission; None where there is none that can be read."""
    try:
        made = _read(submission)
    except (DataError, ValidationError):
        return None
    return made if made is not None and made.submission == submission.sha256 else None


def _read(submission: Submission) -> Verification | None:
    """Return what the file beside a submission says; None where there is no file."""
    path = place_of(submission.folder)
    return Verification.model_validate_json(read_file(path, MANIFEST_BYTES)) if path.exists() else None


def damage(submission: Submission) -> str:
    """Return why the verification beside a submission counts for nothing; empty where it can be read."""
    try:
        _read(submission)
    except (DataError, ValidationError) as error:
        why = str(error) if isinstance(error, DataError) else f"{place_of(submission.folder)} is damaged"
        return f"{why}, so {submission.name} is unverified; verify it again"
    return ""


def verdict_of(submission: Submission) -> str:
    """Return ``verified``, ``mismatching`` or, where it was never measured again, ``unverified``."""
    made = read(submission)
    return UNVERIFIED if made is None else made.verdict
