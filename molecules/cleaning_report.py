"""The account of a cleaning: how many rows went where, with examples."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

#: Raised when the rule of :mod:`molecules.clean` changes, so that cached records are made again.
RULES_VERSION = 1
#: How many examples are kept for each reason.
EXAMPLES = 3


@dataclass(frozen=True)
class CleaningReport:
    """What happened to the rows of a source; ``rows`` is the sum of the five that follow it.

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
    examples : mapping of str to tuple of (int, str)
        For each reason, up to ``EXAMPLES`` rows (counted from 1, after the header) with their SMILES.
    weak_labels : tuple of str
        Labels with too few records of a class for figures to be relied on.
    """

    rows: int
    kept: int
    empty: int = 0
    unparseable: int = 0
    unlabelled: int = 0
    duplicates: int = 0
    conflicting_molecules: int = 0
    conflicting_labels: int = 0
    examples: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    weak_labels: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one readable line, and a second one if repeats disagree or labels are weak."""
        dropped = [
            f"{count:,} {words}{self._example(reason)}"
            for count, words, reason in (
                (self.empty, "without SMILES", "empty"),
                (self.unparseable, "unparseable", "unparseable"),
                (self.unlabelled, "without label", "unlabelled"),
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
            reason: tuple((int(row), str(text)) for row, text in rows) for reason, rows in examples.items()
        }
        return cls(**fields, examples=pairs, weak_labels=tuple(weak))  # type: ignore[arg-type]

    def _example(self, reason: str) -> str:
        shown = self.examples.get(reason)
        return f" (such as row {shown[0][0]}: {_short(shown[0][1])})" if shown else ""


class Tally:
    """Counts and examples while a cleaning runs."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[tuple[int, str]]] = defaultdict(list)

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

    def report(self, rows: int, kept: int) -> CleaningReport:
        """Return the account."""
        examples = {reason: tuple(pairs) for reason, pairs in self._examples.items()}
        return CleaningReport(rows=rows, kept=kept, examples=examples, **self._counts)  # type: ignore[arg-type]

    def _show(self, reason: str, row: int, smiles: str) -> None:
        if len(self._examples[reason]) < EXAMPLES:
            self._examples[reason].append((row + 1, smiles))


def _short(smiles: str) -> str:
    return repr(smiles if len(smiles) <= 40 else smiles[:37] + "...")
