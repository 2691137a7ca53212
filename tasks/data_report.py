"""What there is to know of the data of a task before anything is trained on it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from molecules.cleaning_report import CleaningReport
from tasks.records import Records
from tasks.task import Kind


@dataclass(frozen=True)
class LabelReport:
    """One label over the clean records.

    Attributes
    ----------
    name : str
        Of its column.
    known : int
        Records that have it.
    missing_share : float
        Share of the records that do not.
    positives : int or None
        Records of class 1; None in regression.
    mean, sd, low, high : float
        Of the known labels; the mean is the share of class 1 in classification. NaN where none is known.
    """

    name: str
    known: int
    missing_share: float
    positives: int | None
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class DataReport:
    """The data of one task.

    Attributes
    ----------
    task : str
        Its name.
    kind : Kind
        Classification or regression.
    cleaning : CleaningReport
        Rows, what was dropped, merged and set missing, salts and mixtures, and molecules that the source has
        both in training and in test set.
    labels : tuple of LabelReport
        One a label.
    missing_share : float
        Share of all labels of all records that are missing.
    official_test : int or None
        Records of the source's own test set; None where it has none.
    scored_rows, test_rows : int or None
        Rows of the source's test set that these records are made of, and all of its rows: repeats are merged,
        and rows that cannot be read or that disagree are dropped. None where it has none.
    repeats_left : int
        Records whose molecule is that of an earlier record: 0, so that no molecule can stand on two sides of
        a split of the records, pool and test set or members and non-members.
    """

    task: str
    kind: Kind
    cleaning: CleaningReport
    labels: tuple[LabelReport, ...]
    missing_share: float
    official_test: int | None
    scored_rows: int | None
    test_rows: int | None
    repeats_left: int

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers, strings and lists, ready for JSON; the cleaning is told by its own report."""
        return {
            "labels": [_plain(asdict(label)) for label in self.labels],
            "missing_share": self.missing_share,
            "official_test": self.official_test,
            "scored_rows": self.scored_rows,
            "test_rows": self.test_rows,
            "repeats_left": self.repeats_left,
        }


def data_report(records: Records) -> DataReport:
    """Return the report of clean records."""
    test, rows = records.test, records.source_rows
    return DataReport(
        task=records.task,
        kind=records.kind,
        cleaning=records.report,
        labels=tuple(
            _label(name, column, records.kind)
            for name, column in zip(records.targets, records.labels.T, strict=True)
        ),
        missing_share=float(np.isnan(records.labels).mean()),
        official_test=None if test is None else int(test.sum()),
        scored_rows=None if test is None or rows is None else int(rows[test].sum()),
        test_rows=None if test is None else records.report.test_rows,
        repeats_left=len(records.smiles) - len(set(records.smiles)),
    )


def scored_text(told: object) -> str:
    """Return one sentence of what :meth:`DataReport.as_dict` gave, perhaps in a stored result.

    Empty where every row of the source's test set is a record, or there is no such set.
    """
    if not isinstance(told, Mapping):
        return ""
    records, scored, rows = (told.get(name) for name in ("official_test", "scored_rows", "test_rows"))
    if not isinstance(records, int) or not isinstance(scored, int) or not isinstance(rows, int):
        return ""
    if records == scored == rows:
        return ""
    return (
        f"Performance is scored on {records:,} molecules made of {scored:,} of the source's {rows:,} test "
        "rows, once each: figures that score every row differ, most where rows of a molecule disagree."
    )


def _label(name: str, column: NDArray[np.float32], kind: Kind) -> LabelReport:
    known = column[~np.isnan(column)].astype(np.float64)
    figures = (known.mean(), known.std(), known.min(), known.max()) if len(known) else (np.nan,) * 4
    return LabelReport(
        name,
        len(known),
        1 - len(known) / max(len(column), 1),
        int((known == 1).sum()) if kind is Kind.CLASSIFICATION else None,
        *map(float, figures),
    )


def _plain(fields: Mapping[str, object]) -> dict[str, object]:
    """Return fields with None in the place of NaN, which JSON does not have."""
    return {name: None if value != value else value for name, value in fields.items()}
