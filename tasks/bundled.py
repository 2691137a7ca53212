"""Tasks from the real molecules that the RDKit package carries: no download, no copy here."""

import csv
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molecules.cache import atomic_write, cache_dir, content_key, file_sha256
from molecules.errors import DataError
from molecules.progress import Progress, counted
from tasks.catalogue import add_task
from tasks.task import DataOptions, Kind, RawRecords, Task

#: pIC50 at and above which a compound counts as active: an IC50 of 100 nmol per litre or less.
ACTIVE_FROM = 7.0


def _inside_rdkit(folder: str, *parts: str) -> Path:
    """Return a file of the RDKit package; ``folder`` names one of the paths of ``rdkit.RDConfig``."""
    from rdkit import RDConfig

    path = Path(getattr(RDConfig, folder)).joinpath(*parts)
    if not path.is_file():
        raise DataError(
            f"{path} is not there: this build of RDKit comes without its data; install rdkit from PyPI"
        )
    return path


def _chembl_files(_: Task, __: DataOptions) -> tuple[Path, ...]:
    folder = ("RDContribDir", "FreeWilson", "data")
    return _inside_rdkit(*folder, "CHEMBL2321810.smi"), _inside_rdkit(*folder, "CHEMBL2321810_act.csv")


def _load_potency(task: Task, options: DataOptions) -> RawRecords:
    """Read SMILES and pIC50, joined by compound name."""
    molecules, activities = _chembl_files(task, options)
    with activities.open(newline="") as stream:
        potency = {row["Name"]: float(row["Act"]) for row in csv.DictReader(stream)}
    lines = [line.split() for line in molecules.read_text().splitlines() if line.strip()]
    labels = np.array([[potency.get(name, np.nan)] for _, name in lines])
    if task.kind is Kind.CLASSIFICATION:
        labels = np.where(np.isnan(labels), np.nan, labels >= ACTIVE_FROM)
    return RawRecords(
        smiles=[smiles for smiles, _ in lines],
        labels=labels,
        targets=task.targets,
        kind=task.kind,
        origin=str(molecules),
        sha256=_joint_sha256((molecules, activities)),
    )


def _pains_files(_: Task, __: DataOptions) -> tuple[Path, ...]:
    return (_inside_rdkit("RDDataDir", "Pains", "test_data", "wehi_mols.csv"),)


def _load_pains(task: Task, options: DataOptions) -> RawRecords:
    """Read the compounds, and label them by RDKit's PAINS filters (computed once, then cached)."""
    (path,) = _pains_files(task, options)
    with path.open(newline="") as stream:
        smiles = [row[0] for row in csv.reader(stream) if row]
    sha256 = file_sha256(path)
    labels = _cached_pains(smiles, sha256, options.progress)
    return RawRecords(smiles, labels[:, None], task.targets, task.kind, str(path), sha256)


def _cached_pains(smiles: list[str], sha256: str, progress: Progress) -> NDArray[np.float64]:
    """Return one label a compound from the cache; computed and stored where it is not there or damaged."""
    import rdkit

    path = cache_dir("labels") / f"pains-{content_key(sha256, rdkit.__version__)}.npy"
    if path.is_file():
        try:
            labels = np.load(path, allow_pickle=False)
            if labels.shape == (len(smiles),) and not np.isinf(labels).any():
                return np.asarray(labels, dtype=np.float64)
            reason = f"shape {labels.shape}"
        except (OSError, ValueError, EOFError) as error:
            reason = str(error)
        progress.note(f"cached labels {path} are damaged and made again ({reason})")
    labels = pains_labels(smiles, progress)
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, labels)
    return labels


def pains_labels(smiles: list[str], progress: Progress) -> NDArray[np.float64]:
    """Return 1 where a molecule hits any PAINS filter [1]_, 0 where none, NaN where it cannot be parsed.

    References
    ----------
    .. [1] Baell and Holloway, "New substructure filters for removal of pan assay interference compounds",
       J. Med. Chem. 53 (2010) 2719.
    """
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

    from molecules.parse import parse

    filters = FilterCatalog(FilterCatalogParams(FilterCatalogParams.FilterCatalogs.PAINS))
    labels = np.full(len(smiles), np.nan)
    with progress.stage("PAINS filters", len(smiles)) as advance:
        for row, text in counted(enumerate(smiles), advance):
            mol = parse(text)
            if mol is not None:
                labels[row] = filters.HasMatch(mol)
    return labels


def _joint_sha256(paths: tuple[Path, ...]) -> str:
    return hashlib.sha256("".join(file_sha256(path) for path in paths).encode()).hexdigest()


_FREE_WILSON = (
    "ChEMBL, entry CHEMBL2321810, https://www.ebi.ac.uk/chembl; carried by RDKit (Contrib/FreeWilson)"
)
_ONE_SERIES = "One chemical series: all compounds share a core, so a scaffold split sets few apart."

POTENCY = add_task(
    Task(
        name="chembl2321810",
        kind=Kind.REGRESSION,
        targets=("pIC50",),
        description="Potency of 1,017 compounds of one series: pIC50 = -log10(IC50 in mol per litre).",
        source=_FREE_WILSON,
        licence="RDKit is BSD-3-Clause; ChEMBL data are CC BY-SA 3.0",
        load=_load_potency,
        files=_chembl_files,
        metric="rmse",
        known_defects=_ONE_SERIES,
        rows=1017,
        records=1017,
    )
)

ACTIVE = add_task(
    Task(
        name="chembl2321810-active",
        kind=Kind.CLASSIFICATION,
        targets=("active",),
        description="Whether a compound of one series is active: pIC50 of 7 or more (35 % of 1,017).",
        source=_FREE_WILSON,
        licence="RDKit is BSD-3-Clause; ChEMBL data are CC BY-SA 3.0",
        load=_load_potency,
        files=_chembl_files,
        metric="roc_auc",
        known_defects=_ONE_SERIES,
        rows=1017,
        records=1017,
    )
)

PAINS = add_task(
    Task(
        name="pains",
        kind=Kind.CLASSIFICATION,
        targets=("pains",),
        description="Whether one of 10,000 screening compounds hits a PAINS substructure filter (8.4 %).",
        source="WEHI screening compounds and PAINS filters carried by RDKit; Baell and Holloway, "
        "J. Med. Chem. 53 (2010) 2719",
        licence="RDKit is BSD-3-Clause",
        load=_load_pains,
        files=_pains_files,
        metric="roc_auc",
        known_defects="Labels are computed from substructures, not measured: noiseless and easy to learn. "
        "The gin encoder was pretrained on the structures of these molecules (not on their labels).",
        rows=10_000,
        records=10_000,
    )
)
