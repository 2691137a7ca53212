"""What ``--report`` prints: the data of a task, its test set and its halves, before anything is trained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from benchmark.cell_data import hold_apart
from benchmark.encoder_text import seen_text
from benchmark.exchangeability import confounded, exchangeability
from benchmark.execute import Settings, test_set_of
from benchmark.plan import Protocol
from models.encoders.base import Encoder
from models.encoders.choice import chosen_encoder
from models.encoders.seen import Seen, refuse_fitted, seen_of
from molecules.cache import atomic_write
from molecules.cleaning_report import CleaningReport
from molecules.errors import MolmisError, TooFewRecordsError
from molecules.progress import SILENT, Progress
from molecules.splits import member_halves
from tasks.catalogue import load_records
from tasks.data_report import DataReport, LabelReport, data_report
from tasks.records import Records
from tasks.task import DataOptions, Inputs, Kind, Task
from tasks.twins import TwinReport, twins_of

#: Name of the file with everything that is printed, and all labels.
FILE = "data_report.json"
#: Columns that fingerprints are folded into for the question whether halves differ: enough to see it.
_COLUMNS = 256
#: Labels shown; the file has all.
_SHOWN = 15


@dataclass(frozen=True)
class Halves:
    """How the records of a task are divided.

    Attributes
    ----------
    split : str
        Name of the split.
    pool, test : int
        Records of the pool and of the test set.
    both : int
        Molecules, by canonical SMILES, that stand in both, or among members and non-members of one run. None
        does.
    twins : TwinReport or None
        Substances that do, by InChIKey; None of vectors.
    exchangeable : mapping of str to float
        See :func:`benchmark.exchangeability.exchangeability`, of fingerprints folded into few columns.
    """

    split: str
    pool: int
    test: int
    both: int
    twins: TwinReport | None
    exchangeable: Mapping[str, float]


@dataclass(frozen=True)
class Pretrained:
    """What an encoder saw of a task before.

    Attributes
    ----------
    name : str
        Of the encoder.
    seen : Seen
        Which of the molecules.
    refusal : str
        Why it is refused for the task; empty where it is not.
    """

    name: str
    seen: Seen
    refusal: str = ""

    def facts(self) -> dict[str, object]:
        """Return it JSON-able."""
        return {"name": self.name, **self.seen.facts(), "refused": self.refusal}

    def lines(self) -> list[tuple[str, str]]:
        """Return what is said of it: a figure each, and what it is of."""
        if self.refusal:
            return [("–", f"encoder refused: {self.refusal}")]
        if self.seen.molecules is None or not self.seen.declared:
            return [("–", seen_text(self.seen.facts()))]
        return [
            (
                f"{self.seen.molecules:,}",
                f"molecules that the encoder {self.name} saw in pretraining, without labels",
            )
        ]


@dataclass(frozen=True)
class DataSheet:
    """The data of a task as it is shown.

    Attributes
    ----------
    task : Task
        What is predicted.
    report : DataReport
        Its records.
    halves : Halves or None
        How they are divided; None where the split is refused.
    encoder : Pretrained
        What the encoder saw of them.
    refusal : str
        Why the split is refused; empty where it is not.
    """

    task: Task
    report: DataReport
    halves: Halves | None
    encoder: Pretrained
    refusal: str = ""

    def render(self, console: Console) -> None:
        """Print it."""
        console.print(
            Group(
                Text(f"{self.task.name}: {self.task.description}"),
                self._counts(),
                self._labels(),
                *self._left_out(),
            )
        )
        if self.task.known_defects:
            console.print(f"Known of this task: {self.task.known_defects}", highlight=False, markup=False)

    def write(self, folder: Path) -> Path:
        """Write it as JSON, with all labels, and return where."""
        halves = self.halves
        told: dict[str, object] = {
            "task": self.task.name,
            "kind": str(self.report.kind),
            "cleaning": self.report.cleaning.as_dict(),
            "data": self.report.as_dict(),
            "encoder": {
                "name": self.encoder.name,
                **self.encoder.seen.facts(),
                "refused": self.encoder.refusal,
            },
            "refused": self.refusal,
        }
        if halves is not None:
            told |= {"split": halves.split, "pool": halves.pool, "test": halves.test, "both": halves.both}
            told["twins"] = None if halves.twins is None else halves.twins.as_dict()
            told["exchangeability"] = dict(halves.exchangeable)
        with atomic_write(folder / FILE) as part:
            part.write_text(json.dumps(told, indent=2) + "\n")
        return folder / FILE

    def _counts(self) -> Text:
        """Return one line a fact."""
        report = self.report.cleaning
        lines = [(f"{report.kept:,}", "records drawn")]
        seen: list[tuple[str, str]] = []
        if self.task.inputs is Inputs.MOLECULES:
            lines = [
                (f"{count:,}", words + _example(report.examples.get(reason, ())))
                for count, words, reason in _cleaned(report)
            ]
            seen = self.encoder.lines()
        told = [*lines, *self._overlaps(), *seen]
        return Text("\n".join(f"{figure:>9}  {said}" for figure, said in told))

    def _overlaps(self) -> list[tuple[str, str]]:
        """Return what is said of the test set and the halves."""
        report, halves = self.report.cleaning, self.halves
        said = [(f"{self.report.missing_share:.1%}", "of all labels are missing")]
        if self.report.official_test is not None:
            said += [
                (f"{self.report.official_test:,}", f"records of the test set of the source{self._rows()}"),
                (
                    f"{report.overlapping:,}",
                    "molecules that its training set has too, kept in the test set only",
                ),
            ]
        if halves is None:
            return [*said, ("–", f"split refused: {self.refusal}")]
        found = halves.exchangeable
        verdict = "confounded" if confounded(found) else "as random halves should be"
        return [
            *said,
            (
                f"{halves.pool:,}",
                f"records of the pool, {halves.test:,} of the test set ({halves.split} split)",
            ),
            (
                f"{halves.both:,}",
                "molecules on both sides, of pool and test set or of members and non-members",
            ),
            *_twins(halves.twins),
            (
                f"{found['auc']:.3f}",
                f"AUC of telling members from non-members before training ± {found['error']:.3f}, {verdict}",
            ),
        ]

    def _rows(self) -> str:
        """Say how many rows of the test set of the source its records stand for."""
        scored, rows = self.report.scored_rows, self.report.test_rows
        return "" if scored is None else f", made of {scored:,} of its {rows:,} rows"

    def _labels(self) -> Table:
        """Return one row a label, those of the fewest records of a class first where there are many."""
        classes = self.report.kind is Kind.CLASSIFICATION
        labels = list(self.report.labels)
        if classes and len(labels) > _SHOWN:
            labels.sort(key=_rarer)
        heads = ("class 1", "class 0", "share of 1") if classes else ("mean", "SD", "lowest", "highest")
        table = Table("label", "known", "missing", *heads, header_style="bold")
        for label in labels[:_SHOWN]:
            if label.positives is None:
                figures = [f"{value:.4g}" for value in (label.mean, label.sd, label.low, label.high)]
            else:
                figures = [f"{label.positives:,}", f"{label.known - label.positives:,}", f"{label.mean:.1%}"]
            table.add_row(label.name, f"{label.known:,}", f"{label.missing_share:.1%}", *figures)
        return table

    def _left_out(self) -> list[Text]:
        """Say which labels are not shown."""
        count = len(self.report.labels)
        if count <= _SHOWN:
            return []
        order = (
            ", those with the fewest records of a class" if self.report.kind is Kind.CLASSIFICATION else ""
        )
        return [Text(f"{_SHOWN} of {count} labels{order}; --out DIR writes all to {FILE}")]


def data_sheet(
    task: Task, options: DataOptions, settings: Settings, progress: Progress = SILENT
) -> DataSheet:
    """Load the records of a task and divide them as a run would; nothing is trained.

    Raises
    ------
    MolmisError
        For an unknown split or encoder, data that cannot be had, or records that cannot be audited.
    """
    split, share = test_set_of(task, settings)
    encoder = chosen_encoder(task, settings.encoder, settings.pretrain_on, settings.objective)
    records = load_records(task, options)
    protocol = Protocol(settings.runs, split, share, settings.seed)
    seen = _pretrained(encoder, task, records)
    try:
        halves = _halves(records, protocol, progress)
    except TooFewRecordsError as error:  # the rest is what helps to see why
        return DataSheet(task, data_report(records), None, seen, str(error))
    return DataSheet(task, data_report(records), halves, seen)


def _pretrained(encoder: Encoder, task: Task, records: Records) -> Pretrained:
    """Return what an encoder saw of the records; why it is refused, if it is."""
    seen = seen_of(encoder, records.smiles)
    try:
        refuse_fitted(encoder, task.name, records.targets, records.sha256)
    except MolmisError as error:
        return Pretrained(encoder.name, seen, str(error))
    return Pretrained(encoder.name, seen)


def _halves(records: Records, protocol: Protocol, progress: Progress) -> Halves:
    if records.vectors is not None:
        members = member_halves(len(records), protocol.runs, protocol.seed)
        found = exchangeability(records.vectors.inputs, members)
        return Halves(protocol.split, len(records), len(records.vectors.test.labels), 0, None, found)
    from molecules.fingerprints import morgan_counts

    pool, test = hold_apart(records, protocol)
    smiles = np.array(records.smiles, dtype=object)
    members = member_halves(len(pool), protocol.runs, protocol.seed)
    both = len(set(smiles[pool]) & set(smiles[test]))
    both += max(_on_both_sides(smiles[pool], own) for own in members)
    found = exchangeability(morgan_counts(list(smiles[pool][:4000]), _COLUMNS, progress=progress), members)
    twins = twins_of(records.smiles, list(smiles[pool]), list(smiles[test]), always=True, progress=progress)
    return Halves(protocol.split, len(pool), len(test), both, twins, found)


def _on_both_sides(smiles: NDArray[np.object_], members: NDArray[np.bool_]) -> int:
    """Return how many molecules are members and non-members of one run."""
    return len(set(smiles[members]) & set(smiles[~members]))


def _twins(report: TwinReport | None) -> list[tuple[str, str]]:
    """Return what is said of substances under several SMILES."""
    if report is None:
        return []
    keys, blocks = report.inchikey, report.connectivity
    wider = "by connectivity, which stereoisomers and states of protonation share"
    return [
        (f"{keys.across:,}", f"substances by InChIKey in pool and test set ({blocks.across:,} {wider})"),
        (
            f"{keys.within:,}",
            f"records of the pool that repeat a substance by InChIKey ({blocks.within:,} by connectivity)",
        ),
    ]


def _rarer(label: LabelReport) -> int:
    """Return the number of records of the rarer class."""
    ones = label.positives or 0
    return min(ones, label.known - ones)


def _cleaned(report: CleaningReport) -> list[tuple[int, str, str]]:
    """Return counts of a cleaning, what they are of, and the reason under which there are examples."""
    return [
        (report.rows, "rows in the source; row 1 is the first below a header", ""),
        (report.kept, "records, one a molecule", ""),
        (report.empty, "rows without SMILES", "empty"),
        (report.unparseable, "rows that RDKit cannot parse", "unparseable"),
        (report.unlabelled, "molecules without a label", "unlabelled"),
        (report.duplicates, "rows that repeat a molecule, merged into its record", "duplicates"),
        (report.conflicting_molecules, "molecules whose repeats disagree", "conflicting"),
        (report.conflicting_labels, "labels set missing for that", ""),
        (report.conflicting_dropped, "molecules that lost all labels by it", ""),
        (report.mixtures, "records that are salts or mixtures", "mixtures"),
        (report.shared_parents, "of them with the parent of another record", ""),
        (report.outliers, "records with an outlying label", "outliers"),
    ]


def _example(shown: Sequence[tuple[str, str]]) -> str:
    return f", such as {shown[0][0]}: {shown[0][1]}" if shown else ""
