"""Whether clean records are enough to audit a model with."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from molecules.errors import TooFewRecordsError

#: Fewest records a task may have.
MINIMUM_RECORDS = 100
#: Fewest records of each class of a classification label.
MINIMUM_PER_CLASS = 10


def check_enough(
    labels: NDArray[np.float32],
    classification: bool,
    targets: Sequence[str],
    task: str = "task",
    minimum: int = MINIMUM_RECORDS,
) -> tuple[str, ...]:
    """Refuse tasks that cannot be audited; return the label columns that are weak.

    Parameters
    ----------
    labels : ndarray of float32, shape (records, targets)
        Of clean records.
    classification : bool
        Whether labels are classes.
    targets : sequence of str
        Names of the label columns.
    task : str
        Name of the task or its file, for messages.
    minimum : int
        Fewest records.

    Returns
    -------
    tuple of str
        Classification with several labels: those with fewer than ``MINIMUM_PER_CLASS`` records of a
        class, whose figures are not to be relied on. Empty otherwise.

    Raises
    ------
    TooFewRecordsError
        If there are fewer than ``minimum`` records; if the only classification label has fewer than
        ``MINIMUM_PER_CLASS`` records of a class; if of several none has both classes; or if a
        regression label does not vary.
    """
    if len(labels) < minimum:
        raise TooFewRecordsError(
            f"{task}: {len(labels)} records are left after cleaning and at least {minimum} are needed; "
            "give more molecules, or see the cleaning report for what was dropped"
        )
    if not classification:
        _check_varies(labels, targets, task)
        return ()
    counts = {
        target: (int((column == 1).sum()), int((column == 0).sum()))
        for target, column in zip(targets, labels.T, strict=True)
    }
    weak = tuple(target for target in targets if min(counts[target]) < MINIMUM_PER_CLASS)
    if len(counts) == 1 and weak:
        raise TooFewRecordsError(
            f"{task}: label {_classes(counts)} after cleaning and at least {MINIMUM_PER_CLASS} of each class "
            "are needed; give more records of the rare class or choose another label"
        )
    if not any(min(pair) for pair in counts.values()):
        raise TooFewRecordsError(
            f"{task}: none of the {len(counts)} labels has both classes after cleaning ({_classes(counts)}); "
            "give at least one label with both"
        )
    return weak


def _classes(counts: Mapping[str, tuple[int, int]], most: int = 3) -> str:
    """Say how many records of each class the first few labels have."""
    shown = [
        f"{name!r} has {ones} of class 1 and {zeros} of class 0" for name, (ones, zeros) in counts.items()
    ]
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "")


def _check_varies(labels: NDArray[np.float32], targets: Sequence[str], task: str) -> None:
    """Refuse regression labels that hold fewer than two different values."""
    for target, column in zip(targets, labels.T, strict=True):
        values = np.unique(column[~np.isnan(column)])
        if len(values) < 2:
            held = f"is {values[0]:g} in every record" if len(values) else "is missing in every record"
            raise TooFewRecordsError(
                f"{task}: regression label {target!r} {held} after cleaning, so there is nothing to learn; "
                "leave that label out or check its column"
            )
