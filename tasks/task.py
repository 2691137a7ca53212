"""What a task is: one frozen record of facts, and the records it loads.

Declarations stand apart from behaviour: a task says where its data comes from through ``load``, a
function of one of the source modules beside this file; the kind of task chooses head, loss and metrics.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molecules.cache import content_key
from molecules.progress import SILENT, Progress


class Kind(StrEnum):
    """What the labels are."""

    CLASSIFICATION = "classification"  # each label 0, 1 or missing
    REGRESSION = "regression"  # each label a real number or missing


class Inputs(StrEnum):
    """What the records of a task are, and what an encoder takes."""

    MOLECULES = "molecules"
    VECTORS = "vectors"


#: The split of a task whose test records are drawn afresh: its pool is all of its records.
FRESH = "fresh"
#: The split of a task whose source says which records are the test set.
OFFICIAL = "official"
#: Longest name that is part of a file name as it stands; most file systems allow 255 bytes in all.
_LONGEST = 100


@dataclass(frozen=True, eq=False)
class Drawn:
    """Records that are vectors.

    Attributes
    ----------
    inputs : ndarray of float32, shape (records, d)
        What a head is given.
    labels : ndarray of float32, shape (records, targets)
        NaN where a label is missing.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a task of vectors has in the place of molecules.

    Attributes
    ----------
    inputs : ndarray of float32, shape (records, d)
        Of the records that labels are given for; all of them are the pool.
    fresh : Drawn
        Further records of the same distribution, m of them: the held-out records of r, for every run.
    test : Drawn
        Further ones, that performance is measured on.
    """

    inputs: NDArray[np.float32]
    fresh: Drawn
    test: Drawn


@dataclass(frozen=True)
class RawRecords:
    """Records as a source gives them, before any cleaning.

    Attributes
    ----------
    smiles : list of str
        One entry a row, as written in the source; may be empty or unparseable. No entries for vectors.
    labels : ndarray of float64, shape (rows, targets)
        NaN where a label is missing.
    targets : tuple of str
        Names of the label columns.
    kind : Kind
        Classification (labels 0 and 1) or regression.
    origin : str
        Where the rows were read from: a path, for messages and for the result's provenance.
    sha256 : str
        Hash of the file(s) they were read from.
    vectors : Vectors or None
        In the place of SMILES, where the records are vectors; there is no cleaning then.
    test : ndarray of bool, shape (rows,), or None
        Which rows the source sets apart as its test set; None where it says nothing.
    tables : tuple of (str, int)
        Name and number of rows of each table, in order, where the rows are of several: messages then name
        a row by its table.
    """

    smiles: list[str]
    labels: NDArray[np.float64]
    targets: tuple[str, ...]
    kind: Kind
    origin: str
    sha256: str
    vectors: Vectors | None = None
    test: NDArray[np.bool_] | None = None
    tables: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class DataOptions:
    """How a source may find its files.

    Attributes
    ----------
    data_dir : Path or None
        A folder given by the user; looked at before every other place.
    download : bool
        Whether a file found nowhere may be downloaded.
    verify : bool
        Whether a file of known checksum must match it.
    progress : Progress
        Listener for downloads.
    """

    data_dir: Path | None = None
    download: bool = True
    verify: bool = True
    progress: Progress = field(default=SILENT, compare=False)


def plain_name(name: str) -> str:
    """Return a name as part of a file name on every system: letters, digits, ``. _ -``, all else as ``-``."""
    return re.sub(r"[^\w.-]", "-", name)


@dataclass(frozen=True)
class Task:
    """The facts of one task.

    Attributes
    ----------
    name : str
        As given to ``--task``; ``file:NAME`` for a file of the user's own.
    kind : Kind
        Classification or regression.
    targets : tuple of str
        Label names, in column order.
    description : str
        One sentence a chemist understands, with the unit of the label.
    source : str
        Paper or database, with a reference.
    licence : str
        As stated by the source; "not stated" where it is not.
    load : callable
        ``load(task, options) -> RawRecords``.
    split : str
        Name of the recommended split of the test set (``molecules.splits``), ``OFFICIAL`` or ``FRESH``.
    metric : str
        Name of the main metric (``benchmark.metrics``).
    version : int
        Raised when a change to the task moves scores.
    known_defects : str
        Defects of the data that a reader of the figures should know.
    files : callable or None
        ``files(task, options) -> paths``: the raw files, found and checked, without reading records. Where
        given, clean records are kept in the cache under the content of these files.
    inputs : Inputs
        Whether the records are molecules or vectors.
    hidden : tuple of int or None
        Widths of the hidden layers of every head, where the task decides them.
    specify : callable or None
        ``specify(text) -> Task``: the task with the parameters ``parameter=value,...`` of its name, where it
        has parameters.
    rows, records : int
        Rows of the source, and records that are left of them after cleaning; 0 where nobody has counted.
    protocol : str
        How the source asks for figures beyond split and metric, and what of it is followed; empty where it
        asks for nothing more.
    """

    name: str
    kind: Kind
    targets: tuple[str, ...]
    description: str
    source: str
    licence: str
    load: Callable[["Task", DataOptions], RawRecords] = field(compare=False)
    split: str = "random"
    metric: str = ""
    version: int = 1
    known_defects: str = ""
    files: Callable[["Task", DataOptions], tuple[Path, ...]] | None = field(default=None, compare=False)
    inputs: Inputs = Inputs.MOLECULES
    hidden: tuple[int, ...] | None = None
    specify: Callable[[str], "Task"] | None = field(default=None, compare=False)
    rows: int = 0
    records: int = 0
    protocol: str = ""

    @property
    def slug(self) -> str:
        """The name as part of a file name; a long one, of many labels, ends in a hash of the whole."""
        plain = plain_name(self.name)
        if len(plain) <= _LONGEST:
            return plain
        return f"{plain[:_LONGEST]}-{content_key(self.name)}"

    @property
    def main_metric(self) -> str:
        """The metric named in the table: the task's own, or the usual one of its kind."""
        return self.metric or {Kind.CLASSIFICATION: "roc_auc", Kind.REGRESSION: "rmse"}[self.kind]
