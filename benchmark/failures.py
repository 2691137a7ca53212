"""Whatever a cell raises, in one line: what a suite records as its reason."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Outcome:
    """What became of work in another process, on its way back.

    Attributes
    ----------
    result : object
        What it returned.
    refused : str
        A mistake of the user's, in one line.
    broken : tuple of str
        A defect of ours: in one line, and its traceback.
    """

    result: Any = None
    refused: str = ""
    broken: tuple[str, ...] = ()

    @classmethod
    def of(cls, work: Callable[[], object]) -> "Outcome":
        """Do some work, and return what it returns or raises."""
        try:
            return cls(work())
        except MolmisError as error:
            return cls(refused=reason_of(error))
        except Exception as error:  # noqa: BLE001  # it is raised again where it was asked for
            return cls(broken=(reason_of(error), traceback.format_exc()))

    def unwrap(self) -> Any:
        """Return the result, or raise what was raised.

        Raises
        ------
        MolmisError
            For a mistake of the user's.
        RemoteError
            For a defect.
        """
        if self.refused:
            raise MolmisError(self.refused)
        if self.broken:
            raise RemoteError(*self.broken)
        return self.result
