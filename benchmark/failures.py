"""Whatever a cell raises, in one line: what a suite records as its reason."""

import traceback
from pathlib import Path

from molecules.errors import MolmisError


class RemoteError(Exception):
    """A defect that showed in another process, here or on another machine.

    Parameters
    ----------
    reason : str
        In one line.
    trace : str
        The traceback from there.
    """

    def __init__(self, reason: str, trace: str) -> None:
        super().__init__(f"{reason}\n\n{trace}")
        self.reason = reason


def reason_of(error: Exception) -> str:
    """Return an error in one line: the message of a user's mistake, or what and where a defect is."""
    if isinstance(error, RemoteError):
        return error.reason
    said = " ".join(str(error).split())
    if isinstance(error, MolmisError):
        return said
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {said[:300]}"
