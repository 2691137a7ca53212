"""The small tree of errors that a user can cause.

Each carries one line: what was given, where, what is allowed, what to do. The command line prints that
line and exits with status 2; ``--debug`` shows the traceback instead. Anything else that is raised is a
defect of this project.
"""

import difflib
from collections.abc import Iterable


class MolmisError(Exception):
    """A mistake in what the user gave, told in one line."""


class UnknownNameError(MolmisError):
    """A name that is in no registry; the message lists the nearest valid names.

    Parameters
    ----------
    kind : str
        What was looked up, in words: ``"task"``, ``"encoder"``, ``"quantizer"``, ``"column"``.
    name : str
        The name as it was given.
    known : iterable of str
        The valid names.
    hint : str, optional
        What to do next, one sentence.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        # without regard to case: a difference in case alone is the commonest slip in column names
        lower = {known_name.lower(): known_name for known_name in reversed(self.known)}
        near = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=4, cutoff=0.5)]
        shown = near or self.known[:12]
        more = "" if near or len(self.known) <= len(shown) else f" and {len(self.known) - len(shown)} more"
        lead = "nearest" if near else "known"
        message = f"unknown {kind} {name!r}; {lead}: {', '.join(shown) or 'none'}{more}"
        super().__init__(f"{message}. {hint}" if hint else message)


class DataError(MolmisError):
    """A data file that is missing, damaged, or does not hold what it should; the message names its path."""


class TooFewRecordsError(MolmisError):
    """A task that after cleaning has too few records, or only one class, to be audited."""
