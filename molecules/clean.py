"""Rows of a source become clean records: one molecule each, under its canonical SMILES, with its labels.

The rule, which every figure of the benchmark rests on:

- a row without a SMILES, or whose SMILES RDKit refuses, is dropped;
- rows with the same canonical SMILES are merged into one record, at the place of the first of them;
- classification: labels on which repeats agree are kept, missing ones are filled from the repeats, and
  a label on which repeats disagree is set missing for that molecule;
- regression: repeats are averaged where they lie within a tolerance (their range is at most half a
  standard deviation of that label over all rows), else the label is set missing;
- a record left without any label is dropped;
- where the source sets a test set apart, a molecule that stands in both parts is a record of the test set:
  its other rows are dropped before labels are merged, so that no label of the one part reaches the other.

Nothing depends on the order of the rows except the order of the records.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize
from scipy import stats

from molecules.cleaning_report import OUTLIER_SD, CleaningReport, Tables, Tally, place_of
from molecules.enough import check_enough
from molecules.errors import DataError
from molecules.parse import canonical, read_smiles
from molecules.progress import SILENT, Progress, counted

__all__ = ["TOLERANCE_IN_SD", "Cleaned", "check_enough", "clean", "merge"]

#: Repeats of a regression label may differ by this many standard deviations of the label.
TOLERANCE_IN_SD = 0.5


@dataclass(frozen=True)
class Cleaned:
    """Clean records and the account of how they came about.

    Attributes
    ----------
    smiles : list of str
        Canonical isomeric SMILES, all different.
    labels : ndarray of float32, shape (records, targets)
        NaN where a label is missing; no row is NaN throughout.
    report : CleaningReport
        What was dropped, merged and set missing, and why.
    source_rows : ndarray of int32, shape (records,)
        Rows of the source that each record is made of.
    test : ndarray of bool, shape (records,), or None
        Which records are the test set of the source, where it has one.
    """

    smiles: list[str]
    labels: NDArray[np.float32]
    report: CleaningReport = field(compare=False)
    source_rows: NDArray[np.int32]
    test: NDArray[np.bool_] | None = None


def clean(
    smiles: Sequence[str],
    labels: NDArray[np.float64],
    classification: bool,
    progress: Progress = SILENT,
    targets: Sequence[str] = (),
    test: NDArray[np.bool_] | None = None,
    tables: Tables = (),
) -> Cleaned:
    """Clean rows by the rule at the head of this module.

    Parameters
    ----------
    smiles : sequence of str
        One a row, as written in the source.
    labels : ndarray of float64, shape (rows, targets)
        NaN where missing; 0 and 1 in classification.
    classification : bool
        Whether labels are classes; else they are real numbers.
    progress : Progress
        Listener.
    targets : sequence of str
        Names of the label columns, for messages; their positions where absent.
    test : ndarray of bool, shape (rows,), or None
        Which rows the source sets apart as its test set, where it does.
    tables : sequence of (str, int)
        Name and number of rows of each table that the rows are of, where they are of several: for messages.

    Returns
    -------
    Cleaned

    Raises
    ------
    DataError
        If a label is infinite (in float32), or in classification neither 0, 1 nor missing; the message
        names row (counted from 1, after the header of its table) and column.
    """
    labels = np.asarray(labels, dtype=np.float64)
    _check_labels(labels, classification, targets, tables)
    tally = Tally(tables)
    rows_of = _group(smiles, tally, progress)
    if test is not None:
        tally.count("test_rows", int(test.sum()))
        rows_of = _apart(rows_of, test, tally)
    merged = np.full((len(rows_of), labels.shape[1]), np.nan)
    tolerance = np.zeros(labels.shape[1]) if classification else _tolerance(labels)
    for record, (name, rows) in enumerate(rows_of.items()):
        if len(rows) == 1:
            merged[record] = labels[rows[0]]
            continue
        merged[record], conflicts = merge(labels[rows], tolerance)
        tally.duplicates(rows, name)
        if conflicts:
            tally.conflict(rows, name, conflicts)
    labelled = ~np.isnan(merged).all(axis=1)
    names = list(rows_of)
    for name, keep in zip(names, labelled, strict=True):
        if not keep:
            tally.drop("unlabelled", rows_of[name][0], name)
            # labels there were, and repeats disagreed on each
            tally.count("conflicting_dropped", int(not np.isnan(labels[rows_of[name]]).all()))
    _note_mixtures({name: rows[0] for name, rows in rows_of.items()}, labelled, tally)
    if not classification:
        for place in np.flatnonzero(_outlying(merged).any(axis=1)):
            tally.note("outliers", rows_of[names[place]][0], names[place])
    kept = [name for name, keep in zip(names, labelled, strict=True) if keep]
    counts = np.array([len(rows_of[name]) for name in kept], dtype=np.int32)
    held = None if test is None else np.array([test[rows_of[name][0]] for name in kept], dtype=np.bool_)
    report = tally.report(len(smiles), len(kept))
    return Cleaned(kept, merged[labelled].astype(np.float32), report, counts, held)


def merge(labels: NDArray[np.float64], tolerance: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Merge the labels of one molecule's repeats.

    Parameters
    ----------
    labels : ndarray of float64, shape (repeats, targets)
        NaN where missing.
    tolerance : ndarray of float64, shape (targets,)
        Largest range of repeats that still agree; 0 asks for equality.

    Returns
    -------
    merged : ndarray of float64, shape (targets,)
        Mean of what is there; NaN where nothing is, or where repeats disagree.
    conflicts : int
        Number of labels on which the repeats disagree.
    """
    present = ~np.isnan(labels)
    spread = np.fmax.reduce(labels, axis=0) - np.fmin.reduce(labels, axis=0)
    agree = spread <= tolerance  # False also where no label is present: NaN compares false
    # Sorted first, so that the sum, and with it the record, does not depend on the order of the rows.
    total = np.where(present, labels, np.inf)
    total.sort(axis=0)
    total = np.where(np.isinf(total), 0.0, total).sum(axis=0)
    merged = np.where(agree, total / np.maximum(present.sum(axis=0), 1), np.nan)
    return merged, int((spread > tolerance).sum())


def _group(smiles: Sequence[str], tally: Tally, progress: Progress) -> dict[str, list[int]]:
    """Return the rows of every canonical SMILES, in order of first occurrence."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    with progress.stage("cleaning", len(smiles)) as advance, rdBase.BlockLogs():
        for row, text in counted(enumerate(smiles), advance):
            name, reason = read_smiles(text)
            if reason:
                tally.drop(reason, row, text)
            else:
                rows_of[name].append(row)
    return dict(rows_of)


def _apart(rows_of: dict[str, list[int]], test: NDArray[np.bool_], tally: Tally) -> dict[str, list[int]]:
    """Return the rows of every molecule, of one part only: those of the test set where it stands in both."""
    apart = {}
    for name, rows in rows_of.items():
        held = [row for row in rows if test[row]]
        if 0 < len(held) < len(rows):
            tally.overlap([row for row in rows if not test[row]], name)
            apart[name] = held
        else:
            apart[name] = rows
    return apart


def _note_mixtures(rows: dict[str, int], labelled: NDArray[np.bool_], tally: Tally) -> None:
    """Count the records of several fragments, and those whose parent is that of another record."""
    kept = [name for name, keep in zip(rows, labelled, strict=True) if keep]
    parents = {name: _parent(name) for name in kept if "." in name}
    shared = Counter([*parents.values(), *(name for name in kept if name not in parents)])
    for name, parent in parents.items():
        tally.note("mixtures", rows[name], name)
        tally.count("shared_parents", int(shared[parent] > 1))


def _parent(smiles: str) -> str:
    """Return the canonical SMILES of the largest fragment, its charges taken off where that is possible."""
    with rdBase.BlockLogs():
        try:
            return canonical(rdMolStandardize.ChargeParent(Chem.MolFromSmiles(smiles)))
        except (RuntimeError, ValueError):  # what RDKit cannot standardise is its own parent
            return smiles


def _outlying(labels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which labels lie further than ``OUTLIER_SD`` robust standard deviations from their median."""
    outlying = np.zeros(labels.shape, dtype=np.bool_)
    for target, column in enumerate(labels.T):
        known = column[~np.isnan(column)]
        spread = stats.median_abs_deviation(known, scale="normal") if len(known) else 0.0
        if spread > 0:
            with np.errstate(invalid="ignore"):
                outlying[:, target] = np.abs(column - np.median(known)) > OUTLIER_SD * spread
    return outlying


def _tolerance(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest range of agreeing repeats, shape (targets,): 0 for a label without values."""
    columns = (np.sort(column[~np.isnan(column)]) for column in labels.T)  # sorted: see ``merge``
    return np.array([TOLERANCE_IN_SD * column.std() if len(column) else 0.0 for column in columns])


def _check_labels(
    labels: NDArray[np.float64], classification: bool, targets: Sequence[str], tables: Tables
) -> None:
    """Refuse labels that no loss is defined for, naming the first."""
    wrong = np.abs(labels) > np.finfo(np.float32).max  # infinite, or it would be as a record's label
    allowed = "a finite number or empty"
    if classification:
        wrong |= ~np.isnan(labels) & (labels != 0) & (labels != 1)
        allowed = "0, 1 or empty"
    if not wrong.any():
        return
    row, column = (int(place[0]) for place in np.nonzero(wrong))
    name = repr(targets[column]) if targets else str(column + 1)
    raise DataError(
        f"label {labels[row, column]:g} in {place_of(row, tables)}, column {name} ({int(wrong.sum())} such "
        f"in all) is not possible; a label is {allowed}; correct or empty it"
    )
