"""Clean records of a task, and the cache of them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molecules.cache import atomic_write, cache_dir, content_key, file_sha256
from molecules.cleaning_report import RULES_VERSION, CleaningReport
from molecules.enough import check_enough
from molecules.errors import DataError
from tasks.task import DataOptions, Kind, RawRecords, Task, Vectors

#: Raised when the layout of the cached file changes.
FORMAT_VERSION = 2


@dataclass(frozen=True)
class Records:
    """The clean records of one task.

    Attributes
    ----------
    task : str
        Name of the task.
    kind : Kind
        Classification or regression.
    targets : tuple of str
        Names of the label columns.
    smiles : list of str
        Canonical isomeric SMILES, all different; none for vectors.
    labels : ndarray of float32, shape (records, targets)
        NaN where a label is missing.
    report : CleaningReport
        What was dropped, merged and set missing, and why.
    origin : str
        Where the rows were read from.
    sha256 : str
        Hash of the file(s) they were read from.
    vectors : Vectors or None
        In the place of SMILES, where the records are vectors.
    test : ndarray of bool, shape (records,), or None
        Which records the source sets apart as its test set; None where it says nothing.
    source_rows : ndarray of int32, shape (records,), or None
        Rows of the source that each record is made of; None for vectors.
    """

    task: str
    kind: Kind
    targets: tuple[str, ...]
    smiles: list[str]
    labels: NDArray[np.float32]
    report: CleaningReport
    origin: str
    sha256: str
    vectors: Vectors | None = None
    test: NDArray[np.bool_] | None = None
    source_rows: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def summary(self) -> str:
        """Return what became of the rows of the source, or what was drawn, for people."""
        if self.vectors is None:
            return self.report.summary()
        fresh, test = len(self.vectors.fresh.labels), len(self.vectors.test.labels)
        return (
            f"{len(self):,} records drawn; {fresh:,} fresh ones for the plain indicator, "
            f"{test:,} for performance"
        )


def load_records(task: Task, options: DataOptions) -> Records:
    """Load, clean and check the records of a task.

    The records of tasks that declare their raw files are kept in the cache, under the content of those
    files, the rules of cleaning and the RDKit version: a second run reads one Parquet file, without
    DeepChem and without parsing a SMILES. A cached file that is damaged is made again, with a note.

    Parameters
    ----------
    task : Task
        What to load.
    options : DataOptions
        Where to look, and who listens.

    Returns
    -------
    Records

    Raises
    ------
    DataError
        If the raw files are missing or damaged, or hold impossible labels.
    TooFewRecordsError
        If there are too few records, or too few of a class, to audit.
    """
    files = task.files(task, options) if task.files is not None else ()
    path = _cache_path(task, files)
    records = _read(path, task, str(files[0]), options) if path is not None else None
    if records is None:
        records = _clean(task, options)
        if path is not None:
            _write(path, records, options)
    weak = check_enough(records.labels, task.kind is Kind.CLASSIFICATION, task.targets, task.name)
    return replace(records, report=replace(records.report, weak_labels=weak))


def _clean(task: Task, options: DataOptions) -> Records:
    raw = task.load(task, options)
    if raw.vectors is not None:
        return _drawn(task, raw)
    from molecules.clean import clean  # RDKit: not needed where records are cached

    cleaned = clean(
        raw.smiles,
        raw.labels,
        raw.kind is Kind.CLASSIFICATION,
        options.progress,
        targets=raw.targets,
        test=raw.test,
        tables=raw.tables,
    )
    return Records(
        task=task.name,
        kind=raw.kind,
        targets=raw.targets,
        smiles=cleaned.smiles,
        labels=cleaned.labels,
        report=cleaned.report,
        origin=raw.origin,
        sha256=raw.sha256,
        test=cleaned.test,
        source_rows=cleaned.source_rows,
    )


def _drawn(task: Task, raw: RawRecords) -> Records:
    """Return records that are vectors: what was drawn on purpose has nothing to be cleaned of."""
    count = len(raw.labels)
    return Records(
        task=task.name,
        kind=raw.kind,
        targets=raw.targets,
        smiles=[],
        labels=raw.labels.astype(np.float32),
        report=CleaningReport(rows=count, kept=count),
        origin=raw.origin,
        sha256=raw.sha256,
        vectors=raw.vectors,
    )


def _cache_path(task: Task, files: tuple[Path, ...]) -> Path | None:
    """Return where the records of a task lie, or None if there are no raw files."""
    if not files:
        return None
    import rdkit

    identity = (task.name, task.kind, task.targets, task.version, task.description)
    hashes = [file_sha256(path) for path in files]
    key = content_key(FORMAT_VERSION, RULES_VERSION, rdkit.__version__, identity, hashes)
    return cache_dir("records") / f"{key}.parquet"


def _write(path: Path, records: Records, options: DataOptions) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Numbers instead of names: a label may be called anything, "smiles" included.
    columns = {f"label_{place}": column for place, column in enumerate(records.labels.T)}
    facts = {
        "targets": list(records.targets),
        "kind": records.kind.value,
        "report": records.report.as_dict(),
        "sha256": records.sha256,
        "content": _content(records.smiles, records.labels, records.test, records.source_rows),
    }
    further = {"test": records.test, "source_rows": records.source_rows}
    columns |= {name: column for name, column in further.items() if column is not None}
    table = pa.table({"smiles": records.smiles, **columns})
    table = table.replace_schema_metadata({"molmis": json.dumps(facts)})
    try:
        with atomic_write(path) as temporary:
            pq.write_table(table, temporary)
    except DataError as error:  # a full or read-only disk costs the cache, not the run
        options.progress.note(f"records are not cached: {error}")


def _read(path: Path, task: Task, origin: str, options: DataOptions) -> Records | None:
    """Return the cached records, or None if there are none or they are not what was written.

    ``origin`` is the file found now: that of the run which wrote the cache may be gone.
    """
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"molmis"])
        smiles = table.column("smiles").to_pylist()
        columns = [table.column(f"label_{place}").to_numpy() for place in range(len(facts["targets"]))]
        labels = np.stack(columns, axis=1).astype(np.float32)
        test, source_rows = (
            table.column(name).to_numpy() if name in table.column_names else None
            for name in ("test", "source_rows")
        )
        intact = _content(smiles, labels, test, source_rows) == facts["content"]
        report = CleaningReport.from_dict(facts["report"])
        records = Records(
            task=task.name,
            kind=Kind(facts["kind"]),
            targets=tuple(facts["targets"]),
            smiles=smiles,
            labels=labels,
            report=report,
            origin=origin,
            sha256=facts["sha256"],
            test=test,
            source_rows=source_rows,
        )
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        options.progress.note(f"cached records {path} are damaged and are made again")
        return None
    return records


def _content(
    smiles: list[str],
    labels: NDArray[np.float32],
    test: NDArray[np.bool_] | None,
    source_rows: NDArray[np.int32] | None,
) -> str:
    arrays = (labels, test, source_rows)
    return content_key(smiles, *(b"" if a is None else np.ascontiguousarray(a).tobytes() for a in arrays))
