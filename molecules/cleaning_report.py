"""The account of a cleaning: how many rows went where, with examples."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

#: Raised when the rule of :mod:`molecules.clean` changes, so that cached records are made again.
RULES_VERSION = 2
#: Robust standard deviations (1.4826 MAD) from the median beyond which a label is told as an outlier.
OUTLIER_SD = 10
#: How many examples are kept for each reason.
EXAMPLES = 3
#: Name and number of rows of each table of a source, in the order in which rows are counted through them;
#: none where there is one table, which needs no name.
Tables = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class CleaningReport:
    """What happened to the rows of a source.

    ``rows`` is the sum of the five that follow it and of ``overlapping_rows``.
    What stands after those says more of rows that are counted there already.

    Attributes
    ----------
    rows : int
        Rows given.
    kept : int
        Records kept.
    empty : int
        Rows without a SMILES.
    unparseable : int
        Rows whose SMILES RDKit refuses.
    unlabelled : int
        Records (after merging) dropped because no label was left.
    duplicates : int
        Rows merged into the record of an earlier row.
    conflicting_molecules : int
        Molecules whose repeats disagree on a label.
    conflicting_labels : int
        Labels set missing for that.
    conflicting_dropped : int
        Those of these molecules that were left without a label: they are among ``unlabelled``.
    mixtures : int
        Records of several fragments, such as salts and solvates; kept as they are.
    shared_parents : int
        Those of them whose parent (largest fragment, neutral) is another record too, or the parent of another
        one: nearly the same molecule may then be a member and a non-member.
    outliers : int
        Records with a regression label further than ``OUTLIER_SD`` robust standard deviations from the median
        of that label; kept.
    examples : mapping of str to tuple of (str, str)
        For each reason, up to ``EXAMPLES`` rows, told as by :func:`place_of`, with their SMILES.
    weak_labels : tuple of str
        Labels with too few records of a class for figures to be relied on.
    overlapping : int
        Molecules that the source has in its training set and in its test set too: they are records of the
        test set.
    overlapping_rows : int
        Their rows of the training set, which are dropped.
    test_rows : int
        Rows of the test set of the source; 0 where it has none.
    """

    rows: int
    kept: int
    empty: int = 0
    unparseable: int = 0
    unlabelled: int = 0
    duplicates: int = 0
    conflicting_molecules: int = 0
    conflicting_labels: int = 0
    conflicting_dropped: int = 0
    mixtures: int = 0
    shared_parents: int = 0
    outliers: int = 0
    examples: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    weak_labels: tuple[str, ...] = ()
    overlapping: int = 0
    overlapping_rows: int = 0
    test_rows: int = 0

    def summary(self) -> str:
        """Return one readable line, and a second one if there is more to know of the records."""
        dropped = [
            f"{count:,} {words}{self._example(reason)}"
            for count, words, reason in (
                (self.empty, "without SMILES", "empty"),
                (self.unparseable, "unparseable", "unparseable"),
                (self.unlabelled, "without label", "unlabelled"),
                (self.overlapping_rows, "of the training set that stand in the test set too", "overlapping"),
            )
            if count
        ]
        line = f"{self.kept:,} records from {self.rows:,} rows; dropped: {', '.join(dropped) or 'none'}"
        line += f"; merged as duplicates: {self.duplicates:,}"
        notes = []
        if self.conflicting_molecules:
            notes.append(
                f"{self.conflicting_labels:,} labels of {self.conflicting_molecules:,} molecules set missing "
                f"because repeats disagree{self._example('conflicting')}"
                + (f"; {self.conflicting_dropped:,} of them lost all labels" * bool(self.conflicting_dropped))
            )
        if self.mixtures:
            notes.append(
                f"{self.mixtures:,} salts or mixtures kept as they are{self._example('mixtures')}, "
                f"{self.shared_parents:,} of them with the parent of another record"
            )
        if self.outliers:
            notes.append(
                f"{self.outliers:,} records with a label further than {OUTLIER_SD} robust standard "
                f"deviations from the median, kept{self._example('outliers')}: another unit, or a mistake?"
            )
        if self.weak_labels:
            notes.append(f"too few records of a class: {', '.join(self.weak_labels)}")
        return "\n".join([line, "; ".join(notes)] if notes else [line])

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers, strings and lists, ready for JSON."""
        plain = asdict(self)
        plain["examples"] = {
            reason: [list(pair) for pair in pairs] for reason, pairs in self.examples.items()
        }
        plain["weak_labels"] = list(self.weak_labels)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, object]) -> "CleaningReport":
        """Return the report that :meth:`as_dict` made ``plain`` of."""
        fields = dict(plain)
        examples = fields.pop("examples")
        weak = fields.pop("weak_labels")
        if not isinstance(examples, Mapping) or not isinstance(weak, Sequence):
            raise TypeError("examples must be a mapping and weak_labels a list")
        pairs = {
            reason: tuple((str(place), str(text)) for place, text in rows)
            for reason, rows in examples.items()
        }
        return cls(**fields, examples=pairs, weak_labels=tuple(weak))  # type: ignore[arg-type]

    def _example(self, reason: str) -> str:
        shown = self.examples.get(reason)
        return f" (such as {shown[0][0]}: {_short(shown[0][1])})" if shown else ""


def place_of(row: int, tables: Tables) -> str:
    """Return where a row (counted from 0, through all tables) stands, for people.

    ``row 3``, counted from 1 below the header; ``row 3 of test.csv``, counted in that table, where the rows
    are of several.
    """
    for name, rows in tables:
        if row < rows:
            return f"row {row + 1} of {name}"
        row -= rows
    return f"row {row + 1}"


class Tally:
    """Counts and examples while a cleaning runs.

    Parameters
    ----------
    tables : sequence of (str, int)
        Tables that the rows are of; see :data:`Tables`.
    """

    def __init__(self, tables: Tables = ()) -> None:
        self._tables = tables
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[tuple[str, str]]] = defaultdict(list)

    def drop(self, reason: str, row: int, smiles: str) -> None:
        """Count one row (counted from 0) that is dropped for ``reason``."""
        self._counts[reason] += 1
        self._show(reason, row, smiles)

    def duplicates(self, rows: Sequence[int], smiles: str) -> None:
        """Count the rows that were merged into the first of ``rows``."""
        self._counts["duplicates"] += len(rows) - 1
        self._show("duplicates", rows[1], smiles)

    def conflict(self, rows: Sequence[int], smiles: str, labels: int) -> None:
        """Count one molecule whose repeats disagree on ``labels`` labels."""
        self._counts["conflicting_molecules"] += 1
        self._counts["conflicting_labels"] += labels
        self._show("conflicting", rows[0], smiles)

    def overlap(self, rows: Sequence[int], smiles: str) -> None:
        """Count one molecule of both parts of a source, and its rows that are dropped."""
        self._counts["overlapping"] += 1
        self._counts["overlapping_rows"] += len(rows)
        self._show("overlapping", rows[0], smiles)

    def note(self, reason: str, row: int, smiles: str) -> None:
        """Count one record that is kept and of which a reader should know; ``row`` is its first one."""
        self.drop(reason, row, smiles)

    def count(self, reason: str, times: int) -> None:
        """Count what has no example of its own."""
        self._counts[reason] += times

    def report(self, rows: int, kept: int) -> CleaningReport:
        """Return the account."""
        examples = {reason: tuple(pairs) for reason, pairs in self._examples.items()}
        return CleaningReport(rows=rows, kept=kept, examples=examples, **self._counts)  # type: ignore[arg-type]

    def _show(self, reason: str, row: int, smiles: str) -> None:
        if len(self._examples[reason]) < EXAMPLES:
            self._examples[reason].append((place_of(row, self._tables), smiles))


def _short(smiles: str) -> str:
    return repr(smiles if len(smiles) <= 40 else smiles[:37] + "...")
